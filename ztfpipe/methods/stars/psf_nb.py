"""Kernels that evaluate a spatially varying B-spline PSF (model.stars.PsfModel) on pixel stamps.

Sub-pixel offset and spline weights are the same for every pixel of a stamp because the number of knots per pixel is a
whole number, so a stamp is two small separable passes over the knots blended for the star's position.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def polynomial_terms(x_px, y_px, ny, nx, order, out):
    """Fill `out` with the monomials 1, u, v, u^2, uv, v^2, ... of the position scaled to -1..1."""
    u = 2.0 * x_px / (nx - 1) - 1.0
    v = 2.0 * y_px / (ny - 1) - 1.0
    k = 0
    for degree in range(order + 1):
        for power_v in range(degree + 1):
            out[k] = u ** (degree - power_v) * v**power_v
            k += 1


@njit(cache=True)
def spline_weights(t, weights, slopes):
    """Cubic B-spline values, and derivatives by t, at the four knots around fraction t in [0, 1)."""
    s = 1.0 - t
    weights[0] = s * s * s / 6.0
    weights[1] = (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0
    weights[2] = (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0
    weights[3] = t * t * t / 6.0
    slopes[0] = -s * s / 2.0
    slopes[1] = (3.0 * t * t - 4.0 * t) / 2.0
    slopes[2] = (4.0 * s - 3.0 * s * s) / 2.0
    slopes[3] = t * t / 2.0


@njit(cache=True)
def knots_across(half, oversampling):
    """Number of knots on a side that a stamp of (2 half + 1)^2 pixels needs."""
    return 2 * (oversampling * (half + 1) + 1) + 1


@njit(cache=True)
def blend_knots(coefficients, terms, half, oversampling, knots):
    """Fill knots[:n, :n] with the coefficients at one position, for a stamp of `half`."""
    across = knots_across(half, oversampling)
    low = (coefficients.shape[1] - across) // 2
    for a in range(across):
        # Slices of one length let the compiler see that no index wraps, and use vector instructions.
        row = knots[a, :across]
        row[:] = coefficients[0, low + a, low : low + across]
        for k in range(1, coefficients.shape[0]):
            term = np.float32(terms[k])
            source = coefficients[k, low + a, low : low + across]
            for b in range(across):
                row[b] += term * source[b]


@njit(cache=True)
def first_knot(position_px, half, oversampling):
    """First of the four knots of a stamp's first pixel, and the fraction beyond the second of them."""
    centre = np.floor(position_px + 0.5)
    q = oversampling * (centre - half - position_px) + oversampling * (half + 1) + 1
    base = int(np.floor(q))
    return base - 1, q - base


@njit(cache=True)
def stamp(knots, x_px, y_px, half, oversampling, rows, value):
    """Fill value[:n, :n] with P on the pixels around a star; `rows` is work space (n, knots across)."""
    wx, wy = np.empty(4, np.float32), np.empty(4, np.float32)
    unused = np.empty(4, np.float32)
    bx, tx = first_knot(x_px, half, oversampling)
    by, ty = first_knot(y_px, half, oversampling)
    spline_weights(tx, wx, unused)
    spline_weights(ty, wy, unused)
    size, across = 2 * half + 1, knots_across(half, oversampling)
    for j in range(size):
        a = by + oversampling * j
        row = rows[j, :across]
        k0, k1, k2, k3 = knots[a, :across], knots[a + 1, :across], knots[a + 2, :across], knots[a + 3, :across]
        for m in range(across):
            row[m] = wy[0] * k0[m] + wy[1] * k1[m] + wy[2] * k2[m] + wy[3] * k3[m]
        for i in range(size):
            b = bx + oversampling * i
            value[j, i] = wx[0] * rows[j, b] + wx[1] * rows[j, b + 1] + wx[2] * rows[j, b + 2] + wx[3] * rows[j, b + 3]


@njit(cache=True)
def stamp_and_slopes(knots, x_px, y_px, half, oversampling, rows, rows_dy, value, by_x, by_y):
    """As `stamp`, and the derivatives of each pixel by the star's x and y."""
    wx, wy = np.empty(4, np.float32), np.empty(4, np.float32)
    sx, sy = np.empty(4, np.float32), np.empty(4, np.float32)
    bx, tx = first_knot(x_px, half, oversampling)
    by, ty = first_knot(y_px, half, oversampling)
    spline_weights(tx, wx, sx)
    spline_weights(ty, wy, sy)
    scale = np.float32(-oversampling)
    for k in range(4):
        sx[k] *= scale
        sy[k] *= scale
    size, across = 2 * half + 1, knots_across(half, oversampling)
    for j in range(size):
        a = by + oversampling * j
        row, row_dy = rows[j, :across], rows_dy[j, :across]
        k0, k1, k2, k3 = knots[a, :across], knots[a + 1, :across], knots[a + 2, :across], knots[a + 3, :across]
        for m in range(across):
            row[m] = wy[0] * k0[m] + wy[1] * k1[m] + wy[2] * k2[m] + wy[3] * k3[m]
            row_dy[m] = sy[0] * k0[m] + sy[1] * k1[m] + sy[2] * k2[m] + sy[3] * k3[m]
        for i in range(size):
            b = bx + oversampling * i
            r0, r1, r2, r3 = rows[j, b], rows[j, b + 1], rows[j, b + 2], rows[j, b + 3]
            value[j, i] = wx[0] * r0 + wx[1] * r1 + wx[2] * r2 + wx[3] * r3
            by_x[j, i] = sx[0] * r0 + sx[1] * r1 + sx[2] * r2 + sx[3] * r3
            by_y[j, i] = (
                wx[0] * rows_dy[j, b]
                + wx[1] * rows_dy[j, b + 1]
                + wx[2] * rows_dy[j, b + 2]
                + wx[3] * rows_dy[j, b + 3]
            )


@njit(cache=True)
def evaluate(coefficients, oversampling, order, ny, nx, x_px, y_px, half):
    """Stamps (n, 2 half + 1, 2 half + 1) of unit stars centred at the pixels nearest to (x, y)."""
    across, size = knots_across(half, oversampling), 2 * half + 1
    knots, rows = np.empty((across, across), np.float32), np.empty((size, across), np.float32)
    terms = np.empty(coefficients.shape[0])
    out = np.empty((len(x_px), size, size), np.float32)
    for i in range(len(x_px)):
        polynomial_terms(x_px[i], y_px[i], ny, nx, order, terms)
        blend_knots(coefficients, terms, half, oversampling, knots)
        stamp(knots, x_px[i], y_px[i], half, oversampling, rows, out[i])
    return out


def warm() -> None:
    """Compile the kernels of this module for the types they are called with."""
    coefficients = np.zeros((3, 11, 11), np.float32)
    coefficients[0] = 1.0
    terms, knots = np.empty(3), np.empty((11, 11), np.float32)
    polynomial_terms(3.0, 3.0, 8, 8, 1, terms)
    spline_weights(0.5, np.empty(4, np.float32), np.empty(4, np.float32))
    blend_knots(coefficients, terms, 1, 2, knots)
    rows, box = np.empty((3, 11), np.float32), np.empty((3, 3), np.float32)
    first_knot(3.0, 1, 2)
    knots_across(1, 2)
    stamp(knots, 3.0, 3.0, 1, 2, rows, box)
    stamp_and_slopes(knots, 3.0, 3.0, 1, 2, rows, rows.copy(), box, box.copy(), box.copy())
    evaluate(coefficients, 2, 1, 8, 8, np.array([3.0]), np.array([3.0]), 1)
