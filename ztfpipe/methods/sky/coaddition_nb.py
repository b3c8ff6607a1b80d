"""Kernels of coaddition.py: the samples of a band of output rows, float32 (n, rows, nx), NaN where there is none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ztfpipe.methods.statistics_nb import TILE, exchange

GROW_PX = 3
"""Samples of an epoch this near to an outlier are trimmed with it: its wings, and the kernel's."""
SATURATED_RATIO = np.float32(10)
"""A saturated sample this much brighter than the median is a stranger's: a star's peak in the sharpest epoch of a list,
with a third of the usual FWHM, is nine times the usual."""


class Limits(NamedTuple):
    """What a sample may deviate by: see coaddition.coadd. tolerance, photon_variance (variance of a sample per unit of
    light, gain-matched): float32 (n,)."""

    clip_sigma: np.float32
    registration_px: np.float32
    tolerance: NDArray[np.float32]
    photon_variance: NDArray[np.float32]


@njit(cache=True)
def _load_and_sort(values, row, first, width, exchanges, tile, count):
    """Copy samples of pixels first..first+width of a row into tile (n, TILE), absent ones as infinity; sort; count."""
    n = values.shape[0]
    count[:] = 0
    for i in range(n):
        source = values[i, row, first : first + width]
        target = tile[i]
        for k in range(width):
            value = source[k]
            known = value == value
            target[k] = value if known else np.float32(np.inf)
            count[k] += np.int32(known)
    exchange(tile, exchanges)


@njit(cache=True)
def centre_and_spread(values, exchanges, places, fractions, inverse, centre, spread):
    """Median (rows, nx) and percentile sigma, corrected for the number of samples, of each pixel's samples.

    exchanges, places, fractions, inverse: of coaddition._percentiles. No sample: NaN; too few for a sigma: 0.
    """
    n, n_rows, nx = values.shape
    tile = np.zeros((n, TILE), np.float32)
    count = np.zeros(TILE, np.int32)
    half = np.float32(0.5)
    for y in range(n_rows):
        for first in range(0, nx, TILE):
            width = min(TILE, nx - first)
            _load_and_sort(values, y, first, width, exchanges, tile, count)
            for k in range(width):
                m = count[k]
                if m == 0:
                    centre[y, first + k] = np.nan
                    spread[y, first + k] = 0.0
                    continue
                b = places[m, 1]
                next_b = min(b + 1, m - 1)
                centre[y, first + k] = tile[b, k] + fractions[m, 1] * (tile[next_b, k] - tile[b, k])
                if inverse[m] == 0.0:
                    spread[y, first + k] = 0.0
                    continue
                a, c = places[m, 0], places[m, 2]
                low = tile[a, k] + fractions[m, 0] * (tile[a + 1, k] - tile[a, k])
                high = tile[c, k] + fractions[m, 2] * (tile[c + 1, k] - tile[c, k])
                spread[y, first + k] = half * (high - low) * inverse[m]


@njit(cache=True)
def slopes(image, out):
    """Largest difference of each pixel to its four neighbours, those that are known; 0 where none is."""
    ny, nx = image.shape
    for y in range(ny):
        here, line = image[y], out[y]
        up, down = image[max(y - 1, 0)], image[min(y + 1, ny - 1)]
        for x in range(nx):
            largest = np.float32(0)
            for other in (up[x], down[x], here[max(x - 1, 0)], here[min(x + 1, nx - 1)]):
                difference = abs(here[x] - other)
                largest = difference if difference > largest else largest
            line[x] = largest


