"""The pull of planets and Moon along a track of some days, as the orbit fit's kernels take it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.solar_system.planets import GM_BODIES, places_of_planets

Floats = NDArray[np.float64]
STEP_D = 0.25
"""Of the planets' places: three of them give the Moon between to 3e-8 au, all others better."""


@dataclass(frozen=True)
class Perturbers:
    """Heliocentric places of attracting bodies at equal steps of time, on the axes of the ICRS.

    gm (bodies,) [au^3/d^2]; places_au (times, bodies, 3), three times at least, the first at first_jd TDB, then every
    step_d.
    """

    gm: Floats
    first_jd: float
    step_d: float
    places_au: Floats


NONE = Perturbers(np.empty(0), 0.0, 1.0, np.empty((0, 0, 3)))
"""Two-body motion."""


def perturbers(first_jd: float, last_jd: float) -> Perturbers:
    """Planets and Moon from `first_jd` to `last_jd` [TDB], with a margin of two steps."""
    n = int(np.ceil((last_jd - first_jd) / STEP_D)) + 5
    jd = first_jd + STEP_D * (np.arange(n) - 2)
    return Perturbers(np.asarray(GM_BODIES, np.float64), float(jd[0]), STEP_D, places_of_planets(jd))
