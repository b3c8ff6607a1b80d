"""Sources that move during an exposure, as one quadrant sees them: asteroids as short trails, streaks as long ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ztfpipe.simulate.geometry import Floats, from_gnomonic, sky_position, unit_vectors
from ztfpipe.simulate.scene import PointSources, Streaks
from ztfpipe.simulate.sky.asteroids import moving_objects
from ztfpipe.simulate.sky.trails import trails
from ztfpipe.simulate.telescope.view import MARGIN_PX, View

STREAK_LENGTH_PX = 10.0
"""An object that moves further than this in an exposure is a streak."""


def asteroids(looked: View) -> tuple[PointSources, Streaks, pd.DataFrame]:
    """Asteroids as points that move, the fast ones as streaks, and the table of the truth (middle of the exposure)."""
    seen = moving_objects(looked.settings, looked.camera, looked.plan)
    x, y, kept = looked.landing(seen.middle, seen.g_r_mag, np.full(len(seen.middle), MARGIN_PX))
    colours = seen.g_r_mag[kept], seen.r_i_mag[kept]
    x0, y0 = looked.optics.place(seen.start[kept], colours[0])
    x1, y1 = looked.optics.place(seen.end[kept], colours[0])
    drift = looked.truth.drift_px
    x0, y0, x1, y1 = x0 - drift[0] / 2, y0 - drift[1] / 2, x1 + drift[0] / 2, y1 + drift[1] / 2
    mag = seen.r_mag[kept] + {"zg": colours[0], "zr": np.zeros(len(x)), "zi": -colours[1]}[looked.code]
    colour = colours[1] if looked.code == "zi" else colours[0]
    flux_e = looked.electrons(seen.middle[kept], mag, colour)
    ra, dec = sky_position(seen.middle[kept])
    long = np.hypot(x1 - x0, y1 - y0) > STREAK_LENGTH_PX
    truth = pd.DataFrame(
        {
            "identifier": seen.identifier[kept], "ra_deg": ra, "dec_deg": dec, "x_px": x, "y_px": y,
            "dx_px": x1 - x0, "dy_px": y1 - y0, "mag": mag, "colour_mag": colour, "flux_e": flux_e,
            "distance_au": seen.distance_au[kept], "near_earth": seen.near_earth[kept], "known": seen.known[kept],
            "streak": long,
        }
    )  # fmt: skip
    short = ~long
    points = PointSources(x[short], y[short], flux_e[short], (x1 - x0)[short], (y1 - y0)[short])
    streaks = Streaks(x0[long], y0[long], x1[long], y1[long], flux_e[long], np.zeros(long.sum()))
    return points, streaks, truth


def streaks(looked: View) -> tuple[Streaks, pd.DataFrame]:
    """The parts of satellites' and aircraft's trails near the quadrant, and the table of the truth."""
    table = trails(looked.settings, looked.camera, looked.plan)
    low, high = _quadrant_box_deg(looked)
    enter, leave = clip_segments(
        np.stack([table.east0_deg, table.north0_deg], axis=1),
        np.stack([table.east1_deg, table.north1_deg], axis=1),
        low,
        high,
    )
    kept = leave > enter
    lengths = np.hypot(table.east1_deg - table.east0_deg, table.north1_deg - table.north0_deg)
    seconds = ((leave - enter) * lengths / table.speed_deg_s)[kept]
    ends = []
    commanded = unit_vectors(looked.plan.ra_deg, looked.plan.dec_deg)
    for fraction in (enter, leave):
        east = (table.east0_deg + fraction * (table.east1_deg - table.east0_deg))[kept]
        north = (table.north0_deg + fraction * (table.north1_deg - table.north0_deg))[kept]
        vectors = from_gnomonic(east, north, commanded)
        ends.append((*looked.optics.place(vectors, turbulent=False), vectors))
    # Sunlight: g - r and r - i of the Sun.
    offset, colour = {"zg": (0.44, 0.44), "zr": (0.0, 0.44), "zi": (-0.11, 0.11)}[looked.code]
    mag = table.r_mag[kept] + offset
    per_exposure = looked.electrons(ends[0][2], mag, np.full(len(mag), colour))
    flux_e = per_exposure * seconds / looked.plan.exptime_s
    width_px = table.width_arcsec[kept] / looked.camera.pixel_scale_arcsec
    found = Streaks(ends[0][0], ends[0][1], ends[1][0], ends[1][1], flux_e, width_px)
    columns = {
        "x0_px": found.x0_px, "y0_px": found.y0_px, "x1_px": found.x1_px, "y1_px": found.y1_px, "mag": mag,
        "flux_e": flux_e, "width_px": width_px, "kind": table.kind[kept].astype(int),
    }  # fmt: skip
    return found, pd.DataFrame(columns)


def clip_segments(start: Floats, end: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Fractions (n,) along segments (n, 2) where they enter and leave a box (Liang & Barsky 1984).

    A segment that misses the box has leave <= enter.
    """
    step = end - start
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (low - start) / step, (high - start) / step
    inside = (start > low) & (start < high)
    first = np.where(step == 0, np.where(inside, -np.inf, np.inf), np.minimum(a, b))
    last = np.where(step == 0, np.where(inside, np.inf, -np.inf), np.maximum(a, b))
    return np.clip(first.max(axis=1), 0, 1), np.clip(last.min(axis=1), 0, 1)


def _quadrant_box_deg(looked: View) -> tuple[Floats, Floats]:
    """Corners of the quadrant on the tangent plane about the commanded pointing, with room for the pointing error."""
    camera, optics = looked.camera, looked.optics
    ny, nx = camera.quadrant_shape
    error = np.array(looked.truth.pointing_error_deg)
    half = (np.array([nx, ny]) / 2 + MARGIN_PX + optics.slack_px) * camera.pixel_scale_arcsec / 3600
    centre = np.array(optics.offset_deg) + error
    return centre - half, centre + half
