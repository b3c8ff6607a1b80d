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


def warm() -> None:
    """Compile the kernels of this module."""
    index = np.arange(4)
    take_nearest_first(index, index, 4, 4)
    # Columns of a table of pairs lie apart in memory.
    take_nearest_first(index[::2], index[::2], 4, 4)
