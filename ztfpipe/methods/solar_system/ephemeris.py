"""Where known solar-system bodies are seen from the ground, from orbits that hold for tonight.

Two-body motion is enough between an epoch and a night a few days away: against an integration with all planets it is
off by 0.001 arcsec after a day and 0.1 after ten (90th percentile, main belt). An orbit table older than that is
brought there under the pull of the planets first (`perturbed`). Bodies in a close approach to the Earth move by more.
"""

from __future__ import annotations

import erfa
import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN, near, propagate, see
from ztfpipe.model.orbits import NightSky, Orbits, Places

Floats = NDArray[np.float64]
OBLIQUITY_RAD = np.radians(84381.448 / 3600)
"""Of the ecliptic of J2000, to which catalogued elements refer (IAU 1976)."""
REACH_MARGIN, REACH_MARGIN_RAD = 1.25, np.radians(1 / 60)
"""A body's reach over a night from its places at both ends: paths bend with the diurnal parallax, by less than this."""


def dynamical_time(jd_utc: float) -> float:
    """Julian date TDB (here TT, within 2 ms) of a Julian date UTC."""
    tai = erfa.utctai(jd_utc, 0.0)
    tt = erfa.taitt(*tai)
    return float(tt[0] + tt[1])


def observer(jd_utc: float, longitude_deg: float, latitude_deg: float, height_m: float) -> Floats:
    """Heliocentric position (3,) [au] of a place on the Earth, on the axes of the ICRS.

    Standards of Fundamental Astronomy (apco13): within 15 km; UT1 - UTC, below 0.9 s or 420 m, is left out.
    """
    astrometry, _ = erfa.apco13(
        jd_utc, 0.0, 0.0, np.radians(longitude_deg), np.radians(latitude_deg), height_m, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5
    )
    return np.asarray(astrometry["eh"]) * float(astrometry["em"])


def states_of_elements(
    perihelion_au: Floats,
    eccentricity: Floats,
    inclination_deg: Floats,
    node_deg: Floats,
    argument_deg: Floats,
    since_perihelion_d: Floats,
) -> tuple[Floats, Floats]:
    """Heliocentric ICRS positions [au] and velocities [au / d], each (n, 3), of conics of any eccentricity.

    Angles refer to the ecliptic and equinox of J2000; since_perihelion_d: days since (before: negative) perihelion.
    """
    cos_w, sin_w = np.cos(np.radians(argument_deg)), np.sin(np.radians(argument_deg))
    cos_n, sin_n = np.cos(np.radians(node_deg)), np.sin(np.radians(node_deg))
    cos_i, sin_i = np.cos(np.radians(inclination_deg)), np.sin(np.radians(inclination_deg))
    to_perihelion = np.stack(
        [cos_w * cos_n - sin_w * sin_n * cos_i, cos_w * sin_n + sin_w * cos_n * cos_i, sin_w * sin_i], axis=1
    )
    ahead = np.stack(
        [-sin_w * cos_n - cos_w * sin_n * cos_i, -sin_w * sin_n + cos_w * cos_n * cos_i, cos_w * sin_i], axis=1
    )
    positions = np.asarray(perihelion_au, np.float64)[:, None] * to_perihelion
    velocities = np.sqrt(GM_SUN * (1 + np.asarray(eccentricity)) / perihelion_au)[:, None] * ahead
    moved = propagate(_equatorial(positions), _equatorial(velocities), np.asarray(since_perihelion_d, np.float64))
    return moved


def _equatorial(ecliptic: Floats) -> Floats:
    cosine, sine = np.cos(OBLIQUITY_RAD), np.sin(OBLIQUITY_RAD)
    x, y, z = ecliptic.T
    return np.ascontiguousarray(np.stack([x, cosine * y - sine * z, sine * y + cosine * z], axis=1))


def to_ecliptic(positions: Floats) -> Floats:
    """Positions (n, 3) on the axes of the ecliptic of J2000 from those on the axes of the ICRS."""
    cosine, sine = np.cos(OBLIQUITY_RAD), np.sin(OBLIQUITY_RAD)
    x, y, z = positions.T
    return np.stack([x, cosine * y + sine * z, cosine * z - sine * y], axis=1)


