"""Orbits brought from the epoch of a catalog to a night, under the pull of the Sun and the planets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.solar_system.perturbed_nb import carry
from ztfpipe.methods.solar_system.planets import GM_BODIES, places_of_planets

Floats = NDArray[np.float64]
CELL_D = 1 / 16
"""Shortest step, and distance of the dates for which the planets' places are known."""
LONGEST_STEP_D = 4.0
STEP_SHARE = 0.05
"""Of the time a body takes to cover the distance of the nearest planet: its pull then turns by 3 degrees a step."""


def carried(positions_au: Floats, velocities_au_d: Floats, epoch_jd: Floats, jd_tdb: float) -> tuple[Floats, Floats]:
    """Heliocentric states (n, 3) [au, au / d] of massless bodies at `jd_tdb`, from states at `epoch_jd` (n,).

    Sun, planets and Moon act, relativity and the large asteroids do not. Against an integration by another hand the
    main belt is within 0.01 arcsec after a hundred days (make validate); bodies within a few thousandths of an au of a
    planet less well. All numbers must be finite; the result is NaN where a body cannot be followed.
    """
    start_d = np.asarray(epoch_jd, np.float64) - jd_tdb
    if not len(start_d):
        return np.zeros((0, 3)), np.zeros((0, 3))
    before = int(np.ceil(max(-start_d.min(), 0.0) / CELL_D)) + 1
    after = int(np.ceil(max(start_d.max(), 0.0) / CELL_D)) + 1
    planets = places_of_planets(jd_tdb + CELL_D * np.arange(-before, after + 1))
    longest = round(LONGEST_STEP_D / CELL_D)
    states = np.ascontiguousarray(positions_au, np.float64), np.ascontiguousarray(velocities_au_d, np.float64)
    return carry(*states, start_d, planets, GM_BODIES, CELL_D, before, longest, STEP_SHARE)
