"""Kernels of the PSF fit: stamps of the chosen stars, their Moffat and PSF fits, and products with the normal matrix.

The normal matrix of the spline coefficients (10^4 squared) is never formed: conjugate gradients need only its product
with a vector, which is one forward and one transposed evaluation of every star's stamp.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ztfpipe.methods.stars.psf_nb import (
    blend_knots,
    first_knot,
    knots_across,
    polynomial_terms,
    spline_weights,
    stamp,
    stamp_and_slopes,
)


@njit(cache=True)
def cut_stamps(image, weight, x_px, y_px, half):
    """Data and weights (n, size, size) around the pixels nearest to (x, y); weight 0 beyond the edges."""
    ny, nx = image.shape
    size = 2 * half + 1
    data = np.zeros((len(x_px), size, size), np.float32)
    weights = np.zeros((len(x_px), size, size), np.float32)
    for s in range(len(x_px)):
        x0, y0 = int(np.floor(x_px[s] + 0.5)) - half, int(np.floor(y_px[s] + 0.5)) - half
        for j in range(max(0, -y0), min(size, ny - y0)):
            for i in range(max(0, -x0), min(size, nx - x0)):
                data[s, j, i] = image[y0 + j, x0 + i]
                weights[s, j, i] = weight[y0 + j, x0 + i]
    return data, weights


@njit(cache=True)
def subtract_neighbours(data, corner_x, corner_y, first, members, x_px, y_px, flux_adu, coefficients, oversampling,
                        order, ny, nx, half):  # fmt: skip
    """Take stars members[first[s]:first[s + 1]] off stamp s, in place, with the given PSF."""
    across, size = knots_across(half, oversampling), 2 * half + 1
    knots, rows = np.empty((across, across), np.float32), np.empty((size, across), np.float32)
    value = np.empty((size, size), np.float32)
    terms = np.empty(coefficients.shape[0])
    for s in range(len(data)):
        for m in range(first[s], first[s + 1]):
            n = members[m]
            polynomial_terms(x_px[n], y_px[n], ny, nx, order, terms)
            blend_knots(coefficients, terms, half, oversampling, knots)
            stamp(knots, x_px[n], y_px[n], half, oversampling, rows, value)
            dx = int(np.floor(x_px[n] + 0.5)) - half - corner_x[s]
            dy = int(np.floor(y_px[n] + 0.5)) - half - corner_y[s]
            flux = np.float32(flux_adu[n])
            for j in range(max(0, dy), min(size, size + dy)):
                for i in range(max(0, dx), min(size, size + dx)):
                    data[s, j, i] -= flux * value[j - dy, i - dx]


@njit(cache=True)
def _solve3(a, b):
    """Solution of a symmetric 3 x 3 system by Cramer's rule; zeros when singular."""
    c00 = a[1, 1] * a[2, 2] - a[1, 2] * a[1, 2]
    c01 = a[0, 2] * a[1, 2] - a[0, 1] * a[2, 2]
    c02 = a[0, 1] * a[1, 2] - a[0, 2] * a[1, 1]
    det = a[0, 0] * c00 + a[0, 1] * c01 + a[0, 2] * c02
    if not det > 0.0:
        return 0.0, 0.0, 0.0
    c11 = a[0, 0] * a[2, 2] - a[0, 2] * a[0, 2]
    c12 = a[0, 1] * a[0, 2] - a[0, 0] * a[1, 2]
    c22 = a[0, 0] * a[1, 1] - a[0, 1] * a[0, 1]
    return (
        (c00 * b[0] + c01 * b[1] + c02 * b[2]) / det,
        (c01 * b[0] + c11 * b[1] + c12 * b[2]) / det,
        (c02 * b[0] + c12 * b[1] + c22 * b[2]) / det,
    )


