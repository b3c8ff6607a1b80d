"""Kernels of the matched filter: weighted convolution with a PSF that changes from tile to tile, and local maxima."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def significance(image, weight, filters, out):
    """Fill out with S / sqrt(N), S = sum P D w, N = sum P^2 w; filters (tiles y, tiles x, size, size) hold P."""
    ny, nx = image.shape
    tiles_y, tiles_x, size, _ = filters.shape
    half = size // 2
    weighted = np.empty((ny, nx), np.float32)
    for y in range(ny):
        for x in range(nx):
            weighted[y, x] = image[y, x] * weight[y, x]
    top, norm = np.empty(nx, np.float32), np.empty(nx, np.float32)
    for y in range(ny):
        tile_y = min(y * tiles_y // ny, tiles_y - 1)
        for tile_x in range(tiles_x):
            # The columns x with x tiles // nx == tile, as everywhere.
            x0, x1 = -(-tile_x * nx // tiles_x), -(-(tile_x + 1) * nx // tiles_x)
            top[x0:x1] = 0.0
            norm[x0:x1] = 0.0
            kernel = filters[tile_y, tile_x]
            for j in range(max(0, half - y), min(size, ny + half - y)):
                row, row_weight = weighted[y + j - half], weight[y + j - half]
                for i in range(size):
                    p = kernel[j, i]
                    if p == 0.0:
                        continue
                    shift = i - half
                    start, stop = max(x0, -shift), min(x1, nx - shift)
                    _add(top[start:stop], row[start + shift : stop + shift], p)
                    _add(norm[start:stop], row_weight[start + shift : stop + shift], p * p)
        for x in range(nx):
            out[y, x] = top[x] / np.sqrt(norm[x]) if norm[x] > 0.0 else np.float32(0.0)


@njit(cache=True)
def _add(target, source, factor):
    # On slices of one length the compiler sees that no index wraps, and uses vector instructions: ten times faster.
    for x in range(len(target)):
        target[x] += factor * source[x]


@njit(cache=True)
def maxima(signal, threshold, limit):
    """Rows and columns of pixels above `threshold` that no neighbour exceeds; at most `limit` of them."""
    ny, nx = signal.shape
    rows, columns = np.empty(limit, np.int64), np.empty(limit, np.int64)
    count = 0
    for y in range(1, ny - 1):
        for x in range(1, nx - 1):
            s = signal[y, x]
            if (
                s > threshold
                and s > signal[y, x - 1]
                and s >= signal[y, x + 1]
                and s > signal[y - 1, x - 1]
                and s > signal[y - 1, x]
                and s > signal[y - 1, x + 1]
                and s >= signal[y + 1, x - 1]
                and s >= signal[y + 1, x]
                and s >= signal[y + 1, x + 1]
                and count < limit
            ):
                rows[count], columns[count] = y, x
                count += 1
    return rows[:count], columns[:count]


@njit(cache=True)
def refine(signal, weight, filters, rows, columns):
    """Sub-pixel peaks by parabolas along x and y; returns x, y, N, and the share of sum P^2 on unmasked pixels."""
    ny, nx = signal.shape
    tiles_y, tiles_x, size, _ = filters.shape
    half = size // 2
    n = len(rows)
    x_px, y_px, norm, good = np.empty(n), np.empty(n), np.zeros(n), np.zeros(n)
    for k in range(n):
        y, x = rows[k], columns[k]
        centre = signal[y, x]
        curve_x = 2.0 * centre - signal[y, x - 1] - signal[y, x + 1]
        curve_y = 2.0 * centre - signal[y - 1, x] - signal[y + 1, x]
        dx = 0.5 * (signal[y, x + 1] - signal[y, x - 1]) / curve_x if curve_x > 0.0 else 0.0
        dy = 0.5 * (signal[y + 1, x] - signal[y - 1, x]) / curve_y if curve_y > 0.0 else 0.0
        x_px[k], y_px[k] = x + min(max(dx, -0.5), 0.5), y + min(max(dy, -0.5), 0.5)
        kernel = filters[min(y * tiles_y // ny, tiles_y - 1), min(x * tiles_x // nx, tiles_x - 1)]
        full = 0.0
        for j in range(size):
            for i in range(size):
                p2 = kernel[j, i] ** 2
                full += p2
                yy, xx = y + j - half, x + i - half
                if 0 <= yy < ny and 0 <= xx < nx and weight[yy, xx] > 0.0:
                    norm[k] += p2 * weight[yy, xx]
                    good[k] += p2
        good[k] /= full
    return x_px, y_px, norm, good


@njit(cache=True)
def weight_with_sources(data, residual, weight, gain, model_error, out):
    """out = 1 / (1 / w + max(m, 0) / gain + (model_error m)^2), m = data - residual; 0 where w is 0."""
    for y in range(data.shape[0]):
        for x in range(data.shape[1]):
            w = weight[y, x]
            model = max(data[y, x] - residual[y, x], np.float32(0.0))
            error = model_error * model
            out[y, x] = w / (np.float32(1.0) + w * (model / gain + error * error))


def warm() -> None:
    """Compile the kernels of this module for the types they are called with."""
    image, out = np.ones((5, 5), np.float32), np.zeros((5, 5), np.float32)
    filters = np.ones((1, 1, 3, 3), np.float32)
    significance(image, image, filters, out)
    out[2, 2] = 100.0
    rows, columns = maxima(out, 1.0, 10)
    refine(out, image, filters, rows, columns)
    weight_with_sources(image, image, image, np.float32(1.0), np.float32(0.1), out)
