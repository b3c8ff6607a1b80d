"""Orbits under the gravity of Sun, planets and Moon, and what an observer on Earth sees of them.

Heliocentric rectangular coordinates on the axes of the ICRS, au and days, times as Julian dates TT (TDB is within 2
ms).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.coordinates import get_body_barycentric, solar_system_ephemeris
from astropy.time import Time
from scipy.integrate import OdeSolution, solve_ivp
from scipy.interpolate import CubicSpline

from ztfpipe.camera import Observatory
from ztfpipe.simulate.geometry import Floats
from ztfpipe.simulate.telescope.earth import observer_position_au, terrestrial_time

GM_SUN = 0.01720209895**2
"""Gauss's constant squared [au^3 / d^2]."""
LIGHT_AU_PER_DAY = 173.1446326846693
SUN_TO_BODY_MASS = {
    "mercury": 6023600.0, "venus": 408523.72, "earth": 332946.049, "moon": 27068703.2, "mars": 3098703.6,
    "jupiter": 1047.348644, "saturn": 3497.9018, "uranus": 22902.98, "neptune": 19412.26,
}  # fmt: skip
"""Mass of the Sun over that of each body (IAU 2009 system of constants)."""
PLANETS = tuple(SUN_TO_BODY_MASS)
OBLIQUITY_DEG = 84381.448 / 3600
"""Of the ecliptic of J2000 to which orbital elements refer (IAU 1976)."""
_EPHEMERIS_STEP_D = 0.25
_EPHEMERIS_MARGIN_D = 2.0


@dataclass(frozen=True)
class Ephemeris:
    """Heliocentric positions of the attracting bodies over a span of time: astropy's built-in ephemeris in a spline."""

    bodies: tuple[str, ...]
    spline: CubicSpline

    @staticmethod
    def over(first_jd: float, last_jd: float, bodies: Sequence[str] = PLANETS) -> Ephemeris:
        """The bodies from `first_jd` to `last_jd`; the spline is good to 1e-10 au, the ephemeris to about 1e-6 au."""
        n = int(np.ceil((last_jd - first_jd + 2 * _EPHEMERIS_MARGIN_D) / _EPHEMERIS_STEP_D)) + 1
        jd = first_jd - _EPHEMERIS_MARGIN_D + _EPHEMERIS_STEP_D * np.arange(n)
        sun = _barycentric("sun", jd)
        places = [_barycentric(body, jd) - sun for body in bodies]
        return Ephemeris(tuple(bodies), CubicSpline(jd, np.stack(places, axis=1) if places else np.zeros((n, 0, 3))))

    @property
    def gm(self) -> Floats:
        """GM of the bodies [au^3 / d^2]."""
        return np.array([GM_SUN / SUN_TO_BODY_MASS[body] for body in self.bodies])


def _barycentric(body: str, jd: Floats) -> Floats:
    with solar_system_ephemeris.set("builtin"):
        return get_body_barycentric(body, Time(jd, format="jd", scale="tdb")).xyz.to_value("au").T


def acceleration(positions: Floats, jd: float, ephemeris: Ephemeris) -> Floats:
    """Heliocentric acceleration (n, 3) of massless bodies: the Sun, each planet, and the Sun's own fall towards it."""
    total = -GM_SUN * positions / np.linalg.norm(positions, axis=1)[:, None] ** 3
    for gm, place in zip(ephemeris.gm, ephemeris.spline(jd), strict=True):
        apart = place - positions
        total += gm * (apart / np.linalg.norm(apart, axis=1)[:, None] ** 3 - place / np.linalg.norm(place) ** 3)
    return total


@dataclass(frozen=True)
class Trajectories:
    """Integrated orbits of `n` bodies, both ways from their epoch."""

    n: int
    epoch_jd: float
    before: OdeSolution | None
    after: OdeSolution | None
    at_epoch: Floats

    def states(self, jd: float) -> tuple[Floats, Floats]:
        """Positions and velocities, each (n, 3), at a date within the integrated span."""
        part = self.before if jd < self.epoch_jd else self.after
        flat = part(jd - self.epoch_jd) if part is not None else self.at_epoch
        return flat[: 3 * self.n].reshape(self.n, 3), flat[3 * self.n :].reshape(self.n, 3)


