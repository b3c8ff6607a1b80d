"""Heliocentric places of the planets and the Moon, good enough to say how they pull on small bodies."""

from __future__ import annotations

import erfa
import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.solar_system.kepler_nb import GM_SUN

Floats = NDArray[np.float64]
_PLANETS = {1: 6023600.0, 2: 408523.72, 4: 3098703.6, 5: 1047.348644, 6: 3497.9018, 7: 22902.98, 8: 19412.26}
"""Mass of the Sun over that of a planet with its moons, by its number from the Sun (IAU 2009 system of constants)."""
_EARTH, _MOON = 332946.0487, 27068703.2
GM_BODIES = GM_SUN / np.array([*_PLANETS.values(), _EARTH, _MOON])
"""GM [au^3 / d^2] in the order of `places_of_planets`: Mercury, Venus, Mars to Neptune, Earth, Moon."""


def places_of_planets(jd_tdb: Floats) -> Floats:
    """Heliocentric positions (n, 9, 3) [au] at dates (n,), on the axes of the ICRS.

    Series of Simon et al. 1994 for the planets (arcseconds; Saturn and Uranus up to 87 arcsec), of Fairhead & Bretagnon
    1990 for the Earth (erfa epv00, kilometres) and of Meeus 1998 for the Moon. An error of 4e-4 in a planet's direction
    changes what it does to a body in a hundred days, ten arcseconds, by a hundredth of an arcsecond.
    """
    days = np.asarray(jd_tdb, np.float64)
    whole = np.floor(days)
    result = np.empty((len(days), len(GM_BODIES), 3))
    for column, number in enumerate(_PLANETS):
        result[:, column] = erfa.plan94(whole, days - whole, number)["p"]
    earth, _ = erfa.epv00(whole, days - whole)
    result[:, -2] = earth["p"]
    result[:, -1] = earth["p"] + erfa.moon98(whole, days - whole)["p"]
    return result