@njit(cache=True)
def fit_stars(data, weights, corner_x, corner_y, x_px, y_px, flux_adu, coefficients, oversampling, order, ny, nx,
              half, gain, psf_error, steps):  # fmt: skip
    """Gauss-Newton fit of x, y and flux of each stamp's star, in place; returns the unit stamps (n, size, size)."""
    across, size = knots_across(half, oversampling), 2 * half + 1
    knots = np.empty((across, across), np.float32)
    rows, rows_dy = np.empty((size, across), np.float32), np.empty((size, across), np.float32)
    by_x, by_y = np.empty((size, size), np.float32), np.empty((size, size), np.float32)
    value = np.empty((size, size), np.float32)
    terms = np.empty(coefficients.shape[0])
    units = np.empty(data.shape, np.float32)
    matrix, vector = np.empty((3, 3)), np.empty(3)
    for s in range(len(data)):
        polynomial_terms(x_px[s], y_px[s], ny, nx, order, terms)
        blend_knots(coefficients, terms, half, oversampling, knots)
        # The stamp is fixed to its pixels; a star that moves past a pixel's edge keeps its corner.
        for _ in range(steps):
            stamp_and_slopes(knots, x_px[s], y_px[s], half, oversampling, rows, rows_dy, value, by_x, by_y)
            matrix[:] = 0.0
            vector[:] = 0.0
            dx = int(np.floor(x_px[s] + 0.5)) - half - corner_x[s]
            dy = int(np.floor(y_px[s] + 0.5)) - half - corner_y[s]
            flux = flux_adu[s]
            for j in range(max(0, dy), min(size, size + dy)):
                for i in range(max(0, dx), min(size, size + dx)):
                    w = weights[s, j, i]
                    if w <= 0.0:
                        continue
                    p = value[j - dy, i - dx]
                    model = max(flux * p, 0.0)
                    w = 1.0 / (1.0 / w + model / gain + (psf_error * model) ** 2)
                    r = data[s, j, i] - flux * p
                    px, py = flux * by_x[j - dy, i - dx], flux * by_y[j - dy, i - dx]
                    matrix[0, 0] += w * p * p
                    matrix[0, 1] += w * p * px
                    matrix[0, 2] += w * p * py
                    matrix[1, 1] += w * px * px
                    matrix[1, 2] += w * px * py
                    matrix[2, 2] += w * py * py
                    vector[0] += w * p * r
                    vector[1] += w * px * r
                    vector[2] += w * py * r
            d0, d1, d2 = _solve3(matrix, vector)
            flux_adu[s] += min(max(d0, -0.5 * flux), 2.0 * flux)
            x_px[s] += min(max(d1, -0.4), 0.4)
            y_px[s] += min(max(d2, -0.4), 0.4)
        stamp(knots, x_px[s], y_px[s], half, oversampling, rows, value)
        units[s] = 0.0
        dx = int(np.floor(x_px[s] + 0.5)) - half - corner_x[s]
        dy = int(np.floor(y_px[s] + 0.5)) - half - corner_y[s]
        for j in range(max(0, dy), min(size, size + dy)):
            for i in range(max(0, dx), min(size, size + dx)):
                units[s, j, i] = value[j - dy, i - dx]
    return units


@njit(cache=True)
def _spread(pixels, corner_x, corner_y, x_px, y_px, half, oversampling, squared, row, knots):
    """Transpose of `stamp`: lay the pixels of a stamp onto the knots around the star."""
    across, size = knots_across(half, oversampling), 2 * half + 1
    wx, wy = np.empty(4, np.float32), np.empty(4, np.float32)
    unused = np.empty(4, np.float32)
    bx, tx = first_knot(x_px, half, oversampling)
    by, ty = first_knot(y_px, half, oversampling)
    spline_weights(tx, wx, unused)
    spline_weights(ty, wy, unused)
    if squared:
        wx, wy = wx * wx, wy * wy
    dx = int(np.floor(x_px + 0.5)) - half - corner_x
    dy = int(np.floor(y_px + 0.5)) - half - corner_y
    knots[:across, :across] = 0.0
    for j in range(max(0, dy), min(size, size + dy)):
        row[:across] = 0.0
        for i in range(max(0, dx), min(size, size + dx)):
            p = pixels[j, i]
            b = bx + oversampling * (i - dx)
            for k in range(4):
                row[b + k] += wx[k] * p
        a = by + oversampling * (j - dy)
        for k in range(4):
            w = wy[k]
            target = knots[a + k]
            for m in range(across):
                target[m] += w * row[m]


@njit(cache=True)
def gather(pixels, corner_x, corner_y, x_px, y_px, flux_adu, oversampling, order, ny, nx, half, squared, out):
    """A^T pixels (n, size, size): out[k] += sum_s f_s T_k(s) spread(pixels_s); with `squared`, of squared factors."""
    across = knots_across(half, oversampling)
    knots, row = np.empty((across, across), np.float32), np.empty(across, np.float32)
    terms = np.empty(out.shape[0])
    for s in range(len(pixels)):
        polynomial_terms(x_px[s], y_px[s], ny, nx, order, terms)
        _spread(pixels[s], corner_x[s], corner_y[s], x_px[s], y_px[s], half, oversampling, squared, row, knots)
        for k in range(out.shape[0]):
            factor = flux_adu[s] * terms[k]
            if squared:
                factor = factor * factor
            factor = np.float32(factor)
            for a in range(across):
                target, source = out[k, a], knots[a]
                for b in range(across):
                    target[b] += factor * source[b]


