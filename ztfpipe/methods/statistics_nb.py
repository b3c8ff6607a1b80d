"""Kernels of statistics.py."""

from __future__ import annotations

import numpy as np
from numba import njit


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


def warm() -> None:
    """Compile the kernels of this module."""
    sums_between(np.zeros((2, 4), np.float32), np.zeros((2, 4), np.uint16), -1.0, 1.0, 0.0)
