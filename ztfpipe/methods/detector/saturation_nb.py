"""Kernel of the saturation mask."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def saturated_and_bled(counts, limit, tail, along, across):
    """Mask of pixels at or above `limit`, of what lies beside them, and of the charge spilled along their columns.

    From each pixel at the limit the mask runs up and down its column while counts are at or above `tail`, `along`
    pixels farther, and `across` pixels to either side of pixels at the limit.
    """
    ny, nx = counts.shape
    mask = np.zeros((ny, nx), np.bool_)
    for y in range(ny):
        for x in range(nx):
            if not counts[y, x] >= limit:
                continue
            for i in range(max(x - across, 0), min(x + across + 1, nx)):
                mask[y, i] = True
            # Runs are walked from their ends only; inside a run there is nothing to do.
            for step in (-1, 1):
                j = y + step
                if 0 <= j < ny and counts[j, x] >= limit:
                    continue
                while 0 <= j < ny and counts[j, x] >= tail:
                    mask[j, x] = True
                    j += step
                for _ in range(along):
                    if 0 <= j < ny:
                        mask[j, x] = True
                    j += step
    return mask


def warm() -> None:
    """Compile the kernels of this module."""
    for kind in (np.float32, np.uint16):
        saturated_and_bled(np.ones((4, 4), kind), 2.0, 1.5, 1, 1)
