"""The truth about a field that no single exposure shows: what varies, what flares, the real orbits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.sky.asteroids import SLOPE_G, population
from ztfpipe.simulate.sky.calibrators import quadrant_footprint, stars_within
from ztfpipe.simulate.sky.catalog import select
from ztfpipe.simulate.sky.orbits import elements
from ztfpipe.simulate.sky.transients import KINDS as TRANSIENT_KINDS
from ztfpipe.simulate.sky.transients import transients_around
from ztfpipe.simulate.sky.variables import KINDS


def variable_stars(settings: Simulate, camera: Camera, field: int, ccdid: int, qid: int) -> pd.DataFrame:
    """Variable stars of a quadrant's footprint: mean magnitudes, kind, period [d], full amplitude in g [mag], phase.

    The stochastic ones have their time scale and rms in place of period and amplitude.
    """
    table = stars_within(settings, camera, field, ccdid, qid)
    table = select(table, table.kind > 0)
    return pd.DataFrame(
        {
            "identifier": table.identifier, "ra_deg": table.ra_deg, "dec_deg": table.dec_deg, "g_mag": table.g_mag,
            "r_mag": table.r_mag, "i_mag": table.i_mag, "kind": np.array(KINDS)[table.kind],
            "period_d": table.period_d, "amplitude_mag": table.amplitude_mag, "phase": table.phase,
        }
    )  # fmt: skip


def transient_events(settings: Simulate, camera: Camera, field: int, ccdid: int, qid: int, jd: float) -> pd.DataFrame:
    """Transients in and around a quadrant's footprint from ten seasons before a date to two after it."""
    table = transients_around(settings, jd, *quadrant_footprint(camera, field, ccdid, qid))
    return pd.DataFrame(
        {
            "identifier": table.identifier, "ra_deg": table.ra_deg, "dec_deg": table.dec_deg,
            "kind": np.array(TRANSIENT_KINDS)[table.kind], "peak_jd": table.peak_jd, "peak_r_mag": table.peak_r_mag,
            "rise_d": table.rise_d, "fall_d": table.fall_d, "g_r_mag": table.g_r_mag, "r_i_mag": table.r_i_mag,
            "host": table.host,
        }
    )  # fmt: skip


def asteroid_orbits(settings: Simulate, camera: Camera, field: int) -> pd.DataFrame:
    """True osculating elements (ecliptic of J2000, au, degrees) of a field's moving objects at their own epoch (TT)."""
    people = population(settings, camera, field)
    return pd.DataFrame(
        {
            "identifier": people.identifier, "epoch_jd": people.epoch_jd,
            **elements(people.positions, people.velocities), "h_mag": people.h_mag, "g": SLOPE_G,
            "g_r_mag": people.g_r_mag, "r_i_mag": people.r_i_mag, "amplitude_mag": people.amplitude_mag,
            "rotation_d": people.period_d, "near_earth": people.near_earth, "known": people.known,
        }
    )  # fmt: skip
