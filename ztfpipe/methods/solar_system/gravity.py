"""What pulls on a body besides the Sun: the planets and the Moon, from the Standards of Fundamental Astronomy."""

from __future__ import annotations

from dataclasses import dataclass

import erfa
import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.solar_system.kepler_nb import GM_SUN

Floats = NDArray[np.float64]
SUN_TO_PLANET_MASS = {1: 6023600.0, 2: 408523.72, 4: 3098703.6, 5: 1047.348644, 6: 3497.9018, 7: 22902.98, 8: 19412.26}
"""Mass of the Sun over that of each planet, by its number (IAU 2009 system of constants)."""
SUN_TO_EARTH_MASS, SUN_TO_MOON_MASS = 332946.049, 27068703.2
STEP_D = 0.25
"""Of the planets' places: three of them give the Moon between to 3e-8 au, all others better."""


@dataclass(frozen=True)
class Perturbers:
    """Heliocentric places of attracting bodies at equal steps of time, on the axes of the ICRS.

    gm (bodies,) [au^3/d^2]; places_au (times, bodies, 3), the first at first_jd TDB, then every step_d.
    """

    gm: Floats
    first_jd: float
    step_d: float
    places_au: Floats

    def __post_init__(self) -> None:
        if len(self.gm) and len(self.places_au) < 3:
            raise ValueError("perturbers need three times at least")


NONE = Perturbers(np.empty(0), 0.0, 1.0, np.empty((0, 0, 3)))
"""Two-body motion."""


def perturbers(first_jd: float, last_jd: float) -> Perturbers:
    """Planets and Moon from `first_jd` to `last_jd` [TDB], with a margin of two steps.

    Earth: epv00 (Bretagnon & Francou), 1e-7 au; Moon: moon98 (Meeus); planets: plan94 (Simon et al. 1994), some arcsec
    as seen from the Sun. As what they do to a track is an arcsecond at most, an error of 1e-5 of it does not count.
    """
    n = int(np.ceil((last_jd - first_jd) / STEP_D)) + 5
    jd = first_jd + STEP_D * (np.arange(n) - 2)
    earth = np.asarray(erfa.epv00(jd, 0.0)[0]["p"])
    moon = earth + np.asarray(erfa.moon98(jd, 0.0)["p"])
    planets = [np.asarray(erfa.plan94(jd, 0.0, number)["p"]) for number in SUN_TO_PLANET_MASS]
    masses = np.array([*SUN_TO_PLANET_MASS.values(), SUN_TO_EARTH_MASS, SUN_TO_MOON_MASS])
    return Perturbers(GM_SUN / masses, float(jd[0]), STEP_D, np.stack([*planets, earth, moon], axis=1))