@njit(cache=True)
def trim(values, factors, sky_noise, centre, spread, slope, saturated, limits, core, samples, outliers, trimmed):
    """Make NaN of outliers and of what lies within GROW_PX of them; count, in the rows core[0]..core[1], per epoch.

    saturated: int16 (rows, nx), epochs that were saturated there: samples that differ for that reason are no outliers.
    """
    n, n_rows, nx = values.shape
    marks = np.empty((n_rows, nx), np.bool_)
    light = np.empty(nx, np.float32)
    for i in range(n):
        marked = False
        for y in range(n_rows):
            line, factor, noise, mark = values[i, y], factors[i, y], sky_noise[i], marks[y]
            middle, scatter, steep, clipped = centre[y], spread[y], slope[y], saturated[y]
            tolerance, photons = limits.tolerance[i], limits.photon_variance[i]
            clip, registration = limits.clip_sigma, limits.registration_px
            found, known = 0, 0
            for x in range(nx):
                light[x] = max(middle[x], np.float32(0))
            for x in range(nx):
                variance = (noise[x] * noise[x] + photons * light[x]) * factor[x] * factor[x]
                square = max(variance, scatter[x] * scatter[x])
                limit = clip * np.sqrt(square) + tolerance * (light[x] + steep[x]) + registration * steep[x]
                beyond = abs(line[x] - middle[x]) > limit
                beyond &= (clipped[x] == 0) | (line[x] > SATURATED_RATIO * middle[x])
                mark[x] = beyond
                found += beyond
                known += line[x] == line[x]
            if core[0] <= y < core[1]:
                samples[i] += known
                outliers[i] += found
            marked |= found > 0
        if marked:
            trimmed[i] += _remove(values[i], marks, core)


@njit(cache=True)
def _remove(values, marks, core):
    """Make NaN of all that lies within GROW_PX of a mark; how many samples that took away in the core's rows."""
    n_rows, nx = values.shape
    gone = 0
    for y in range(n_rows):
        for x in range(nx):
            if marks[y, x]:
                for j in range(max(y - GROW_PX, 0), min(y + GROW_PX + 1, n_rows)):
                    for i in range(max(x - GROW_PX, 0), min(x + GROW_PX + 1, nx)):
                        near = (j - y) ** 2 + (i - x) ** 2 <= GROW_PX * (GROW_PX + 1)
                        if near and values[j, i] == values[j, i]:
                            values[j, i] = np.nan
                            gone += core[0] <= j < core[1]
    return gone


@njit(cache=True)
def average(values, factors, sky_noise, centre, photon_variance, weights, core, image, uncertainty, coverage):
    """Weighted mean, its standard deviation and the number of samples, of the rows core[0]..core[1] of a band."""
    n, _, nx = values.shape
    total, weight_sum, variance_sum = np.empty(nx), np.empty(nx), np.empty(nx)
    count = np.empty(nx, np.int32)
    light = np.empty(nx, np.float32)
    for y in range(core[0], core[1]):
        total[:], weight_sum[:], variance_sum[:], count[:] = 0.0, 0.0, 0.0, 0
        for x in range(nx):
            light[x] = max(centre[y, x], np.float32(0))
        for i in range(n):
            line, factor, noise = values[i, y], factors[i, y], sky_noise[i]
            weight, photons = weights[i], photon_variance[i]
            for x in range(nx):
                known = line[x] == line[x]
                one = weight if known else 0.0
                variance = (noise[x] * noise[x] + photons * light[x]) * factor[x] * factor[x]
                total[x] += one * (line[x] if known else np.float32(0))
                weight_sum[x] += one
                variance_sum[x] += one * one * (variance if known else np.float32(0))
                count[x] += np.int32(known)
        target, sigma, cover = image[y - core[0]], uncertainty[y - core[0]], coverage[y - core[0]]
        for x in range(nx):
            some = weight_sum[x] > 0.0
            inverse = 1.0 / weight_sum[x] if some else np.nan
            target[x] = total[x] * inverse
            sigma[x] = np.sqrt(variance_sum[x]) * inverse
            cover[x] = count[x]


def warm() -> None:
    """Compile the kernels of this module."""
    values = np.zeros((2, 6, 4), np.float32)[:, :5]
    images = [np.zeros((5, 4), np.float32) for _ in range(3)]
    one, row = np.float32(1), np.zeros(2, np.float32)
    noise = np.zeros((2, 4), np.float32)
    exchanges, places, fractions = np.zeros((1, 2), np.int64), np.zeros((3, 3), np.int64), np.zeros((3, 3), np.float32)
    centre_and_spread(values, exchanges, places, fractions, np.zeros(3, np.float32), *images[:2])
    slopes(images[0], images[2])
    counts = [np.zeros(2, np.int64) for _ in range(3)]
    saturated = np.zeros((5, 4), np.int16)
    trim(values, values, noise, *images, saturated, Limits(one, one, row, row), (0, 2), *counts)
    average(values, values, noise, images[0], row, np.ones(2), (0, 2), images[1][:2], images[2][:2],
            np.zeros((2, 4), np.int16))  # fmt: skip
