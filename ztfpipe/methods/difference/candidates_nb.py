"""Kernels that measure candidates on a difference image: PSF fit, windowed shape, and counts in the 5 x 5 stamp."""

from __future__ import annotations

import numpy as np
from numba import njit

from ztfpipe.methods.stars.psf_nb import knots_across, stamp_and_slopes

_ROUNDS = 12
_SETTLED_PX = 1e-3
_WIDEST = 2.5


@njit(cache=True)
def extrema(scorr, bad, threshold, edge, limit):
    """Rows, columns and count of good pixels of |S_corr| >= threshold that no neighbour of the same sign exceeds.

    The count goes on beyond `limit`, where rows and columns end.
    """
    ny, nx = scorr.shape
    rows, columns = np.empty(limit, np.int64), np.empty(limit, np.int64)
    count = 0
    for y in range(edge, ny - edge):
        for x in range(edge, nx - edge):
            value = scorr[y, x]
            if abs(value) < threshold or bad[y, x]:
                continue
            sign = np.float32(1.0) if value > 0 else np.float32(-1.0)
            highest = True
            for j in range(-1, 2):
                for i in range(-1, 2):
                    other, own = sign * scorr[y + j, x + i], sign * value
                    # Of equal neighbours the first counts.
                    if other > own or (other == own and (j < 0 or (j == 0 and i < 0))):
                        highest = False
            if highest:
                if count < limit:
                    rows[count], columns[count] = y, x
                count += 1
    return rows[: min(count, limit)], columns[: min(count, limit)], count


@njit(cache=True)
def fit(image, bad, noise, rows, columns, sign, tile, knots, oversampling, radius, max_shift, out):
    """Fit flux and position of a P_D to each candidate; fills out (n, 5): x, y, flux, chi^2 / dof, converged.

    image times sign is fitted by least squares on good pixels within `radius` of the peak, all of equal weight: noise
    is white, and weights that followed the source's light would bias its flux. noise: (n,) sigma of a pixel at each,
    for chi^2 alone. knots: (tiles, M, M); tile: (n,). A fit that leaves the peak by more than max_shift stays there.
    """
    half = int(np.ceil(radius)) + 1
    size, across = 2 * half + 1, knots_across(half, oversampling)
    low = (knots.shape[1] - across) // 2
    rows_work, rows_slope = np.empty((size, across), np.float32), np.empty((size, across), np.float32)
    value, by_x, by_y = (
        np.empty((size, size), np.float32),
        np.empty((size, size), np.float32),
        np.empty((size, size), np.float32),
    )
    for k in range(len(rows)):
        table = knots[tile[k], low : low + across, low : low + across]
        x0, y0 = float(columns[k]), float(rows[k])
        dx, dy, flux, settled = 0.0, 0.0, 0.0, False
        for _ in range(_ROUNDS):
            # The stamp stays on the pixels around the peak while the star moves within the middle one.
            cx, cy = min(max(dx, -0.499), 0.499), min(max(dy, -0.499), 0.499)
            dx, dy = cx, cy
            stamp_and_slopes(table, x0 + dx, y0 + dy, half, oversampling, rows_work, rows_slope, value, by_x, by_y)
            step = _solve(image, bad, x0, y0, half, radius, sign[k], value, by_x, by_y)
            flux = step[0]
            if flux <= 0.0:
                break
            # Half steps at most a third of a pixel keep faint, noisy peaks from running away.
            move_x, move_y = step[1] / flux, step[2] / flux
            move_x, move_y = min(max(move_x, -0.3), 0.3), min(max(move_y, -0.3), 0.3)
            new_x, new_y = dx + move_x, dy + move_y
            if abs(new_x) > 0.5 and abs(new_x) <= max_shift:
                x0 += np.sign(new_x)
                new_x -= np.sign(new_x)
            if abs(new_y) > 0.5 and abs(new_y) <= max_shift:
                y0 += np.sign(new_y)
                new_y -= np.sign(new_y)
            if abs(x0 + new_x - columns[k]) > max_shift or abs(y0 + new_y - rows[k]) > max_shift:
                x0, y0, dx, dy = float(columns[k]), float(rows[k]), 0.0, 0.0
                break
            dx, dy = new_x, new_y
            if abs(move_x) < _SETTLED_PX and abs(move_y) < _SETTLED_PX:
                settled = True
                break
        stamp_and_slopes(table, x0 + dx, y0 + dy, half, oversampling, rows_work, rows_slope, value, by_x, by_y)
        flux, chi2 = _flux_and_chi2(image, bad, x0, y0, half, radius, sign[k], value)
        out[k, 0], out[k, 1], out[k, 2] = x0 + dx, y0 + dy, flux
        out[k, 3] = chi2 / (noise[k] * noise[k])
        out[k, 4] = 1.0 if settled else 0.0


@njit(cache=True)
def _solve(image, bad, x0, y0, half, radius, sign, value, by_x, by_y):
    """Flux, and flux times the shifts, of least squares on the three templates: model f P + (f dx) P_x + (f dy) P_y."""
    normal, right = np.zeros((3, 3)), np.zeros(3)
    template = np.empty(3)
    ny, nx = image.shape
    for j in range(2 * half + 1):
        for i in range(2 * half + 1):
            y, x = int(y0) + j - half, int(x0) + i - half
            if (j - half) ** 2 + (i - half) ** 2 > radius * radius or y < 0 or x < 0 or y >= ny or x >= nx or bad[y, x]:
                continue
            template[0], template[1], template[2] = value[j, i], by_x[j, i], by_y[j, i]
            for a in range(3):
                right[a] += template[a] * sign * image[y, x]
                for b in range(3):
                    normal[a, b] += template[a] * template[b]
    for a in range(3):
        normal[a, a] += 1e-12
    return np.linalg.solve(normal, right)


