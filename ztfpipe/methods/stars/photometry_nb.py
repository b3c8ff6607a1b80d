"""Kernels of the simultaneous PSF fit.

The state of the fit is the residual image (data less all stars) beside the table of stars. A sweep visits each group of
touching stars, solves for the corrections to all their positions and fluxes at once on the pixels within the fitting
radius of any of them, and puts the change into the residual image; stars of other groups are there already as residual,
so that sweeps converge to the simultaneous fit of the whole image (block Gauss-Seidel).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ztfpipe.methods.stars.psf_nb import blend_knots, knots_across, polynomial_terms, stamp, stamp_and_slopes


@njit(cache=True)
def add_stars(image, x_px, y_px, flux_adu, half, coefficients, oversampling, order):
    """image += flux P of every star, each within its own half-width."""
    largest = half.max() if len(half) else 0
    across, size = knots_across(largest, oversampling), 2 * largest + 1
    knots, rows = np.empty((across, across), np.float32), np.empty((size, across), np.float32)
    value, terms = np.empty((size, size), np.float32), np.empty(coefficients.shape[0])
    for s in range(len(x_px)):
        _add_star(
            image, x_px[s], y_px[s], flux_adu[s], half[s], coefficients, oversampling, order, knots, rows, value, terms
        )


@njit(cache=True)
def _add_star(image, x, y, flux, half, coefficients, oversampling, order, knots, rows, value, terms):
    ny, nx = image.shape
    polynomial_terms(x, y, ny, nx, order, terms)
    blend_knots(coefficients, terms, half, oversampling, knots)
    stamp(knots, x, y, half, oversampling, rows, value)
    x0, y0 = int(np.floor(x + 0.5)) - half, int(np.floor(y + 0.5)) - half
    f = np.float32(flux)
    for j in range(max(0, -y0), min(2 * half + 1, ny - y0)):
        line = image[y0 + j]
        for i in range(max(0, -x0), min(2 * half + 1, nx - x0)):
            line[x0 + i] += f * value[j, i]


@njit(cache=True)
def _group_profiles(members, count, x_px, y_px, coefficients, oversampling, order, ny, nx, reach, work, rows, rows_dy,
                    terms, value, by_x, by_y, corner_x, corner_y):  # fmt: skip
    """Profiles and slopes of a group's stars within `reach` of each."""
    for m in range(count):
        s = members[m]
        polynomial_terms(x_px[s], y_px[s], ny, nx, order, terms)
        blend_knots(coefficients, terms, reach, oversampling, work)
        stamp_and_slopes(work, x_px[s], y_px[s], reach, oversampling, rows, rows_dy, value[m], by_x[m], by_y[m])
        corner_x[m] = int(np.floor(x_px[s] + 0.5)) - reach
        corner_y[m] = int(np.floor(y_px[s] + 0.5)) - reach


@njit(cache=True)
def _normal_equations(members, count, free, data, residual, weight, gain, psf_error, x_px, y_px, flux_adu, radius,
                      reach, value, by_x, by_y, corner_x, corner_y, matrix, vector, column, entry):  # fmt: skip
    """Normal matrix (upper triangle) and right side of a group on the union of its discs; `free` parameters a star."""
    ny, nx = data.shape
    size = free * count
    matrix[:size, :size] = 0.0
    vector[:size] = 0.0
    r2 = radius * radius
    span = int(np.ceil(radius))
    for m in range(count):
        xm, ym = x_px[members[m]], y_px[members[m]]
        ix, iy = int(np.floor(xm + 0.5)), int(np.floor(ym + 0.5))
        for yy in range(max(0, iy - span), min(ny, iy + span + 1)):
            for xx in range(max(0, ix - span), min(nx, ix + span + 1)):
                if (xx - xm) ** 2 + (yy - ym) ** 2 > r2 or weight[yy, xx] <= 0.0:
                    continue
                seen = False
                for t in range(m):
                    if (xx - x_px[members[t]]) ** 2 + (yy - y_px[members[t]]) ** 2 <= r2:
                        seen = True
                        break
                if seen:
                    continue
                model = max(data[yy, xx] - residual[yy, xx], np.float32(0.0))
                w = 1.0 / (1.0 / weight[yy, xx] + model / gain + (psf_error * model) ** 2)
                n = 0
                for t in range(count):
                    j, i = yy - corner_y[t], xx - corner_x[t]
                    if j < 0 or i < 0 or j > 2 * reach or i > 2 * reach:
                        continue
                    entry[n], column[n] = value[t, j, i], free * t
                    n += 1
                    if free == 3:
                        f = max(flux_adu[members[t]], 0.0)
                        entry[n], column[n] = f * by_x[t, j, i], free * t + 1
                        entry[n + 1], column[n + 1] = f * by_y[t, j, i], free * t + 2
                        n += 2
                r = residual[yy, xx]
                for p in range(n):
                    wp = w * entry[p]
                    vector[column[p]] += wp * r
                    line = matrix[column[p]]
                    for q in range(p, n):
                        line[column[q]] += wp * entry[q]


