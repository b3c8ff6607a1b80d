"""The columns of the tables of tracks and of their detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.solar_system.elements import Elements
from ztfpipe.methods.solar_system.looks import Attendance
from ztfpipe.methods.solar_system.orbit_fit import FittedOrbits
from ztfpipe.model.columns import typed_arrays
from ztfpipe.model.tracks import MEMBER_TABLE, TRACK_TABLE, Sightings
from ztfpipe.pipelines.moving.recognition import Recognised

Floats = NDArray[np.float64]
_STATE = ("x", "y", "z", "vx", "vy", "vz")


@dataclass(frozen=True)
class Described:
    """What is said of tracks (n,): names, elements and their uncertainties, distances [au] and magnitudes at the epoch,
    what speaks against the track, how often it was seen, and how likely a body's it is."""

    names: list[str]
    elements: Elements
    sigmas: Elements
    observer_au: Floats
    sun_au: Floats
    mag: Floats
    h_mag: Floats
    doubt: list[str]
    present: Attendance
    likely: Floats


def track_columns(
    seen: Sightings,
    members: Sequence[NDArray[np.int64]],
    screened: FittedOrbits,
    fitted: FittedOrbits,
    described: Described,
    bodies: Recognised,
) -> dict[str, NDArray[Any]]:
    """The columns of TRACK_TABLE."""
    first, last = np.array([own[0] for own in members], np.int64), np.array([own[-1] for own in members], np.int64)
    hours = 24.0 * (seen.jd_mid[last] - seen.jd_mid[first])
    east = ((seen.ra[last] - seen.ra[first] + 180.0) % 360.0 - 180.0) * np.cos(np.radians(seen.dec[last]))
    lengths = np.array([len(own) for own in members], np.int64)
    values: dict[str, Any] = {
        "track": described.names,
        "n": lengths,
        "nights": [len({seen.filefracday[i][:8] for i in own}) for own in members],
        "first_jd": seen.jd_mid[first],
        "last_jd": seen.jd_mid[last],
        "ra": seen.ra[last],
        "dec": seen.dec[last],
        "rate_ra": 3600.0 * east / hours,
        "rate_dec": 3600.0 * (seen.dec[last] - seen.dec[first]) / hours,
        "mag": described.mag,
        "h_mag": described.h_mag,
        "known": bodies.name,
        "designation": bodies.designation,
        "known_arcsec": bodies.distance_arcsec,
        "plausible": [not text for text in described.doubt],
        "doubt": described.doubt,
        "settled": fitted.settled,
        "chi2": fitted.chi2,
        "freedom": 2 * lengths - 6,
        "rms": fitted.rms_arcsec,
        "prior": fitted.prior,
        "screen_rms": screened.rms_arcsec,
        "epoch_jd": fitted.epoch_jd,
        "observer_au": described.observer_au,
        "sun_au": described.sun_au,
        "looked": described.present.looked,
        "expected": described.present.expected,
        "likely": described.likely,
    }
    for one in fields(Elements):
        values[one.name] = getattr(described.elements, one.name)
        values[f"sigma_{one.name}"] = getattr(described.sigmas, one.name)
    states = np.concatenate([fitted.position_au, fitted.velocity_au_d], axis=1)
    covariance = fitted.covariance.reshape(-1, 6, 6)
    for i, a in enumerate(_STATE):
        values[f"state_{a}"] = states[:, i]
        for j, b in enumerate(_STATE[i:], start=i):
            values[f"cov_{a}_{b}"] = covariance[:, i, j]
    return typed_arrays(values, TRACK_TABLE)


def member_columns(
    seen: Sightings, members: Sequence[NDArray[np.int64]], fitted: FittedOrbits, described: Described
) -> dict[str, NDArray[Any]]:
    """The columns of MEMBER_TABLE."""
    every = np.concatenate(members) if len(members) else np.empty(0, np.int64)
    residuals = np.concatenate(fitted.residuals_arcsec) if len(members) else np.empty((0, 2))
    names = [name for name, own in zip(described.names, members, strict=True) for _ in own]
    values = {
        "track": names,
        **seen.select(every).columns(),
        "residual_ra": residuals[:, 0],
        "residual_dec": residuals[:, 1],
    }
    return typed_arrays(values, MEMBER_TABLE)