@njit(cache=True)
def _flux_and_chi2(image, bad, x0, y0, half, radius, sign, value):
    """Flux at a fixed position, and the mean square residual (three parameters taken off the number of pixels)."""
    above, below, squares, n = 0.0, 0.0, 0.0, 0
    ny, nx = image.shape
    for j in range(2 * half + 1):
        for i in range(2 * half + 1):
            y, x = int(y0) + j - half, int(x0) + i - half
            if (j - half) ** 2 + (i - half) ** 2 > radius * radius or y < 0 or x < 0 or y >= ny or x >= nx or bad[y, x]:
                continue
            above += value[j, i] * sign * image[y, x]
            below += value[j, i] * value[j, i]
            squares += image[y, x] * image[y, x]
            n += 1
    if below <= 0.0 or n < 4:
        return 0.0, 0.0
    return above / below, (squares - above * above / below) / (n - 3)


@njit(cache=True)
def shapes(image, bad, x_px, y_px, sign, window, out):
    """Windowed shape and 5 x 5 statistics; fills out (n, 6): RMS along the major and minor axis of the light times a
    Gaussian window, FWHM of the Gaussian whose windowed size that is, negative and bad pixels, sumrat.

    The window has sigma `window`, then that of the FWHM so found, up to _WIDEST times as wide: a narrow one would not
    see how long a trail is.
    """
    ny, nx = image.shape
    stamp = np.empty((5, 5))
    for k in range(len(x_px)):
        _moments(image, bad, x_px[k], y_px[k], sign[k], window, out[k])
        wider = min(max(out[k, 2] / 2.3548, window), _WIDEST * window)
        _moments(image, bad, x_px[k], y_px[k], sign[k], wider, out[k])
        cx, cy = int(np.floor(x_px[k] + 0.5)), int(np.floor(y_px[k] + 0.5))
        negative, spoiled = 0, 0
        for j in range(5):
            for i in range(5):
                y, x = min(max(cy + j - 2, 0), ny - 1), min(max(cx + i - 2, 0), nx - 1)
                stamp[j, i] = sign[k] * image[y, x]
                negative += stamp[j, i] < 0.0
                spoiled += bad[y, x]
        out[k, 3], out[k, 4] = negative, spoiled
        out[k, 5] = _sum_ratio(stamp)


@njit(cache=True)
def _moments(image, bad, x0, y0, sign, window, out):
    """Second moments of good pixels in a Gaussian window."""
    half = int(np.ceil(3.0 * window))
    ny, nx = image.shape
    cx, cy = int(np.floor(x0 + 0.5)), int(np.floor(y0 + 0.5))
    total, xx, yy, xy = 0.0, 0.0, 0.0, 0.0
    for y in range(max(cy - half, 0), min(cy + half + 1, ny)):
        for x in range(max(cx - half, 0), min(cx + half + 1, nx)):
            if bad[y, x]:
                continue
            dx, dy = x - x0, y - y0
            light = sign * image[y, x] * np.exp(-(dx * dx + dy * dy) / (2.0 * window * window))
            total += light
            xx += light * dx * dx
            yy += light * dy * dy
            xy += light * dx * dy
    _axes(total, xx, yy, xy, window, out)


@njit(cache=True)
def _axes(total, xx, yy, xy, window, out):
    """RMS along both axes from sums, and the FWHM; a shape that is none gets 0 and the window's own limits."""
    least = 0.01 * window * window
    if total <= 0.0:
        out[0], out[1], out[2] = window, np.sqrt(least), 2.3548 * 10.0 * window
        return
    xx, yy, xy = xx / total, yy / total, xy / total
    mean, spread = 0.5 * (xx + yy), np.sqrt(0.25 * (xx - yy) ** 2 + xy * xy)
    # Negative rings and noise can make a windowed moment negative or wider than its window.
    major = min(max(mean + spread, least), 4.0 * window * window)
    minor = min(max(mean - spread, least), 4.0 * window * window)
    both = 0.5 * (major + minor)
    # 1 / windowed = 1 / source + 1 / window for Gaussians.
    inverse = max(1.0 / both - 1.0 / (window * window), 0.01 / (window * window))
    out[0], out[1], out[2] = np.sqrt(major), np.sqrt(minor), 2.3548 * np.sqrt(1.0 / inverse)


@njit(cache=True)
def _sum_ratio(stamp):
    """sum / sum of absolute values of a 5 x 5 stamp after a 3 x 3 median, edges repeated."""
    above, below = 0.0, 0.0
    box = np.empty(9)
    for j in range(5):
        for i in range(5):
            n = 0
            for b in range(-1, 2):
                for a in range(-1, 2):
                    box[n] = stamp[min(max(j + b, 0), 4), min(max(i + a, 0), 4)]
                    n += 1
            middle = np.sort(box)[4]
            above += middle
            below += abs(middle)
    return above / below if below > 0.0 else 0.0


def warm() -> None:
    """Compile the kernels of this module."""
    image, bad = np.zeros((32, 32), np.float32), np.zeros((32, 32), np.bool_)
    image[16, 16] = 9.0
    rows, columns, _ = extrema(image, bad, 5.0, 2, 10)
    one = np.ones(1)
    knots = np.ones((1, 33, 33), np.float32)
    fit(image, bad, one, rows, columns, one, np.zeros(1, np.int64), knots, 2, 3.0, 1.5, np.empty((1, 5)))
    shapes(image, bad, one * 16, one * 16, one, 1.0, np.empty((1, 6)))