def places(orbits: Orbits, jd_tdb: float, observer_au: Floats) -> Places:
    """Where bodies are seen at `jd_tdb` from a heliocentric position (3,) [au], and how bright (n,)."""
    seen, sun_au = see(orbits.position_au, orbits.velocity_au_d, jd_tdb - orbits.epoch_jd, observer_au)
    distance = np.sqrt((seen**2).sum(axis=1))
    from_sun = seen + observer_au
    cosine = (seen * from_sun).sum(axis=1) / (distance * sun_au)
    phase = np.arccos(np.clip(cosine, -1.0, 1.0))
    return Places(
        ra_deg=np.degrees(np.arctan2(seen[:, 1], seen[:, 0])) % 360.0,
        dec_deg=np.degrees(np.arcsin(np.clip(seen[:, 2] / distance, -1.0, 1.0))),
        observer_au=distance,
        sun_au=sun_au,
        phase_deg=np.degrees(phase),
        v_mag=orbits.h_mag + 5 * np.log10(sun_au * distance) + phase_dimming_mag(phase, orbits.slope_g),
    )


def phase_dimming_mag(phase_rad: Floats, slope_g: Floats) -> Floats:
    """How much fainter bodies are than at full phase: the H, G system (Bowell et al. 1989), its short form.

    NaN beyond 120 degrees, where the system is not defined.
    """
    half = np.tan(0.5 * np.minimum(phase_rad, np.radians(170)))
    light = (1 - slope_g) * np.exp(-3.33 * half**0.63) + slope_g * np.exp(-1.87 * half**1.22)
    return np.where(phase_rad <= np.radians(120), -2.5 * np.log10(light), np.nan)


def night_sky(orbits: Orbits, jd_tdb: Floats, observers_au: Floats) -> NightSky:
    """Directions in the middle of a night and the reach of each body, for searches near a direction.

    jd_tdb (3,): beginning, middle and end; observers_au (3, 3): the observer's heliocentric positions then. A body
    whose path cannot be computed is left out.
    """
    start, middle, end = (
        _directions(orbits, jd, observer_au) for jd, observer_au in zip(jd_tdb, observers_au, strict=True)
    )
    farthest = np.maximum(separation(start, middle), separation(end, middle))
    reach = REACH_MARGIN * farthest + REACH_MARGIN_RAD
    known = np.isfinite(reach)
    return NightSky(
        orbits.select(known), float(jd_tdb[1]), middle[known].astype(np.float32), reach[known].astype(np.float32)
    )


def _directions(orbits: Orbits, jd_tdb: float, observer_au: Floats) -> Floats:
    seen, _ = see(orbits.position_au, orbits.velocity_au_d, jd_tdb - orbits.epoch_jd, observer_au)
    return seen / np.sqrt((seen**2).sum(axis=1))[:, None]


def separation(first: Floats, second: Floats) -> Floats:
    """Angle [rad] between unit vectors, each (n, 3)."""
    chord2 = ((first - second) ** 2).sum(axis=1)
    return 2.0 * np.arcsin(np.minimum(0.5 * np.sqrt(chord2), 1.0))


def bodies_near(
    night: NightSky, jd_tdb: float, observer_au: Floats, ra_deg: float, dec_deg: float, radius_deg: float
) -> tuple[Orbits, Places]:
    """The bodies within `radius_deg` of a direction at a time of the night, and where they are seen."""
    towards = unit_vectors([ra_deg], [dec_deg])
    possible = night.orbits.select(
        np.flatnonzero(near(night.direction, night.reach_rad, towards[0], np.radians(radius_deg)))
    )
    seen = places(possible, jd_tdb, observer_au)
    inside = separation(unit_vectors(seen.ra_deg, seen.dec_deg), towards) <= np.radians(radius_deg)
    return possible.select(inside), seen.select(inside)
