"""Kernel of the one-to-one cross-match."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def take_nearest_first(first, second, n_first, n_second):
    """Which of the candidate pairs, given in order of distance, are kept so that nobody appears twice; boolean (n,)."""
    free_first = np.ones(n_first, np.bool_)
    free_second = np.ones(n_second, np.bool_)
    kept = np.zeros(first.size, np.bool_)
    for k in range(first.size):
        if free_first[first[k]] and free_second[second[k]]:
            free_first[first[k]] = False
            free_second[second[k]] = False
            kept[k] = True
    return kept


@njit(cache=True)
def near_pairs(x1, y1, x2, y2, start, members, x0, y0, cell, columns, rows, radius, first, second, squared):
    """Pairs of rows within `radius` of each other: into first, second, squared, up to their size; how many there are.

    The second catalog is sorted into cells of side `cell` >= radius, whose lower left corner is (x0, y0): members[
    start[c]:start[c + 1]] are the rows of cell c = row * columns + column.
    """
    count = 0
    limit = radius * radius
    for i in range(x1.size):
        # A float compared before it becomes an index: a far or unknown position has none.
        column, row = np.floor((x1[i] - x0) / cell), np.floor((y1[i] - y0) / cell)
        if not (column >= -1 and column <= columns and row >= -1 and row <= rows):
            continue
        for r in range(max(int(row) - 1, 0), min(int(row) + 2, rows)):
            c = r * columns
            low, high = max(int(column) - 1, 0), min(int(column) + 2, columns)
            if low >= high:
                continue
            for k in range(start[c + low], start[c + high]):
                j = members[k]
                d = (x1[i] - x2[j]) ** 2 + (y1[i] - y2[j]) ** 2
                if d <= limit:
                    if count < first.size:
                        first[count], second[count], squared[count] = i, j, d
                    count += 1
    return count


def warm() -> None:
    """Compile the kernels of this module."""
    index = np.arange(4)
    take_nearest_first(index, index, 4, 4)
    # Columns of a table of pairs lie apart in memory.
    take_nearest_first(index[::2], index[::2], 4, 4)
    x, start = np.zeros(4), np.array([0, 4])
    near_pairs(x, x, x, x, start, index, 0.0, 0.0, 1.0, 1, 1, 1.0, index.copy(), index.copy(), x.copy())