@njit(cache=True)
def normal_product(vector, weights, corner_x, corner_y, x_px, y_px, flux_adu, oversampling, order, ny, nx, half, out):
    """out += A^T W A vector, where A maps spline coefficients (K, M, M) to the pixels of all stamps."""
    across, size = knots_across(half, oversampling), 2 * half + 1
    knots, rows = np.empty((across, across), np.float32), np.empty((size, across), np.float32)
    row = np.empty(across, np.float32)
    value, pixels = np.empty((size, size), np.float32), np.empty((size, size), np.float32)
    terms = np.empty(vector.shape[0])
    for s in range(len(weights)):
        polynomial_terms(x_px[s], y_px[s], ny, nx, order, terms)
        blend_knots(vector, terms, half, oversampling, knots)
        stamp(knots, x_px[s], y_px[s], half, oversampling, rows, value)
        dx = int(np.floor(x_px[s] + 0.5)) - half - corner_x[s]
        dy = int(np.floor(y_px[s] + 0.5)) - half - corner_y[s]
        for j in range(max(0, dy), min(size, size + dy)):
            for i in range(max(0, dx), min(size, size + dx)):
                pixels[j, i] = weights[s, j, i] * value[j - dy, i - dx]
        _spread(pixels, corner_x[s], corner_y[s], x_px[s], y_px[s], half, oversampling, False, row, knots)
        for k in range(vector.shape[0]):
            factor = np.float32(flux_adu[s] * flux_adu[s] * terms[k])
            for a in range(across):
                target, source = out[k, a], knots[a]
                for b in range(across):
                    target[b] += factor * source[b]


@njit(cache=True)
def fit_moffat(data, weights, x_px, y_px, corner_x, corner_y, flux_adu, width_px, beta, radius_px, steps):
    """Gauss-Newton fit of a round Moffat profile (flux, x, y, width) to each stamp, in place; returns its chi^2.

    Profile: flux (beta - 1) / (pi a^2) (1 + r^2 / a^2)^-beta sampled at pixel centres, a = width.
    """
    n, size, _ = data.shape
    chi2 = np.zeros(n)
    grad = np.empty(4)
    for s in range(n):
        for step in range(steps + 1):
            matrix, vector = np.zeros((4, 4)), np.zeros(4)
            total = 0.0
            a2 = width_px[s] ** 2
            flux = flux_adu[s]
            for j in range(size):
                dy = corner_y[s] + j - y_px[s]
                for i in range(size):
                    dx = corner_x[s] + i - x_px[s]
                    r2 = dx * dx + dy * dy
                    if r2 > radius_px**2 or weights[s, j, i] <= 0.0:
                        continue
                    base = 1.0 + r2 / a2
                    shape = (beta - 1.0) / (np.pi * a2) * base**-beta
                    w = 1.0 / (1.0 / weights[s, j, i] + (0.05 * flux * shape) ** 2)
                    r = data[s, j, i] - flux * shape
                    total += w * r * r
                    grad[0] = shape
                    grad[1] = flux * shape * 2.0 * beta * dx / (a2 * base)
                    grad[2] = flux * shape * 2.0 * beta * dy / (a2 * base)
                    grad[3] = flux * shape * 2.0 / width_px[s] * (beta * r2 / (a2 * base) - 1.0)
                    for p in range(4):
                        vector[p] += w * grad[p] * r
                        for q in range(4):
                            matrix[p, q] += w * grad[p] * grad[q]
            chi2[s] = total
            if step == steps:
                break
            for p in range(4):
                matrix[p, p] *= 1.001
                if matrix[p, p] <= 0.0:
                    matrix[p, p] = 1.0
            delta = np.linalg.solve(matrix, vector)
            flux_adu[s] = max(flux + delta[0], 0.3 * flux)
            x_px[s] += min(max(delta[1], -0.5), 0.5)
            y_px[s] += min(max(delta[2], -0.5), 0.5)
            width_px[s] *= min(max(1.0 + delta[3] / width_px[s], 0.7), 1.4)
    return chi2


def warm() -> None:
    """Compile the kernels of this module for the types they are called with."""
    image = np.ones((9, 9), np.float32)
    x, y, flux = np.array([4.0]), np.array([4.0]), np.array([1.0])
    corner, first, members = np.array([3]), np.array([0, 1]), np.array([0])
    data, weights = cut_stamps(image, image, x, y, 1)
    coefficients = np.ones((1, 11, 11), np.float32)
    out = np.zeros_like(coefficients)
    subtract_neighbours(data, corner, corner, first, members, x, y, flux, coefficients, 2, 0, 9, 9, 1)
    fit_moffat(data, weights, x, y, corner, corner, flux, np.array([2.0]), 3.0, 6.0, 1)
    fit_stars(data, weights, corner, corner, x, y, flux, coefficients, 2, 0, 9, 9, 1, 1.0, 0.1, 1)
    gather(data, corner, corner, x, y, flux, 2, 0, 9, 9, 1, False, out)
    normal_product(coefficients, weights, corner, corner, x, y, flux, 2, 0, 9, 9, 1, out)
