"""Kernels of statistics.py."""

from __future__ import annotations

import numpy as np
from numba import njit

TILE = 256
"""Pixels whose samples are sorted at once: a few kB a sample, which stay in the cache."""


# "reassoc" lets the sums run in vector registers; not-a-number keeps its meaning.
@njit(cache=True, fastmath={"reassoc", "nsz"})
def sums_between(image, mask, low, high, centre):
    """Count, sum and sum of squares about `centre` of the pixels with mask 0 and low <= value <= high.

    image: float32 (ny, nx); mask: uint16 (ny, nx). Not-a-number is never between.
    """
    low, high, centre = np.float32(low), np.float32(high), np.float32(centre)
    count = 0
    total = 0.0
    squares = 0.0
    for y in range(image.shape[0]):
        n_row = 0
        s_row = 0.0
        q_row = 0.0
        for x in range(image.shape[1]):
            value = image[y, x]
            inside = (value >= low) & (value <= high) & (mask[y, x] == 0)
            residual = np.float64(value - centre) if inside else 0.0
            n_row += inside
            s_row += residual
            q_row += residual * residual
        count += n_row
        total += s_row
        squares += q_row
    return count, total, squares


@njit(cache=True)
def exchange(tile, exchanges):
    """Order the samples of each pixel of a tile (n, TILE) by a sorting network, pairs of rows of which the smaller goes
    first.

    There are no branches: each exchange is a minimum and a maximum of two rows, which the compiler turns into wide
    instructions since their length is known to it.
    """
    for c in range(exchanges.shape[0]):
        upper = tile[exchanges[c, 0]]
        lower = tile[exchanges[c, 1]]
        for k in range(TILE):
            one = upper[k]
            two = lower[k]
            upper[k] = one if one < two else two
            lower[k] = two if one < two else one


def warm() -> None:
    """Compile the kernels of this module."""
    sums_between(np.zeros((2, 4), np.float32), np.zeros((2, 4), np.uint16), -1.0, 1.0, 0.0)
    exchange(np.zeros((2, TILE), np.float32), np.array([[0, 1]]))
