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
    """Median of each group's values and half the distance of the 15.87th and 84.13th percentiles; NaN for no values.

    NaN counts as larger than any number.
    """
    n = start.size - 1
    median = np.full(n, np.nan)
    sigma = np.full(n, np.nan)
    largest = 0
    for g in range(n):
        largest = max(largest, start[g + 1] - start[g])
    scratch = np.empty(largest, values.dtype)
    for g in range(n):
        size = start[g + 1] - start[g]
        if size == 0:
            continue
        known = True
        for k in range(size):
            scratch[k] = values[members[start[g] + k]]
            known &= scratch[k] == scratch[k]
        part = scratch[:size]
        if not known:
            ordered = np.sort(part)
            median[g] = quantile(ordered, 0.5)
            sigma[g] = 0.5 * (quantile(ordered, 0.8413447460685429) - quantile(ordered, 0.15865525393145707))
            continue
        # Sorting costs three times as much as finding three quantiles, each in what the one before has left.
        median[g] = found_quantile(part, 0, size, 0.5)
        half = (size - 1) // 2
        low = found_quantile(part, 0, half + 1 if size > 8 else size, 0.15865525393145707)
        sigma[g] = 0.5 * (found_quantile(part, half, size, 0.8413447460685429) - low)
    return median, sigma


@njit(cache=True)
def found_quantile(values, low, high, fraction):
    """The quantile of all values, which are not in order, as `quantile` has it; they are partly put in order.

    What it needs must be among values[low:high], with nothing larger before and nothing smaller behind. No NaN.
    """
    at = fraction * (values.size - 1)
    below = int(at)
    _place(values, low, high, below)
    if below + 1 == values.size:
        return np.float64(values[below])
    above = values[below + 1]
    for k in range(below + 2, high):
        above = min(above, values[k])
    return values[below] + (at - below) * (above - np.float64(values[below]))


@njit(cache=True)
def _place(values, low, high, k):
    """Put into values[k] what would be there if values[low:high] were in order, with nothing larger before it and
    nothing smaller behind (Hoare's selection)."""
    high -= 1
    while low < high:
        middle = values[(low + high) // 2]
        pivot = max(min(values[low], middle), min(max(values[low], middle), values[high]))
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            return


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
    for values in (np.zeros(4), np.zeros(4, np.float32)):
        found_quantile(values, 0, 4, 0.5)
        group_median_sigma(values, start, members)
