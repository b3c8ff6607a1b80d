"""Kernels of motion under the pull of Sun, planets and Moon. Twins: tests/methods/solar_system/test_gravity.py."""

from __future__ import annotations

import numpy as np
from numba import njit

from ztfpipe.methods.solar_system.kepler_nb import GM_SUN

STEP_D = 0.25
"""Of Runge-Kutta's fourth order. A body 0.005 au from the Earth turns about it in 70 days: the step is short for all
that a survey can link."""


@njit(cache=True)
def pull(place, jd, gm, first_jd, step_d, places, out):
    """Heliocentric acceleration [au/d^2] of a massless body (3,), into `out`: Sun, planets, the Sun's own fall."""
    distance2 = place[0] ** 2 + place[1] ** 2 + place[2] ** 2
    scale = -GM_SUN / (distance2 * np.sqrt(distance2))
    for axis in range(3):
        out[axis] = scale * place[axis]
    steps = (jd - first_jd) / step_d
    k = min(max(int(np.rint(steps)), 1), len(places) - 2)
    x = steps - k
    before, at, after = 0.5 * x * (x - 1.0), 1.0 - x * x, 0.5 * x * (x + 1.0)
    for body in range(len(gm)):
        apart2, away2 = 0.0, 0.0
        for axis in range(3):
            there = before * places[k - 1, body, axis] + at * places[k, body, axis] + after * places[k + 1, body, axis]
            apart2 += (there - place[axis]) ** 2
            away2 += there * there
        direct, indirect = gm[body] / (apart2 * np.sqrt(apart2)), gm[body] / (away2 * np.sqrt(away2))
        for axis in range(3):
            there = before * places[k - 1, body, axis] + at * places[k, body, axis] + after * places[k + 1, body, axis]
            out[axis] += direct * (there - place[axis]) - indirect * there


@njit(cache=True)
def drift(place, motion, jd, until_jd, gm, first_jd, step_d, places, work):
    """Carry a body from one time to another, in place: position [au], velocity [au/d]. work: (8, 3)."""
    n = int(np.ceil(abs(until_jd - jd) / STEP_D))
    if n == 0:
        return
    h = (until_jd - jd) / n
    trial, a1, a2, a3, a4 = work[0], work[1], work[2], work[3], work[4]
    for k in range(n):
        now = jd + k * h
        # Nystroem's arrangement: the pull does not depend on the velocity.
        pull(place, now, gm, first_jd, step_d, places, a1)
        for axis in range(3):
            trial[axis] = place[axis] + 0.5 * h * motion[axis] + 0.125 * h * h * a1[axis]
        pull(trial, now + 0.5 * h, gm, first_jd, step_d, places, a2)
        for axis in range(3):
            trial[axis] = place[axis] + h * motion[axis] + 0.5 * h * h * a2[axis]
        pull(trial, now + h, gm, first_jd, step_d, places, a4)
        for axis in range(3):
            a3[axis] = a1[axis] + 2.0 * a2[axis]
            place[axis] += h * motion[axis] + h * h * a3[axis] / 6.0
            motion[axis] += h * (a1[axis] + 4.0 * a2[axis] + a4[axis]) / 6.0


def warm() -> None:
    """Compile the kernels of this module."""
    place, motion, places = np.array([2.0, 0.0, 0.0]), np.array([0.0, 0.01, 0.0]), np.ones((3, 1, 3))
    gm, work = np.array([1e-10]), np.empty((8, 3))
    pull(place, 0.5, gm, 0.0, 1.0, places, work[0])
    drift(place, motion, 0.5, 1.0, gm, 0.0, 1.0, places, work)
