"""Kernels of correction.py: one pass from the digitiser's integers to calibrated pixels."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def subtract_rows(image, offset, out):
    """out = image - offset of the row. image: uint16 (ny, nx); offset: float64 (ny,); out: float32 (ny, nx)."""
    for y in range(image.shape[0]):
        level = np.float32(offset[y])
        for x in range(image.shape[1]):
            out[y, x] = np.float32(image[y, x]) - level


@njit(cache=True)
def linearise_rows(image, offset, bias, a, b, scale, out):
    """out = scale * x / (a x^2 + b x + 1), x = image - offset of the row - bias.

    image: uint16 (ny, nx); offset: float64 (ny,); bias: float32 (ny, nx); out: float32 (ny, nx).
    """
    a, b, scale, one = np.float32(a), np.float32(b), np.float32(scale), np.float32(1)
    for y in range(image.shape[0]):
        level = np.float32(offset[y])
        for x in range(image.shape[1]):
            value = np.float32(image[y, x]) - level - bias[y, x]
            out[y, x] = scale * value / ((a * value + b) * value + one)


def warm() -> None:
    """Compile the kernels of this module."""
    image, offset, out = np.zeros((2, 4), np.uint16), np.zeros(2), np.zeros((2, 4), np.float32)
    subtract_rows(image, offset, out)
    linearise_rows(image, offset, np.zeros((2, 4), np.float32), 0.0, 0.0, 1.0, out)
