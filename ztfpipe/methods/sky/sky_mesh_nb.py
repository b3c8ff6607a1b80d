"""Kernel of sky_mesh.py."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def subtract(image, levels, node_x, scale):
    """(image - level) * scale; levels (n, gx) at columns node_x (gx,), linear between them and beyond."""
    n, nx = image.shape
    out = np.empty_like(image)
    gaps = max(node_x.size - 1, 1)
    for y in range(n):
        line, target = image[y], out[y]
        start = 0
        for g in range(gaps):
            end = nx if g == gaps - 1 else min(max(int(np.ceil(node_x[g + 1])), start), nx)
            slope = (levels[y, g + 1] - levels[y, g]) / (node_x[g + 1] - node_x[g]) if node_x.size > 1 else 0.0
            base = np.float32(levels[y, g] - slope * node_x[g])
            slope32 = np.float32(slope)
            for x in range(start, end):
                target[x] = (line[x] - (base + slope32 * np.float32(x))) * scale
            start = end
    return out


def warm() -> None:
    """Compile the kernels of this module."""
    subtract(np.ones((2, 4), np.float32), np.zeros((2, 2)), np.array([0.0, 2.0]), np.float32(1))