@njit(cache=True)
def _solve(matrix, size, vector, damping):
    """Solve the symmetric system by Cholesky in place; a parameter without data gets no step. Returns success."""
    for p in range(size):
        diagonal = matrix[p, p]
        matrix[p, p] = diagonal * (1.0 + damping) if diagonal > 0.0 else 1.0
    for p in range(size):
        for q in range(p):
            matrix[p, q] = matrix[q, p]
    for p in range(size):
        for q in range(p + 1):
            total = matrix[p, q]
            for k in range(q):
                total -= matrix[p, k] * matrix[q, k]
            if p == q:
                if not total > 1e-10 * matrix[p, p]:
                    return False
                matrix[p, p] = np.sqrt(total)
            else:
                matrix[p, q] = total / matrix[q, q]
    for p in range(size):
        total = vector[p]
        for k in range(p):
            total -= matrix[p, k] * vector[k]
        vector[p] = total / matrix[p, p]
    for p in range(size - 1, -1, -1):
        total = vector[p]
        for k in range(p + 1, size):
            total -= matrix[k, p] * vector[k]
        vector[p] = total / matrix[p, p]
    return True


@njit(cache=True)
def sweep(data, residual, weight, gain, psf_error, x_px, y_px, flux_adu, start_x, start_y, half, first, members, active,
          change, hold, coefficients, oversampling, order, radius, reach, max_shift):  # fmt: skip
    """One visit to every active group; corrects x, y, flux and the residual image in place.

    first, members: group g holds stars members[first[g]:first[g + 1]]. change[s] becomes the largest of the
    star's steps, each in units of its unmarginalised uncertainty. hold: positions are not fitted. max_shift: how far a
    star may go from where it started.
    """
    ny, nx = data.shape
    largest = 0
    for g in range(len(first) - 1):
        largest = max(largest, first[g + 1] - first[g])
    free = 1 if hold else 3
    widest = max(reach, half.max())
    across, size = knots_across(widest, oversampling), 2 * widest + 1
    work, rows = np.empty((across, across), np.float32), np.empty((size, across), np.float32)
    rows_dy, terms = np.empty((size, across), np.float32), np.empty(coefficients.shape[0])
    box = 2 * reach + 1
    value = np.empty((largest, box, box), np.float32)
    by_x, by_y = np.empty((largest, box, box), np.float32), np.empty((largest, box, box), np.float32)
    full = np.empty((size, size), np.float32)
    corner_x, corner_y = np.empty(largest, np.int64), np.empty(largest, np.int64)
    matrix, vector = np.empty((free * largest, free * largest)), np.empty(free * largest)
    inverse_sigma = np.empty(free * largest)
    column, entry = np.empty(free * largest, np.int64), np.empty(free * largest)
    for g in range(len(first) - 1):
        group = members[first[g] : first[g + 1]]
        count = len(group)
        if not active[g]:
            continue
        near = reach if count > 1 else int(np.ceil(radius))
        _group_profiles(group, count, x_px, y_px, coefficients, oversampling, order, ny, nx, near, work, rows, rows_dy,
                        terms, value, by_x, by_y, corner_x, corner_y)  # fmt: skip
        _normal_equations(group, count, free, data, residual, weight, gain, psf_error, x_px, y_px, flux_adu, radius,
                          near, value, by_x, by_y, corner_x, corner_y, matrix, vector, column, entry)  # fmt: skip
        for p in range(free * count):
            inverse_sigma[p] = np.sqrt(max(matrix[p, p], 0.0))
        if not _solve(matrix, free * count, vector, 1e-3):
            for m in range(count):
                change[group[m]] = np.inf
            continue
        for m in range(count):
            s = group[m]
            flux, x, y = flux_adu[s], x_px[s], y_px[s]
            step = vector[free * m]
            largest_step = abs(step) * inverse_sigma[free * m]
            # As in DAOPHOT, no flux may change without bound in one step; a star never goes below zero in a free fit.
            new_flux = flux + step if hold else max(flux + min(max(step, -0.8 * flux), 4.0 * flux), 1e-3)
            new_x, new_y = x, y
            if not hold:
                dx, dy = min(max(vector[3 * m + 1], -0.4), 0.4), min(max(vector[3 * m + 2], -0.4), 0.4)
                new_x = min(max(x + dx, start_x[s] - max_shift), start_x[s] + max_shift)
                new_y = min(max(y + dy, start_y[s] - max_shift), start_y[s] + max_shift)
                largest_step = max(largest_step, abs(new_x - x) * inverse_sigma[3 * m + 1])
                largest_step = max(largest_step, abs(new_y - y) * inverse_sigma[3 * m + 2])
            change[s] = largest_step
            flux_adu[s], x_px[s], y_px[s] = new_flux, new_x, new_y
            _add_star(residual, x, y, flux, half[s], coefficients, oversampling, order, work, rows, full, terms)
            _add_star(residual, new_x, new_y, -new_flux, half[s], coefficients, oversampling, order, work, rows, full,
                      terms)  # fmt: skip


