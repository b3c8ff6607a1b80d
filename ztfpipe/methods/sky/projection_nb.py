"""Kernels of the TPV distortion: the quartic and its inverse by Newton's method."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, inline="always")
def _quartic(c, u, v):
    """Value and both derivatives of the quartic with coefficients c (order of PV_INDICES) at (u, v)."""
    uu, vv, uv = u * u, v * v, u * v
    value = (
        c[0]
        + c[1] * u
        + c[2] * v
        + c[3] * uu
        + c[4] * uv
        + c[5] * vv
        + u * (c[6] * uu + c[7] * uv + c[8] * vv)
        + c[9] * vv * v
        + uu * (c[10] * uu + c[11] * uv + c[12] * vv)
        + vv * (c[13] * uv + c[14] * vv)
    )
    du = (
        c[1]
        + 2.0 * c[3] * u
        + c[4] * v
        + 3.0 * c[6] * uu
        + 2.0 * c[7] * uv
        + c[8] * vv
        + 4.0 * c[10] * uu * u
        + 3.0 * c[11] * uu * v
        + 2.0 * c[12] * u * vv
        + c[13] * vv * v
    )
    dv = (
        c[2]
        + c[4] * u
        + 2.0 * c[5] * v
        + c[7] * uu
        + 2.0 * c[8] * uv
        + 3.0 * c[9] * vv
        + c[11] * uu * u
        + 2.0 * c[12] * uu * v
        + 3.0 * c[13] * u * vv
        + 4.0 * c[14] * vv * v
    )
    return value, du, dv


@njit(cache=True)
def distort(pv, xi, eta):
    """Distorted plane coordinates [deg] of intermediate coordinates [deg]; pv is (2, 15), the rest (n,)."""
    first, second = np.empty_like(xi), np.empty_like(eta)
    for i in range(xi.size):
        first[i] = _quartic(pv[0], xi[i], eta[i])[0]
        second[i] = _quartic(pv[1], eta[i], xi[i])[0]
    return first, second


@njit(cache=True)
def undistort(pv, first, second, tolerance_deg, max_steps):
    """Inverse of `distort` by Newton's method from the undistorted position; NaN where it does not converge."""
    xi, eta = np.empty_like(first), np.empty_like(second)
    for i in range(first.size):
        u, v = first[i] - pv[0, 0], second[i] - pv[1, 0]
        done = False
        for _ in range(max_steps):
            f, f_u, f_v = _quartic(pv[0], u, v)
            g, g_v, g_u = _quartic(pv[1], v, u)
            determinant = f_u * g_v - f_v * g_u
            if determinant == 0.0:
                break
            rf, rg = f - first[i], g - second[i]
            step_u = (rf * g_v - rg * f_v) / determinant
            step_v = (rg * f_u - rf * g_u) / determinant
            u -= step_u
            v -= step_v
            if abs(step_u) + abs(step_v) < tolerance_deg:
                done = True
                break
        xi[i] = u if done else np.nan
        eta[i] = v if done else np.nan
    return xi, eta


def warm() -> None:
    """Compile the kernels of this module."""
    pv, values = np.zeros((2, 15)), np.linspace(-0.1, 0.1, 3)
    distort(pv, values, values)
    undistort(pv, values, values, 1e-9, 1)
