"""Kernels that gather measurements by what they are of."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def group(index, rows, n):
    """Rows gathered by group, each group in the order of `rows`: where groups begin (n + 1,), and the rows.

    index: group of each measurement, those outside 0 to n - 1 are of none; rows: the measurements to gather.
    """
    start = np.zeros(n + 1, np.int64)
    for k in range(rows.size):
        g = index[rows[k]]
        if 0 <= g < n:
            start[g + 1] += 1
    for g in range(n):
        start[g + 1] += start[g]
    at = start[:-1].copy()
    members = np.empty(start[n], np.int32)
    for k in range(rows.size):
        g = index[rows[k]]
        if 0 <= g < n:
            members[at[g]] = rows[k]
            at[g] += 1
    return start, members


@njit(cache=True)
def group_median_sigma(values, start, members):
    """Median of each group's values and half the distance of the 15.87th and 84.13th percentiles; NaN for no values."""
    n = start.size - 1
    median = np.full(n, np.nan)
    sigma = np.full(n, np.nan)
    for g in range(n):
        size = start[g + 1] - start[g]
        if size == 0:
            continue
        ordered = np.sort(values[members[start[g] : start[g + 1]]])
        median[g] = quantile(ordered, 0.5)
        sigma[g] = 0.5 * (quantile(ordered, 0.8413447460685429) - quantile(ordered, 0.15865525393145707))
    return median, sigma


@njit(cache=True)
def quantile(ordered, fraction):
    """The quantile of values in ascending order, linear between them, as numpy does by default."""
    at = fraction * (ordered.size - 1)
    below = int(at)
    above = min(below + 1, ordered.size - 1)
    return ordered[below] + (at - below) * (ordered[above] - np.float64(ordered[below]))


def warm() -> None:
    """Compile the kernels of this module."""
    rows = np.arange(4, dtype=np.int32)
    quantile(np.zeros(4), 0.5)
    start, members = group(np.zeros(4, np.int64), rows, 1)
    group_median_sigma(np.zeros(4), start, members)
