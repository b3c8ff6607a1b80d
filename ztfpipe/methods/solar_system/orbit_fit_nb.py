"""Kernels of the orbit of a track: six parameters, weak priors; two-body motion, or planets pull too.

Parameters, about the direction of the track's middle detection: offsets east and north [arcsec], p = 1 / distance from
the observer [1/au], and the heliocentric velocity times p: east and north [arcsec/d], away from the observer [0.001/d].
In these the positions are nearly linear, p times the observer's own path included, so that a descent takes few steps.
Twins stand in tests/methods/solar_system/test_orbit_fit.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ztfpipe.methods.solar_system.gravity_nb import drift
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN, LIGHT_AU_PER_DAY, moved
from ztfpipe.methods.solar_system.linking_nb import solve
from ztfpipe.methods.solar_system.tangent_nb import ARCSEC_PER_RADIAN, axes, parallactic, tangent

N = 6
RECESSION_UNIT = 1e-3
_STEPS = np.array([0.01, 0.01, 1e-5, 0.01, 0.01, 1e-3])
"""Steps of the derivatives, in the units of the parameters: far above rounding; motion is smooth far beyond them."""


@njit(cache=True)
def frame_at(centre):
    """Unit vectors east, north and away (3, 3) at a direction."""
    result = np.empty((3, 3))
    east, north = axes(centre)
    for k in range(3):
        result[0, k], result[1, k], result[2, k] = east[k], north[k], centre[k]
    return result


@njit(cache=True)
def state(parameters, frame, origin, place, motion):
    """Heliocentric position and velocity [au, au/d] of the parameters, into `place` and `motion` (3,)."""
    distance = 1.0 / parameters[2]
    u, v = parameters[0] / ARCSEC_PER_RADIAN, parameters[1] / ARCSEC_PER_RADIAN
    length = np.sqrt(1.0 + u * u + v * v)
    for k in range(3):
        along = (frame[2, k] + u * frame[0, k] + v * frame[1, k]) / length
        place[k] = origin[k] + distance * along
        across = (parameters[3] * frame[0, k] + parameters[4] * frame[1, k]) / ARCSEC_PER_RADIAN
        motion[k] = distance * (across + RECESSION_UNIT * parameters[5] * frame[2, k])


@njit(cache=True)
def inverse_axis_and_eccentricity(place, motion):
    """1 / semi-major axis [1/au], negative for hyperbolas, and eccentricity of an orbit."""
    r = np.sqrt(place[0] ** 2 + place[1] ** 2 + place[2] ** 2)
    v2 = motion[0] ** 2 + motion[1] ** 2 + motion[2] ** 2
    rv = place[0] * motion[0] + place[1] * motion[1] + place[2] * motion[2]
    e2 = 0.0
    for k in range(3):
        e2 += ((v2 / GM_SUN - 1.0 / r) * place[k] - rv / GM_SUN * motion[k]) ** 2
    return 2.0 / r - v2 / GM_SUN, np.sqrt(e2)


@njit(cache=True)
def parameters_of(place, motion, frame, origin, parameters):
    """The parameters of a state: the inverse of `state`."""
    distance, u, v, w = 0.0, 0.0, 0.0, 0.0
    for k in range(3):
        away = place[k] - origin[k]
        distance += away * away
        u, v, w = u + away * frame[0, k], v + away * frame[1, k], w + away * frame[2, k]
    distance = np.sqrt(distance)
    parameters[0], parameters[1] = u / w * ARCSEC_PER_RADIAN, v / w * ARCSEC_PER_RADIAN
    parameters[2] = 1.0 / distance
    parameters[3:] = 0.0
    for k in range(3):
        parameters[3] += motion[k] * frame[0, k] / distance * ARCSEC_PER_RADIAN
        parameters[4] += motion[k] * frame[1, k] / distance * ARCSEC_PER_RADIAN
        parameters[5] += motion[k] * frame[2, k] / distance / RECESSION_UNIT


@njit(cache=True)
def _seen(then, speed, delay, observer, out):
    """Vector (3,) from an observer to a body that left its light earlier than `delay` [d] ago or later; its length.

    `then`, `speed`: the body's state at the time of the observation less `delay`.
    """
    sun2 = then[0] ** 2 + then[1] ** 2 + then[2] ** 2
    pull = -GM_SUN / (sun2 * np.sqrt(sun2))
    later, length = 0.0, 0.0
    for _ in range(3):
        length = 0.0
        for k in range(3):
            out[k] = then[k] + speed[k] * later + 0.5 * pull * then[k] * later * later - observer[k]
            length += out[k] ** 2
        length = np.sqrt(length)
        later = delay - length / LIGHT_AU_PER_DAY
    return length


@njit(cache=True)
def misses(parameters, frame, origin, epoch_jd, t, vectors, observer, sigma, priors, sky, out, work):
    """Weighted residuals of n detections, east and north in turn, and of the two priors, into `out` (2 n + 2,).

    t (n,) [d] from the epoch, in ascending order. sky: (gm, first_jd, step_d, places) of the perturbers; without any,
    motion is Keplerian. work: (12, 3).
    """
    place, motion, then, speed, seen = work[0], work[1], work[2], work[3], work[4]
    gm, first_jd, step_d, places = sky
    state(parameters, frame, origin, place, motion)
    delay = 1.0 / (parameters[2] * LIGHT_AU_PER_DAY)
    n, forward, now = len(t), 0, epoch_jd
    while forward < n and t[forward] < delay:
        forward += 1
    for k in range(n):
        # From the epoch on to the last detection, then from the epoch back to the first.
        i = forward + k if k < n - forward else n - 1 - k
        if len(gm) == 0:
            moved(place, motion, t[i] - delay, then, speed)
        else:
            if k == 0 or k == n - forward:
                then[:], speed[:], now = place, motion, epoch_jd
            until = epoch_jd + t[i] - delay
            drift(then, speed, now, until, gm, first_jd, step_d, places, work[5:])
            now = until
        length = _seen(then, speed, delay, observer[i], seen)
        east, north = 0.0, 0.0
        for axis in range(3):
            off = seen[axis] / length - vectors[i, axis]
            east += off * frame[0, axis]
            north += off * frame[1, axis]
        # Far from the frame's own direction its axes are not quite those of the detection: the third part of the offset
        # is second order in the angle, some days' motion, and only weights change with it.
        out[2 * i] = east * ARCSEC_PER_RADIAN / sigma[i]
        out[2 * i + 1] = north * ARCSEC_PER_RADIAN / sigma[i]
    inverse_axis, e = inverse_axis_and_eccentricity(place, motion)
    out[2 * n] = (inverse_axis - priors[0]) / priors[1]
    out[2 * n + 1] = e / priors[2]


@njit(cache=True)
def _sum2(values):
    total = 0.0
    for value in values:
        total += value * value
    return total


@njit(cache=True)
def slopes(parameters, frame, origin, epoch_jd, t, vectors, observer, sigma, priors, sky, now, other, work, jacobian):
    """Derivatives (m, 6) of the weighted residuals `now` (m,) by the parameters, by small steps."""
    trial = np.empty(N)
    for k in range(N):
        trial[:] = parameters
        trial[k] += _STEPS[k]
        misses(trial, frame, origin, epoch_jd, t, vectors, observer, sigma, priors, sky, other, work)
        for i in range(len(now)):
            jacobian[i, k] = (other[i] - now[i]) / _STEPS[k]


@njit(cache=True)
def descend(parameters, frame, origin, epoch_jd, t, vectors, observer, sigma, priors, sky, most):
    """Levenberg-Marquardt from `parameters`, improved in place; returns the sum of squares and the steps used, negative
    where the last step still changed the sum by more than 0.01."""
    m = 2 * len(t) + 2
    work, now, other = np.empty((12, 3)), np.empty(m), np.empty(m)
    jacobian, matrix, step, trial = np.empty((m, N)), np.empty((N, N)), np.empty(N), np.empty(N)
    misses(parameters, frame, origin, epoch_jd, t, vectors, observer, sigma, priors, sky, now, work)
    value, damping = _sum2(now), 1e-3
    for steps in range(1, most + 1):
        slopes(
            parameters, frame, origin, epoch_jd, t, vectors, observer, sigma, priors, sky, now, other, work, jacobian
        )
        gained = -1.0
        for _ in range(8):
            for a in range(N):
                step[a] = 0.0
                for i in range(m):
                    step[a] -= jacobian[i, a] * now[i]
                for b in range(a + 1):
                    total = 0.0
                    for i in range(m):
                        total += jacobian[i, a] * jacobian[i, b]
                    matrix[a, b] = total
                matrix[a, a] *= 1.0 + damping
                matrix[a, a] += 1e-12
            solve(matrix, step)
            usable = True
            for k in range(N):
                trial[k] = parameters[k] + step[k]
                usable &= np.isfinite(trial[k])
            if usable and trial[2] > 1e-3:
                misses(trial, frame, origin, epoch_jd, t, vectors, observer, sigma, priors, sky, other, work)
                reached = _sum2(other)
                if reached < value:
                    gained = value - reached
                    parameters[:] = trial
                    now[:] = other
                    value = reached
                    damping = max(0.1 * damping, 1e-9)
                    break
            damping *= 10.0
        if gained < 0.01:
            return value, steps
    return value, -most


@njit(cache=True)
def start(distance, t, vectors, observer, sigma, frame, origin, parameters):
    """Straight heliocentric motion at a distance [au] through the detections: the parameters a descent starts from."""
    sw, st, stt, sx, sy, stx, sty = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(t)):
        x, y = tangent(frame[2], vectors[i])
        px, py = parallactic(frame[2], observer[i] - origin)
        x, y = x - px / distance, y - py / distance
        w = 1.0 / sigma[i] ** 2
        sw += w
        st += w * t[i]
        stt += w * t[i] * t[i]
        sx += w * x
        sy += w * y
        stx += w * t[i] * x
        sty += w * t[i] * y
    determinant = sw * stt - st * st
    rate_x, rate_y = (sw * stx - st * sx) / determinant, (sw * sty - st * sy) / determinant
    parameters[0], parameters[1] = (sx - rate_x * st) / sw, (sy - rate_y * st) / sw
    parameters[2] = 1.0 / distance
    parameters[3], parameters[4], parameters[5] = rate_x, rate_y, 0.0


@njit(cache=True)
def fit_tracks(
    members, offsets, jd, vectors, observer, sigma, distances, begun, priors, sky, most, states, epochs, chi2,
    prior, steps, residuals, information, state_slopes,
):  # fmt: skip
    """Best orbit of each track, over all starting distances; where `begun` (n, 6) has states, from those alone.

    members, offsets: detections of track i, in order of time, are members[offsets[i]:offsets[i + 1]]. Receives: states
    (n, 6) heliocentric [au, au/d] at epochs (n,) [jd], chi2 of the detections alone, the priors' share, steps
    (negative: not settled), residuals [arcsec] east and north of each member (members, 2), and where `information` has
    length: (n, 6, 6) the inverse covariance of the parameters, and the state's slopes by the parameters.
    """
    parameters, best = np.empty(N), np.empty(N)
    place, motion, work = np.empty(3), np.empty(3), np.empty((12, 3))
    for i in range(len(offsets) - 1):
        own = members[offsets[i] : offsets[i + 1]]
        middle = own[len(own) // 2]
        t, seen, here, error = jd[own] - jd[middle], vectors[own], observer[own], sigma[own]
        frame, origin = frame_at(vectors[middle]), observer[middle].copy()
        least, epochs[i], steps[i] = np.inf, jd[middle], -most
        best[:] = np.nan
        for start_number in range(1 if len(begun) else len(distances)):
            if t.max() == t.min():
                break
            if len(begun):
                parameters_of(begun[i, :3], begun[i, 3:], frame, origin, parameters)
            else:
                start(distances[start_number], t, seen, here, error, frame, origin, parameters)
            value, taken = descend(parameters, frame, origin, jd[middle], t, seen, here, error, priors, sky, most)
            if value < least:
                least, steps[i] = value, taken
                best[:] = parameters
        if not np.isfinite(least):
            states[i], chi2[i], prior[i] = np.nan, np.inf, np.inf
            residuals[offsets[i] : offsets[i + 1]] = np.nan
            if len(information):
                information[i], state_slopes[i] = np.nan, np.nan
            continue
        out = np.empty(2 * len(own) + 2)
        misses(best, frame, origin, jd[middle], t, seen, here, error, priors, sky, out, work)
        state(best, frame, origin, place, motion)
        states[i, :3], states[i, 3:] = place, motion
        prior[i] = out[-1] ** 2 + out[-2] ** 2
        chi2[i] = _sum2(out) - prior[i]
        for k in range(len(own)):
            residuals[offsets[i] + k, 0] = -out[2 * k] * error[k]
            residuals[offsets[i] + k, 1] = -out[2 * k + 1] * error[k]
        if len(information):
            _spread(
                best, frame, origin, jd[middle], t, seen, here, error, priors, sky, out, work, information[i],
                state_slopes[i],
            )  # fmt: skip


@njit(cache=True)
def _spread(best, frame, origin, epoch_jd, t, seen, here, error, priors, sky, now, work, information, state_slopes):
    """Inverse covariance (6, 6) of the parameters, and slopes (6, 6) of the state by them."""
    jacobian, other = np.empty((len(now), N)), np.empty(len(now))
    slopes(best, frame, origin, epoch_jd, t, seen, here, error, priors, sky, now, other, work, jacobian)
    information[:] = jacobian.T @ jacobian
    low, high, trial = np.empty(N), np.empty(N), np.empty(N)
    for k in range(N):
        for sign in (-1.0, 1.0):
            trial[:] = best
            trial[k] += sign * _STEPS[k]
            into = low if sign < 0.0 else high
            state(trial, frame, origin, into[:3], into[3:])
        state_slopes[:, k] = (high - low) / (2.0 * _STEPS[k])


def warm() -> None:
    """Compile the kernels of this module."""
    jd = np.array([0.0, 0.02, 1.0, 1.02])
    angle = 0.003 * jd
    vectors = np.stack([np.cos(angle), np.sin(angle), np.zeros(4)], axis=1)
    observer = np.stack([np.ones(4), 0.0172 * jd, np.zeros(4)], axis=1)
    sky = (np.array([1e-10]), -1.0, 1.0, np.ones((4, 1, 3)))
    frame, parameters, priors = frame_at(vectors[0]), np.zeros(N), np.array([0.4, 0.3, 0.4])
    sigma, place, motion, work = np.full(4, 0.1), np.empty(3), np.empty(3), np.empty((12, 3))
    now, other = np.empty(10), np.empty(10)
    start(1.5, jd, vectors, observer, sigma, frame, observer[0], parameters)
    state(parameters, frame, observer[0], place, motion)
    parameters_of(place, motion, frame, observer[0], parameters)
    inverse_axis_and_eccentricity(place, motion)
    fixed = (parameters, frame, observer[0], 0.0, jd, vectors, observer, sigma, priors, sky)
    misses(*fixed, now, work)
    slopes(*fixed, now, other, work, np.empty((10, N)))
    descend(*fixed, 1)
    fit_tracks(
        np.arange(4), np.array([0, 4]), jd, vectors, observer, np.full(4, 0.1), np.array([1.5]), np.empty((0, 6)),
        np.array([0.4, 0.3, 0.4]), sky, 2, np.empty((1, 6)), np.empty(1), np.empty(1), np.empty(1),
        np.empty(1, np.int64), np.empty((4, 2)), np.empty((1, N, N)), np.empty((1, N, N)),
    )  # fmt: skip
