"""Robust location and scale, used by all rooms of `methods`.

The scale is the percentile sigma: half the distance of the 15.87th and 84.13th percentiles, one standard deviation of
a normal distribution, and blind to what happens in the outer 16 % on either side.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ztfpipe.methods.statistics_nb import sums_between

ONE_SIGMA_PERCENTILES = (100 * float(ndtr(-1.0)), 100 * float(ndtr(1.0)))
"""15.87 and 84.13."""
MAD_TO_SIGMA = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""
SAMPLE_PIXELS = 400_000
"""Pixels looked at for the median and percentiles of an image: they are then good to 0.2 % of sigma."""


@dataclass(frozen=True)
class Robust:
    """Median and percentile sigma of `count` finite values."""

    median: float
    sigma: float
    count: int


@dataclass(frozen=True)
class ClippedMean:
    """Mean and standard deviation of the `count` values left within the clip; fraction of the unmasked clipped away."""

    mean: float
    sigma: float
    count: int
    clipped_fraction: float


def percentile_sigma(values: ArrayLike, axis: int | None = None) -> NDArray[np.float64] | float:
    """Half the distance of the 15.87th and 84.13th percentiles along `axis`; NaN where nothing is finite.

    Not-a-number is left out. Few values give too small a sigma: divide by `percentile_sigma_expected`.
    """
    low, high = np.nanpercentile(np.asarray(values, np.float64), ONE_SIGMA_PERCENTILES, axis=axis)
    return (high - low) / 2


def robust(values: ArrayLike) -> Robust:
    """Median and percentile sigma of the finite values; NaN, NaN, 0 when there are none."""
    flat = np.asarray(values).ravel()
    flat = flat[np.isfinite(flat)].astype(np.float64)
    if flat.size == 0:
        return Robust(math.nan, math.nan, 0)
    low, median, high = np.percentile(flat, (ONE_SIGMA_PERCENTILES[0], 50.0, ONE_SIGMA_PERCENTILES[1]))
    return Robust(float(median), float(high - low) / 2, flat.size)


def robust_image(image: NDArray[np.float32], mask: NDArray[np.uint16] | None = None) -> Robust:
    """Median and percentile sigma of an image (ny, nx) where mask (ny, nx) is 0, from about SAMPLE_PIXELS of it.

    The sample steps through rows and columns with strides that have no common factor with the usual periods of 2, 4, 8.
    """
    step = max(1, math.isqrt(image.size // SAMPLE_PIXELS)) | 1
    part = image[::step, ::step]
    return robust(part if mask is None else part[mask[::step, ::step] == 0])


def clipped_mean(
    image: NDArray[np.float32],
    mask: NDArray[np.uint16] | None = None,
    *,
    clip_sigma: float,
    iterations: int = 3,
) -> ClippedMean:
    """Trimmed global mean of an image: pixels within `clip_sigma` of the centre, repeated with what is left.

    image: float32 (ny, nx), any unit; mask: uint16 (ny, nx), pixels with mask != 0 are left out. The first centre and
    scale are the robust ones. Returns NaN and count 0 when no pixel is left. Source: system paper 3.4.2 (spatially
    trimmed global mean).
    """
    start = robust_image(image, mask)
    mask = np.zeros(image.shape, np.uint16) if mask is None else mask
    usable = int(np.count_nonzero(mask == 0))
    centre, sigma, count = start.median, start.sigma, start.count
    for _ in range(iterations):
        low, high = centre - clip_sigma * sigma, centre + clip_sigma * sigma
        count, total, squares = sums_between(image, mask, low, high, centre)
        if count == 0:
            return ClippedMean(math.nan, math.nan, 0, math.nan)
        shift = total / count
        variance = max(squares / count - shift**2, 0.0)
        if abs(shift) <= 1e-6 * sigma and abs(math.sqrt(variance) - sigma) <= 1e-3 * sigma:
            centre, sigma = centre + shift, math.sqrt(variance)
            break
        centre, sigma = centre + shift, math.sqrt(variance)
    return ClippedMean(centre, sigma, int(count), 1 - count / usable)


@functools.cache
def normal_order_statistics(n: int) -> tuple[float, ...]:
    """Expected values of `n` sorted draws from the standard normal distribution, ascending.

    E[x_(i)] = n!/((i-1)!(n-i)!) * integral of x Phi(x)^(i-1) (1-Phi(x))^(n-i) phi(x) dx (David & Nagaraja, Order
    Statistics, eq. 3.1.1), summed on a grid on which the integrand's error is below 1e-9.
    """
    x = np.linspace(-9, 9, 4001)
    log_below, log_above = np.log(ndtr(x)), np.log(ndtr(-x))
    log_density = -0.5 * x**2 - 0.5 * math.log(2 * math.pi)
    expected = []
    for i in range(1, n + 1):
        log_weight = math.lgamma(n + 1) - math.lgamma(i) - math.lgamma(n - i + 1)
        weight = np.exp(log_weight + (i - 1) * log_below + (n - i) * log_above + log_density)
        expected.append(float(np.sum(x * weight) * (x[1] - x[0])))
    return tuple(expected)


def percentile_position(n: int, sigma: float) -> tuple[int, float]:
    """Where the percentile at `sigma` lies among `n` sorted values: index below, and fraction of the way to the next.

    Linear between order statistics with the first at 0 and the last at 100 %, as numpy does by default.
    """
    position = (n - 1) * float(ndtr(sigma))
    below = min(int(position), max(n - 2, 0))
    return below, position - below


@functools.cache
def percentile_sigma_expected(n: int) -> float:
    """Expected percentile sigma of `n` draws from the standard normal distribution: below 1 for few values."""
    below, fraction = percentile_position(n, 1.0)
    ordered = normal_order_statistics(n)
    return ordered[below] + fraction * (ordered[min(below + 1, n - 1)] - ordered[below])


def sorting_network(n: int) -> NDArray[np.int64]:
    """Exchanges (k, 2) that put n values in ascending order: of each pair of places, the less goes to the first.

    Batcher's merge exchange (Knuth, The Art of Computer Programming 3, algorithm 5.2.2M).
    """
    exchanges = []
    top = 1 << max(n - 1, 1).bit_length() - 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while d > 0:
            exchanges += [(i, i + d) for i in range(n - d) if i & p == r]
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(exchanges, np.int64).reshape(-1, 2)
