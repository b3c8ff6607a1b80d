"""Times at the Sun: when light that is seen at the telescope would have been seen from there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.solar_system.ephemeris import observer

LIGHT_DAYS_PER_AU = 499.004783836 / 86400.0
"""Light time of one astronomical unit (IAU 2012) [d]."""


def heliocentric_jd(
    jd_utc: float, direction: NDArray[np.float64], longitude_deg: float, latitude_deg: float, height_m: float
) -> NDArray[np.float64]:
    """Heliocentric Julian dates (n,), UTC, of light from directions (n, 3) seen at `jd_utc` from a place on the Earth.

    The Sun's distance along the line of sight over the speed of light (Eastman, Siverd & Gaudi 2010, eq. 10).
    """
    place_au = observer(jd_utc, longitude_deg, latitude_deg, height_m)
    return jd_utc + LIGHT_DAYS_PER_AU * (direction @ place_au)
