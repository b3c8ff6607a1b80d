"""Kernels of two-body motion. Each has a slow twin in tests/methods/solar_system/test_kepler.py."""

from __future__ import annotations

import numpy as np
from numba import njit

GM_SUN = 0.01720209895**2
"""Gauss's constant squared [au^3 / d^2]."""
LIGHT_AU_PER_DAY = 173.1446326846693
MAX_STEPS = 60
CONVERGED = 1e-13
_SERIES_BELOW = 0.3


@njit(cache=True)
def stumpff(psi):
    """Stumpff functions c2 and c3 of psi: positive for ellipses, zero for parabolas, negative for hyperbolas."""
    if abs(psi) < _SERIES_BELOW:
        # Terms fall by psi / (k (k + 1)): nine reach 1e-17 at the border.
        c2, c3 = 0.0, 0.0
        for k in range(9, -1, -1):
            c2 = (1.0 - psi * c2) / ((2 * k + 1) * (2 * k + 2))
            c3 = (1.0 - psi * c3) / ((2 * k + 2) * (2 * k + 3))
        return c2, c3
    if psi > 0.0:
        root = np.sqrt(psi)
        return (1.0 - np.cos(root)) / psi, (root - np.sin(root)) / (psi * root)
    root = np.sqrt(-psi)
    return (np.cosh(root) - 1.0) / -psi, (np.sinh(root) - root) / (-psi * root)


@njit(cache=True)
def universal_anomaly(distance, radial, alpha, interval):
    """Universal anomaly [au^0.5] after a time, by Laguerre's method (Conway 1986); NaN where it does not converge.

    distance [au]; radial: r.v / sqrt(GM) [au^0.5]; alpha: 1 / semi-major axis; interval: time * sqrt(GM) [au^1.5].
    """
    s = interval / distance
    for _ in range(MAX_STEPS):
        c2, c3 = stumpff(alpha * s * s)
        g1, g2, g3 = s * (1.0 - alpha * s * s * c3), s * s * c2, s * s * s * c3
        value = distance * g1 + radial * g2 + g3 - interval
        # g0' = -alpha g1 and so on: the derivative is the distance at s.
        slope = distance * (1.0 - alpha * g2) + radial * g1 + g2
        bend = radial * (1.0 - alpha * g2) + (1.0 - alpha * distance) * g1
        square = 16.0 * slope * slope - 20.0 * value * bend
        step = -5.0 * value / (slope + np.copysign(np.sqrt(abs(square)), slope))
        s += step
        if abs(step) <= CONVERGED * max(abs(s), 1e-3):
            return s
    return np.nan


@njit(cache=True)
def moved(position, velocity, days, out_position, out_velocity):
    """Carry one body along its conic, into the two outputs (3,); NaN where Kepler's equation has no solution found."""
    root_gm = np.sqrt(GM_SUN)
    x, y, z = position
    vx, vy, vz = velocity
    distance = np.sqrt(x * x + y * y + z * z)
    if not distance > 0.0:
        out_position[:], out_velocity[:] = np.nan, np.nan
        return
    radial = (x * vx + y * vy + z * vz) / root_gm
    alpha = 2.0 / distance - (vx * vx + vy * vy + vz * vz) / GM_SUN
    interval = days * root_gm
    if alpha > 0.0:
        period = 2.0 * np.pi / (alpha * np.sqrt(alpha))
        interval -= period * np.rint(interval / period)
    s = universal_anomaly(distance, radial, alpha, interval)
    c2, c3 = stumpff(alpha * s * s)
    g1, g2, g3 = s * (1.0 - alpha * s * s * c3), s * s * c2, s * s * s * c3
    f, g = 1.0 - g2 / distance, (interval - g3) / root_gm
    out_position[0], out_position[1], out_position[2] = f * x + g * vx, f * y + g * vy, f * z + g * vz
    later = distance * (1.0 - alpha * g2) + radial * g1 + g2
    f_dot, g_dot = -root_gm * g1 / (later * distance), 1.0 - g2 / later
    out_velocity[0] = f_dot * x + g_dot * vx
    out_velocity[1] = f_dot * y + g_dot * vy
    out_velocity[2] = f_dot * z + g_dot * vz


@njit(cache=True)
def propagate(positions, velocities, days):
    """Positions [au] and velocities [au / d], each (n, 3), after `days` (n,) of two-body motion about the Sun."""
    positions_after, velocities_after = np.empty_like(positions), np.empty_like(velocities)
    for i in range(len(positions)):
        moved(positions[i], velocities[i], days[i], positions_after[i], velocities_after[i])
    return positions_after, velocities_after


@njit(cache=True)
def see(positions, velocities, days, observer):
    """Vectors (n, 3) from the observer to bodies `days` after their epoch, and to the Sun's distance (n,) [au].

    Light time: the body is carried back along its velocity and the Sun's pull. What is left out, the change of the pull
    over the light time, is below 1e-9 au.
    """
    n = len(positions)
    seen, sun_au = np.empty((n, 3)), np.empty(n)
    place, motion = np.empty(3), np.empty(3)
    for i in range(n):
        moved(positions[i], velocities[i], days, place, motion)
        distance2 = place[0] ** 2 + place[1] ** 2 + place[2] ** 2
        pull = -GM_SUN / (distance2 * np.sqrt(distance2))
        delay = 0.0
        for _ in range(3):
            to_observer2 = 0.0
            for k in range(3):
                then = place[k] - motion[k] * delay + 0.5 * pull * place[k] * delay * delay
                seen[i, k] = then - observer[k]
                to_observer2 += seen[i, k] ** 2
            delay = np.sqrt(to_observer2) / LIGHT_AU_PER_DAY
        to_sun2 = 0.0
        for k in range(3):
            to_sun2 += (seen[i, k] + observer[k]) ** 2
        sun_au[i] = np.sqrt(to_sun2)
    return seen, sun_au


@njit(cache=True)
def near(directions, reach_rad, towards, radius_rad):
    """Whether each body (n,) can come within `radius_rad` of a direction (3,)."""
    result = np.empty(len(directions), np.bool_)
    for i in range(len(directions)):
        dx = directions[i, 0] - towards[0]
        dy = directions[i, 1] - towards[1]
        dz = directions[i, 2] - towards[2]
        chord = 2.0 * np.sin(0.5 * min(reach_rad[i] + radius_rad, np.pi))
        result[i] = dx * dx + dy * dy + dz * dz <= chord * chord
    return result


def warm() -> None:
    """Compile the kernels of this module."""
    positions, velocities = np.array([[1.0, 0.1, 0.0]]), np.array([[0.0, 0.0172, 0.001]])
    stumpff(0.1)
    universal_anomaly(1.0, 0.0, 1.0, 0.1)
    propagate(positions, velocities, np.array([10.0]))
    moved(positions[0], velocities[0], 10.0, np.empty(3), np.empty(3))
    see(positions, velocities, 0.5, np.array([0.0, 1.0, 0.0]))
    near(positions.astype(np.float32), np.zeros(1, np.float32), np.array([1.0, 0.0, 0.0]), 0.01)