def integrate(
    positions: Floats,
    velocities: Floats,
    epoch_jd: float,
    first_jd: float,
    last_jd: float,
    bodies: Sequence[str] = PLANETS,
) -> Trajectories:
    """Orbits of massless bodies (n, 3) from an epoch over a span: DOP853 (Hairer, Norsett & Wanner), tolerance 1e-11.

    All bodies share the step, which the nearest encounter sets. Raises RuntimeError when the integrator gives up.
    """
    n = len(positions)
    ephemeris = Ephemeris.over(min(first_jd, epoch_jd), max(last_jd, epoch_jd), bodies)
    start = np.concatenate([positions.ravel(), velocities.ravel()])

    def derivative(jd: float, flat: Floats) -> Floats:
        return np.concatenate([flat[3 * n :], acceleration(flat[: 3 * n].reshape(n, 3), jd, ephemeris).ravel()])

    def run(end_jd: float) -> OdeSolution:
        # Time counted from the epoch: the integrator compares steps with the size of t.
        result = solve_ivp(
            lambda t, flat: derivative(epoch_jd + t, flat), (0.0, end_jd - epoch_jd), start,
            method="DOP853", rtol=1e-11, atol=1e-13, dense_output=True,
        )  # fmt: skip
        if not result.success:
            raise RuntimeError(f"orbit integration stopped at JD {epoch_jd + result.t[-1]:.3f}: {result.message}")
        return result.sol

    before = run(first_jd) if n and first_jd < epoch_jd else None
    after = run(last_jd) if n and last_jd > epoch_jd else None
    return Trajectories(n, epoch_jd, before, after, start)


def observer(jd_utc: float, site: Observatory) -> Floats:
    """Heliocentric position (3,) of the observatory [au]."""
    jd = np.array([terrestrial_time(jd_utc)])
    earth = _barycentric("earth", jd)[0] - _barycentric("sun", jd)[0]
    return earth + observer_position_au(jd_utc, site)


def seen_from(trajectories: Trajectories, jd_utc: float, site: Observatory) -> tuple[Floats, Floats, Floats]:
    """Astrometric direction (n, 3), distance from the observer and from the Sun (n,) [au], light time taken into
    account.

    The body is carried back along its velocity and the Sun's pull by the light time: exact to 1e-9 au.
    """
    positions, velocities = trajectories.states(terrestrial_time(jd_utc))
    here = observer(jd_utc, site)
    pull = -GM_SUN * positions / np.linalg.norm(positions, axis=1)[:, None] ** 3
    then = positions
    for _ in range(3):
        delay = (np.linalg.norm(then - here, axis=1) / LIGHT_AU_PER_DAY)[:, None]
        then = positions - velocities * delay + 0.5 * pull * delay**2
    distance = np.linalg.norm(then - here, axis=1)
    return (then - here) / distance[:, None], distance, np.linalg.norm(then, axis=1)


def ecliptic_axes() -> Floats:
    """Matrix (3, 3) from ICRS to ecliptic axes of J2000."""
    sine, cosine = np.sin(np.radians(OBLIQUITY_DEG)), np.cos(np.radians(OBLIQUITY_DEG))
    return np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]])


def elements(positions: Floats, velocities: Floats) -> dict[str, Floats]:
    """Osculating elements (n,) of elliptic orbits: a_au, e, i, node, argument of perihelion, mean anomaly [deg]."""
    r, v = positions @ ecliptic_axes().T, velocities @ ecliptic_axes().T
    distance = np.linalg.norm(r, axis=1)
    momentum = np.cross(r, v)
    node = np.stack([-momentum[:, 1], momentum[:, 0], np.zeros(len(r))], axis=1)
    eccentric = np.cross(v, momentum) / GM_SUN - r / distance[:, None]
    e = np.linalg.norm(eccentric, axis=1)
    a = 1 / (2 / distance - (v**2).sum(axis=1) / GM_SUN)
    unit_h = momentum / np.linalg.norm(momentum, axis=1)[:, None]

    def angle(start: Floats, end: Floats) -> Floats:
        """From `start` to `end` in the sense of the orbit."""
        sine = (np.cross(start, end) * unit_h).sum(axis=1)
        return np.arctan2(sine, (start * end).sum(axis=1))

    true_anomaly = angle(eccentric, r)
    eccentric_anomaly = 2 * np.arctan2(
        np.sqrt(1 - e) * np.sin(true_anomaly / 2), np.sqrt(1 + e) * np.cos(true_anomaly / 2)
    )
    return {
        "a_au": a,
        "e": e,
        "i_deg": np.degrees(np.arccos(np.clip(unit_h[:, 2], -1, 1))),
        "node_deg": np.degrees(np.arctan2(node[:, 1], node[:, 0])) % 360,
        "peri_deg": np.degrees(angle(node, eccentric)) % 360,
        "mean_anomaly_deg": np.degrees(eccentric_anomaly - e * np.sin(eccentric_anomaly)) % 360,
    }