@njit(cache=True)
def _invert_diagonal(matrix, size, work, out):
    """Diagonal of the inverse from the Cholesky factor left by `_solve` in the lower triangle of `matrix`."""
    for k in range(size):
        for p in range(k, size):
            total = 1.0 if p == k else 0.0
            for q in range(k, p):
                total -= matrix[p, q] * work[q]
            work[p] = total / matrix[p, p]
        out[k] = 0.0
        for p in range(k, size):
            out[k] += work[p] * work[p]


@njit(cache=True)
def measure(data, residual, weight, gain, psf_error, x_px, y_px, flux_adu, first, members, hold, coefficients,
            oversampling, order, radius, reach, fwhm, sigma, chi, sharp, good):  # fmt: skip
    """Uncertainties (n, 3) of flux, x, y from each group's Fisher matrix; DAOPHOT's chi and sharp; unmasked share."""
    ny, nx = data.shape
    largest = 0
    for g in range(len(first) - 1):
        largest = max(largest, first[g + 1] - first[g])
    free = 1 if hold else 3
    across, box = knots_across(reach, oversampling), 2 * reach + 1
    work, rows = np.empty((across, across), np.float32), np.empty((box, across), np.float32)
    rows_dy, terms = np.empty((box, across), np.float32), np.empty(coefficients.shape[0])
    value = np.empty((largest, box, box), np.float32)
    by_x, by_y = np.empty((largest, box, box), np.float32), np.empty((largest, box, box), np.float32)
    corner_x, corner_y = np.empty(largest, np.int64), np.empty(largest, np.int64)
    matrix, vector = np.empty((free * largest, free * largest)), np.empty(free * largest)
    column, entry = np.empty(free * largest, np.int64), np.empty(free * largest)
    inverse, scratch = np.empty(free * largest), np.empty(free * largest)
    for g in range(len(first) - 1):
        group = members[first[g] : first[g + 1]]
        count = len(group)
        near = reach if count > 1 else int(np.ceil(radius))
        _group_profiles(group, count, x_px, y_px, coefficients, oversampling, order, ny, nx, near, work, rows, rows_dy,
                        terms, value, by_x, by_y, corner_x, corner_y)  # fmt: skip
        _normal_equations(group, count, free, data, residual, weight, gain, psf_error, x_px, y_px, flux_adu, radius,
                          near, value, by_x, by_y, corner_x, corner_y, matrix, vector, column, entry)  # fmt: skip
        solved = _solve(matrix, free * count, vector, 0.0)
        if solved:
            _invert_diagonal(matrix, free * count, scratch, inverse)
        for m in range(count):
            s = group[m]
            for k in range(free):
                sigma[s, k] = np.sqrt(inverse[free * m + k]) if solved else np.inf
            chi[s], sharp[s], good[s] = _shape(
                data, residual, weight, gain, psf_error, x_px[s], y_px[s], flux_adu[s], radius, value[m],
                corner_x[m], corner_y[m], fwhm,
            )  # fmt: skip


