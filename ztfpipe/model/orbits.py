"""Orbits of solar-system bodies, and where they are seen."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Orbits:
    """Heliocentric states of n bodies at one moment, on the axes of the ICRS.

    name (n,): designation. epoch_jd: Julian date TDB. position_au, velocity_au_d (n, 3). h_mag, slope_g (n,): absolute
    magnitude and slope of the H, G system (Bowell et al. 1989).
    """

    name: NDArray[np.str_]
    epoch_jd: float
    position_au: Floats
    velocity_au_d: Floats
    h_mag: Floats
    slope_g: Floats

    def __len__(self) -> int:
        return len(self.name)

    def select(self, which: NDArray[Any]) -> Orbits:
        """The bodies of a mask or of a list of indices."""
        arrays = (entry.name for entry in fields(self) if entry.name != "epoch_jd")
        return replace(self, **{name: getattr(self, name)[which] for name in arrays})


@dataclass(frozen=True)
class Places:
    """Where n bodies are seen: astrometric directions, as among catalogued stars (light time counts, aberration not).

    ra_deg, dec_deg: ICRS. observer_au, sun_au: distances from the observer and from the Sun. phase_deg: angle at the
    body between Sun and observer. v_mag: predicted V magnitude.
    """

    ra_deg: Floats
    dec_deg: Floats
    observer_au: Floats
    sun_au: Floats
    phase_deg: Floats
    v_mag: Floats


@dataclass(frozen=True)
class NightSky:
    """All known bodies on one night, made so that those near a direction are found without moving the others.

    middle_jd: Julian date TDB in the middle of the night. direction (n, 3): unit vectors seen then. reach_rad (n,): no
    body is farther than this from its direction at any time of the night.
    """

    orbits: Orbits
    middle_jd: float
    direction: NDArray[np.float32]
    reach_rad: NDArray[np.float32]
