"""Kernels of variability.py: one light curve collapsed to numbers."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ztfpipe.methods.time.grouping_nb import found_quantile, quantile

# Places of the numbers in a row of the result.
MIN, MAX, MEAN, MEDIAN, RMS, WMEAN, WRMS, MAD, MEDERR, CHISQ, SKEW, KURT = range(12)
STETSON_J, STETSON_K, VON_NEUMANN, TREND, MAX_SLOPE, CON, UNCALIBRATED = range(12, 19)
N_NUMBERS = 19


@njit(cache=True)
def collapse(start, members, mag, error, raw_mag, time, fractions, pair_d, numbers, counts, runs, percentiles, extra):
    """Statistics of each group of measurements, whose members are in order of time.

    numbers: f8 (n, 19), see the names above; counts: (n, 6) above and below the mean by 1, 2, 3 sigma; runs: (n, 9)
    longest runs above, below, on either side; percentiles: (n, fractions.size); extra: (n, 2) within the median's
    buffer, rising pairs of the last 30. Definitions: docs/lightcurve.md.
    """
    for g in range(start.size - 1):
        rows = members[start[g] : start[g + 1]]
        n = rows.size
        if n == 0:
            continue
        m = mag[rows].astype(np.float64)
        e = error[rows].astype(np.float64)
        t = time[rows]
        one = numbers[g]
        _moments(m, e, raw_mag, rows, one)
        ordered = np.sort(m)
        one[MIN], one[MAX], one[MEDIAN] = ordered[0], ordered[n - 1], quantile(ordered, 0.5)
        for k in range(fractions.size):
            percentiles[g, k] = quantile(ordered, fractions[k])
        one[MAD] = found_quantile(np.abs(m - one[MEDIAN]), 0, n, 0.5)
        one[MEDERR] = found_quantile(e.copy(), 0, n, 0.5)
        buffer = 0.05 * (one[MAX] - one[MIN])
        extra[g, 0] = np.sum(np.abs(m - one[MEDIAN]) <= buffer)
        if n >= 2:
            _succession(m, t, one, extra[g])
            _stetson(m, e, t, pair_d, one)
            _deviations(m, one, counts[g], runs[g])


@njit(cache=True)
def _moments(m, e, raw_mag, rows, one):
    n = m.size
    mean = m.mean()
    weight = e**-2.0
    total = weight.sum()
    wmean = (weight * m).sum() / total
    uncalibrated = 0.0
    for row in rows:
        uncalibrated += raw_mag[row]
    one[MEAN], one[WMEAN], one[UNCALIBRATED] = mean, wmean, uncalibrated / n
    if n < 2:
        return
    d = m - mean
    m2 = (d * d).mean()
    one[RMS] = math.sqrt(m2 * n / (n - 1))
    chi2 = (weight * (m - wmean) ** 2).sum()
    one[CHISQ] = chi2 / (n - 1)
    one[WRMS] = math.sqrt(chi2 / total * n / (n - 1))
    if m2 > 0:
        one[SKEW] = (d**3).mean() / m2**1.5
        if n > 3:
            fourth = ((d / one[RMS]) ** 4).sum()
            one[KURT] = n * (n + 1) * fourth / ((n - 1.0) * (n - 2) * (n - 3)) - 3.0 * (n - 1) ** 2 / (
                (n - 2.0) * (n - 3)
            )


@njit(cache=True)
def _succession(m, t, one, extra):
    n = m.size
    step = m[1:] - m[:-1]
    if one[RMS] > 0:
        one[VON_NEUMANN] = (step * step).mean() / one[RMS] ** 2
    steepest = -1.0
    for k in range(n - 1):
        if t[k + 1] > t[k]:
            steepest = max(steepest, abs(step[k]) / (t[k + 1] - t[k]))
    if steepest >= 0:
        one[MAX_SLOPE] = steepest
    rising = 0
    for k in range(max(n - 31, 0), n - 1):
        rising += step[k] > 0
    extra[1] = rising
    since = t - t.mean()
    spread = (since * since).sum()
    if spread > 0:
        one[TREND] = (since * (m - one[MEAN])).sum() / spread


@njit(cache=True)
def _stetson(m, e, t, pair_d, one):
    n = m.size
    delta = math.sqrt(n / (n - 1.0)) * (m - one[WMEAN]) / e
    squares = (delta * delta).mean()
    if squares > 0:
        one[STETSON_K] = np.abs(delta).mean() / math.sqrt(squares)
    total, terms, k = 0.0, 0, 0
    while k < n:
        paired = k + 1 < n and t[k + 1] - t[k] <= pair_d
        product = delta[k] * delta[k + 1] if paired else delta[k] ** 2 - 1.0
        total += math.copysign(math.sqrt(abs(product)), product)
        terms += 1
        k += 2 if paired else 1
    one[STETSON_J] = total / terms


@njit(cache=True)
def _deviations(m, one, counts, runs):
    n = m.size
    for k in range(3):
        limit = (k + 1) * one[RMS]
        above, below, either = 0, 0, 0
        for i in range(n):
            d = m[i] - one[MEAN]
            is_above, is_below = d > limit, d < -limit
            counts[k] += is_above
            counts[3 + k] += is_below
            above = above + 1 if is_above else 0
            below = below + 1 if is_below else 0
            either = either + 1 if is_above or is_below else 0
            runs[k] = max(runs[k], above)
            runs[3 + k] = max(runs[3 + k], below)
            runs[6 + k] = max(runs[6 + k], either)
    if n < 3:
        return
    limit, triples = 2 * one[RMS], 0
    for i in range(n - 2):
        low = min(m[i], m[i + 1], m[i + 2]) - one[MEAN]
        high = max(m[i], m[i + 1], m[i + 2]) - one[MEAN]
        triples += low > limit or high < -limit
    one[CON] = triples / (n - 2)


@njit(cache=True)
def direction_scatter(start, members, ra_deg, dec_deg, out):
    """RMS distance of directions from their mean, as a chord, of each group with two members or more."""
    for g in range(start.size - 1):
        n = start[g + 1] - start[g]
        if n < 2:
            continue
        first = members[start[g]]
        ra0, dec0 = ra_deg[first], dec_deg[first]
        scale = math.cos(math.radians(dec0))
        sx, sy, sxx, syy = 0.0, 0.0, 0.0, 0.0
        for k in range(start[g], start[g + 1]):
            turn = (ra_deg[members[k]] - ra0 + 180.0) % 360.0 - 180.0
            x, y = math.radians(turn) * scale, math.radians(dec_deg[members[k]] - dec0)
            sx += x
            sy += y
            sxx += x * x
            syy += y * y
        out[g] = math.sqrt(max(sxx + syy - (sx * sx + sy * sy) / n, 0.0) / n)


def warm() -> None:
    """Compile the kernels of this module."""
    start, members = np.array([0, 5]), np.arange(5, dtype=np.int32)
    mag, time = np.zeros(5, np.float32), np.arange(5.0)
    u2 = np.uint16
    collapse(
        start, members, mag, mag + 1, mag, time, np.array([0.5]), 0.1, np.zeros((1, N_NUMBERS)), np.zeros((1, 6), u2),
        np.zeros((1, 9), u2), np.zeros((1, 1)), np.zeros((1, 2), u2),
    )  # fmt: skip
    direction_scatter(start, members, time, time, np.zeros(1))
