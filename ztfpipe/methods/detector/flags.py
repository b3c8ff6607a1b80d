"""Mask bits around positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def box_flags(
    mask: NDArray[np.uint16], x_px: NDArray, y_px: NDArray, *, bits: int, edge_px: int, half_px: int = 2
) -> NDArray[np.int16]:
    """Bits of a mask joined by OR in a box of 2 half_px + 1 pixels about each position; -1 on or near the image's edge.

    mask: (ny, nx); x_px, y_px: (n,), zero-based; bits: the mask bits that count; edge_px: a position nearer than this to
    the outermost pixel centres is near the edge. Source: psfcat `flags`, Explanatory Supplement 10.6.
    """
    ny, nx = mask.shape
    x, y = np.asarray(x_px, float), np.asarray(y_px, float)
    near_edge = ~((np.minimum(x, y) >= edge_px) & (x <= nx - 1 - edge_px) & (y <= ny - 1 - edge_px))
    column = np.clip(np.nan_to_num(np.rint(x)), half_px, nx - 1 - half_px).astype(np.intp)
    row = np.clip(np.nan_to_num(np.rint(y)), half_px, ny - 1 - half_px).astype(np.intp)
    joined = np.zeros(len(x), np.uint16)
    for dy in range(-half_px, half_px + 1):
        for dx in range(-half_px, half_px + 1):
            joined |= mask[row + dy, column + dx]
    return np.where(near_edge, np.int16(-1), (joined & np.uint16(bits)).astype(np.int16))
