"""Kernels of sky_mesh.py: squares of 3 x 3 pixels, and the sky taken off."""

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


@njit(cache=True)
def squares(image, mask, excluded_bits):
    """Mean of the usable pixels of each square of 3 x 3, NaN for fewer than five, and its middle pixel, NaN unless
    usable and the mean is known. What is left of rows and columns at the far edges is not looked at."""
    ny, nx = image.shape[0] // 3, image.shape[1] // 3
    means, middles = np.empty((ny, nx), np.float32), np.empty((ny, nx), np.float32)
    for y in range(ny):
        for x in range(nx):
            total, n = np.float32(0), 0
            for j in range(3 * y, 3 * y + 3):
                for i in range(3 * x, 3 * x + 3):
                    usable = ((mask[j, i] & excluded_bits) == 0) & (abs(image[j, i]) < np.inf)
                    total += image[j, i] if usable else np.float32(0)
                    n += usable
            means[y, x] = total / np.float32(n) if n >= 5 else np.float32(np.nan)
            j, i = 3 * y + 1, 3 * x + 1
            good = ((mask[j, i] & excluded_bits) == 0) & (abs(image[j, i]) < np.inf) & (n >= 5)
            middles[y, x] = image[j, i] if good else np.float32(np.nan)
    return means, middles


def warm() -> None:
    """Compile the kernels of this module."""
    squares(np.ones((3, 4), np.float32), np.zeros((3, 4), np.uint16), np.uint16(1))
    subtract(np.ones((2, 4), np.float32), np.zeros((2, 2)), np.array([0.0, 2.0]), np.float32(1))