@njit(cache=True)
def _shape(data, residual, weight, gain, psf_error, x, y, flux, radius, value, corner_x, corner_y, fwhm):
    """chi and sharp of one star as in DAOPHOT's PEAK and ALLSTAR, and the share of sum P^2 that is unmasked."""
    ny, nx = data.shape
    span = int(np.ceil(radius))
    ix, iy = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
    scale = fwhm / 2.3548200450309493
    sum_weight, sum_chi, top, bottom, seen, whole, peak = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for yy in range(iy - span, iy + span + 1):
        for xx in range(ix - span, ix + span + 1):
            r2 = (xx - x) ** 2 + (yy - y) ** 2
            if r2 >= radius * radius:
                continue
            p = float(value[yy - corner_y, xx - corner_x])
            peak = max(peak, p)
            whole += p * p
            if yy < 0 or xx < 0 or yy >= ny or xx >= nx or weight[yy, xx] <= 0.0:
                continue
            seen += p * p
            model = max(data[yy, xx] - residual[yy, xx], np.float32(0.0))
            variance = 1.0 / weight[yy, xx] + model / gain + (psf_error * model) ** 2
            rho2 = r2 / (radius * radius)
            radial = 5.0 / (5.0 + rho2 / (1.0 - rho2))
            sum_weight += radial
            sum_chi += radial * abs(residual[yy, xx]) / np.sqrt(variance)
            half_rho2 = 0.5 * r2 / (scale * scale)
            widening = np.exp(-half_rho2) * (half_rho2 - 1.0)
            top += widening * residual[yy, xx] / variance
            bottom += widening * widening / variance
    chi, sharp = np.nan, np.nan
    if sum_weight > 3.0:
        # 1.2533 = sqrt(pi / 2): mean absolute deviation to standard deviation, less the three fitted parameters.
        chi = 1.2533141373155001 * sum_chi / np.sqrt(sum_weight * (sum_weight - 3.0))
        chi = ((sum_weight - 3.0) * chi + 3.0) / sum_weight
    if bottom > 0.0 and flux > 0.0:
        # The height of a Gaussian of the same flux and width stands for DAOPHOT's analytic first approximation.
        height = flux / (2.0 * np.pi * scale * scale)
        sharp = 2.0 * scale * scale * top / (height * bottom)
    return chi, sharp, seen / whole if whole > 0.0 else 0.0


def warm() -> None:
    """Compile the kernels of this module for the types they are called with."""
    data = np.ones((17, 17), np.float32)
    residual = data.copy()
    x, y, flux = np.array([8.0]), np.array([8.0]), np.array([1.0])
    half, first, members = np.array([3]), np.array([0, 1]), np.array([0])
    model = (np.ones((1, 23, 23), np.float32), 2, 0)
    add_stars(residual, x, y, -flux, half, *model)
    change, active = np.full(1, np.inf), np.ones(1, bool)
    chi, sharp, good = np.empty((3, 1))
    sweep(data, residual, data, 1.0, 0.0, x, y, flux, x.copy(), y.copy(), half, first, members, active, change, False,
          *model, 3.0, 4, 1.0)  # fmt: skip
    measure(data, residual, data, 1.0, 0.0, x, y, flux, first, members, False, *model, 3.0, 4, 2.0,
            np.empty((1, 3)), chi, sharp, good)  # fmt: skip
