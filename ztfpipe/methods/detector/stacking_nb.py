"""Kernels of stacking.py: the samples of a few hundred pixels are sorted at once by a network of exchanges."""

from __future__ import annotations

import numpy as np
from numba import njit

from ztfpipe.methods.statistics_nb import TILE, exchange


@njit(cache=True)
def _load_and_sort(values, first, width, exchanges, tile):
    """Copy samples first..first+width of values (n, n_pixels) into tile (n, TILE) and order what the network orders."""
    n = values.shape[0]
    for i in range(n):
        for k in range(width):
            tile[i, k] = values[i, first + k]
        for k in range(width, TILE):
            tile[i, k] = np.float32(0)
    exchange(tile, exchanges)


@njit(cache=True)
def _centre_and_scale(tile, places, fractions, centre, scale):
    """Median and percentile sigma of each pixel of a sorted tile; places, fractions: of the percentiles 16, 50, 84."""
    a, b, c = places[0], places[1], places[2]
    fa, fb, fc = np.float32(fractions[0]), np.float32(fractions[1]), np.float32(fractions[2])
    half = np.float32(0.5)
    for k in range(TILE):
        centre[k] = tile[b, k] + fb * (tile[b + 1, k] - tile[b, k])
        low = tile[a, k] + fa * (tile[a + 1, k] - tile[a, k])
        high = tile[c, k] + fc * (tile[c + 1, k] - tile[c, k])
        scale[k] = half * (high - low)


@njit(cache=True)
def robust_sigma(values, exchanges, places, fractions, sigma):
    """Percentile sigma of each pixel. values: float32 (n, n_pixels); sigma: float32 (n_pixels,), written."""
    n, n_pixels = values.shape
    tile = np.empty((n, TILE), np.float32)
    centre = np.empty(TILE, np.float32)
    scale = np.empty(TILE, np.float32)
    for first in range(0, n_pixels, TILE):
        width = min(TILE, n_pixels - first)
        _load_and_sort(values, first, width, exchanges, tile)
        _centre_and_scale(tile, places, fractions, centre, scale)
        for k in range(width):
            sigma[first + k] = scale[k]


@njit(cache=True)
def trimmed_average(
    values, exchanges, places, fractions, clip, correction, floor, mean, uncertainty, std_trimmed, std_all, count
):
    """The five images of a block of pixels; see stacking.trimmed_average.

    values: float32 (n, n_pixels); clip: in sigma; a pixel's sigma is its percentile sigma times `correction` and at
    least `floor`; the outputs are (n_pixels,), written.
    """
    n, n_pixels = values.shape
    tile = np.empty((n, TILE), np.float32)
    centre = np.empty(TILE, np.float32)
    limit = np.empty(TILE, np.float32)
    kept = np.empty(TILE, np.float64)
    sum_kept = np.empty(TILE, np.float64)
    squares_kept = np.empty(TILE, np.float64)
    sum_all = np.empty(TILE, np.float64)
    squares_all = np.empty(TILE, np.float64)
    clip, correction, floor = np.float32(clip), np.float32(correction), np.float32(floor)
    for first in range(0, n_pixels, TILE):
        width = min(TILE, n_pixels - first)
        _load_and_sort(values, first, width, exchanges, tile)
        _centre_and_scale(tile, places, fractions, centre, limit)
        for k in range(TILE):
            sigma = limit[k] * correction
            limit[k] = clip * (sigma if sigma > floor else floor)
            kept[k] = sum_kept[k] = squares_kept[k] = sum_all[k] = squares_all[k] = 0.0
        for i in range(n):
            for k in range(TILE):
                residual = tile[i, k] - centre[k]
                inside = 1.0 if abs(residual) <= limit[k] else 0.0
                r = np.float64(residual)
                square = r * r
                kept[k] += inside
                sum_kept[k] += inside * r
                squares_kept[k] += inside * square
                sum_all[k] += r
                squares_all[k] += square
        for k in range(width):
            m = kept[k]
            shift = sum_kept[k] / m
            variance = (squares_kept[k] - m * shift * shift) / (m - 1.0) if m > 1.0 else np.nan
            variance_all = (squares_all[k] - sum_all[k] * sum_all[k] / n) / (n - 1)
            std = np.sqrt(max(variance, 0.0))
            mean[first + k] = np.float64(centre[k]) + shift
            std_trimmed[first + k] = std
            std_all[first + k] = np.sqrt(max(variance_all, 0.0))
            uncertainty[first + k] = std / np.sqrt(m)
            count[first + k] = np.int16(m)


def warm() -> None:
    """Compile the kernels of this module."""
    values = np.zeros((3, 4), np.float32)
    exchanges = np.zeros((1, 2), np.int64)
    places, fractions = np.zeros(3, np.int64), np.zeros(3)
    images = [np.zeros(4, np.float32) for _ in range(4)]
    robust_sigma(values, exchanges, places, fractions, images[0])
    trimmed_average(values, exchanges, places, fractions, 4.0, 1.0, 1.0, *images, np.zeros(4, np.int16))
