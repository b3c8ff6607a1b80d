"""Orbits of solar-system bodies, and where they are seen."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.columns import Column

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

    def select(self, which: NDArray[Any]) -> Places:
        """The bodies of a mask or of a list of indices."""
        return Places(*(getattr(self, entry.name)[which] for entry in fields(self)))


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

    def select(self, which: NDArray[Any]) -> NightSky:
        """The bodies of a mask or of a list of indices."""
        return NightSky(self.orbits.select(which), self.middle_jd, self.direction[which], self.reach_rad[which])


@dataclass(frozen=True)
class OrbitCatalog:
    """Orbits of n bodies as catalogued: osculating elements, ecliptic and equinox of J2000, each at its own epoch.

    name: the archive's name of a body (`ssnamenr`), its number or else its provisional designation without spaces;
    designation: as people write it, "(433) Eros". epoch_jd: TDB. since_perihelion_d: time of the epoch since (before:
    negative) perihelion. h_mag, slope_g: H, G system.
    """

    name: NDArray[np.str_]
    designation: NDArray[np.str_]
    epoch_jd: Floats
    perihelion_au: Floats
    eccentricity: Floats
    inclination_deg: Floats
    node_deg: Floats
    argument_deg: Floats
    since_perihelion_d: Floats
    h_mag: Floats
    slope_g: Floats

    def __len__(self) -> int:
        return len(self.name)

    def select(self, which: NDArray[Any]) -> OrbitCatalog:
        """The orbits of a mask or of a list of indices."""
        return replace(self, **{entry.name: getattr(self, entry.name)[which] for entry in fields(self)})


NO_ORBITS = OrbitCatalog(*(np.zeros(0, np.str_) for _ in range(2)), *(np.zeros(0) for _ in range(9)))


@dataclass(frozen=True)
class KnownBodies:
    """Known bodies of one night, with all that places them at any time of it and one line for people.

    sky: their orbits that night. designation (n,). places: in the middle of the night. rate_ra_arcsec_h,
    rate_dec_arcsec_h: motion then, in right ascension times cos dec. cell: part of the sky, -1 of those that stray.
    """

    sky: NightSky
    designation: NDArray[np.str_]
    places: Places
    rate_ra_arcsec_h: Floats
    rate_dec_arcsec_h: Floats
    cell: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.designation)

    def select(self, which: NDArray[Any]) -> KnownBodies:
        """The bodies of a mask or of a list of indices."""
        return KnownBodies(
            self.sky.select(which),
            self.designation[which],
            self.places.select(which),
            self.rate_ra_arcsec_h[which],
            self.rate_dec_arcsec_h[which],
            self.cell[which],
        )


@dataclass(frozen=True)
class KnownSky:
    """The known bodies near an image, and the middle of its exposure, Julian date UTC."""

    sky: NightSky
    mid_jd: float


ORBIT_TABLE = (
    Column("name", "str", "", "The archive's name: the number, or the provisional designation without spaces"),
    Column("designation", "str", "", "Number and name or provisional designation, as people write them"),
    Column("epoch_jd", "f8", "d", "Epoch of the elements, Julian date TDB"),
    Column("q_au", "f8", "au", "Perihelion distance"),
    Column("e", "f8", "", "Eccentricity"),
    Column("i_deg", "f8", "deg", "Inclination; ecliptic and equinox of J2000"),
    Column("node_deg", "f8", "deg", "Longitude of the ascending node"),
    Column("peri_deg", "f8", "deg", "Argument of perihelion"),
    Column("since_perihelion_d", "f8", "d", "Time from perihelion to the epoch, negative before it"),
    Column("h_mag", "f8", "mag", "Absolute magnitude H"),
    Column("g", "f8", "", "Slope G"),
)
"""A site's own catalog of orbits, in place of MPCORB.DAT."""

_AXES = ("x", "y", "z")
KNOWN_TABLE = (
    Column("cell", "i4", "", "Part of the sky (HEALPix centre of order 4, nested); -1 for bodies that stray"),
    Column("name", "str", "", "The archive's name (ssnamenr)"),
    Column("designation", "str", "", "Number and name or provisional designation"),
    Column("jd", "f8", "d", "Julian date TDB of all that follows, the middle of the night"),
    Column("ra", "f8", "deg", "Right ascension, ICRS, seen from the observatory"),
    Column("dec", "f8", "deg", "Declination, ICRS"),
    Column("rate_ra", "f4", "arcsec/h", "Motion in right ascension, times cos dec"),
    Column("rate_dec", "f4", "arcsec/h", "Motion in declination"),
    Column("vmag", "f4", "mag", "Predicted V magnitude"),
    Column("delta_au", "f8", "au", "Distance from the observer"),
    Column("r_au", "f8", "au", "Distance from the Sun"),
    Column("phase_deg", "f4", "deg", "Angle at the body between Sun and observer"),
    Column("reach_deg", "f4", "deg", "It is nowhere farther from ra, dec during the UT date"),
    *(Column(f"{axis}_au", "f8", "au", f"Heliocentric position, {axis} axis of the ICRS") for axis in _AXES),
    *(Column(f"v{axis}_au_d", "f8", "au/d", f"Heliocentric velocity, {axis} axis") for axis in _AXES),
    Column("h_mag", "f4", "mag", "Absolute magnitude H"),
    Column("g", "f4", "", "Slope G"),
)
"""Known bodies of a night."""
