"""Cutouts: the square of pixels about each candidate that packets carry and classifiers look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIZE_PX = 63
"""Pixels on a side of the survey's packets: the 18 public ones read here, and the facts of 72."""


def cutouts(image: NDArray, x_px: ArrayLike, y_px: ArrayLike, size: int = SIZE_PX) -> NDArray[np.float32]:
    """Cut squares out of an image, float32 (n, size, size), each with its position's pixel in the middle.

    image: (ny, nx), of any real type; x_px, y_px: zero-based, (n,) or single numbers, rounded to the nearest pixel,
    halves upwards; size: odd. In packets the middle pixel is [31, 31]: the light of the 18 public ones has its centroid
    within half a pixel of it, where the decimals of xpos and ypos say. What lies beyond the image is NaN, and the
    candidate stays in the middle; `truncated` gives the smaller array that a packet holds there. Masked pixels are what
    the image has.
    """
    if size % 2 != 1 or size < 1:
        raise ValueError(f"a cutout has an odd number of pixels on a side, not {size}")
    ny, nx = image.shape
    column, row = _corners(x_px, size), _corners(y_px, size)
    out = np.full((len(row), size, size), np.nan, np.float32)
    for stamp, j, i in zip(out, row.tolist(), column.tolist(), strict=True):
        top, end = max(j, 0), min(j + size, ny)
        left, right = max(i, 0), min(i + size, nx)
        if top < end and left < right:
            stamp[top - j : end - j, left - i : right - i] = image[top:end, left:right]
    return out


def truncated(cutout: NDArray, x_px: float, y_px: float, shape: tuple[int, int]) -> NDArray:
    """The part of one cutout (size, size) that lies on an image of `shape` (ny, nx): what a packet holds.

    At an edge real packets are smaller than the square, not padded; their readers pad below and to the right.
    """
    size = len(cutout)
    i, j = int(_corners(x_px, size)[0]), int(_corners(y_px, size)[0])
    rows = slice(min(max(-j, 0), size), min(max(shape[0] - j, 0), size))
    columns = slice(min(max(-i, 0), size), min(max(shape[1] - i, 0), size))
    return cutout[rows, columns]


def _corners(position_px: ArrayLike, size: int) -> NDArray[np.int64]:
    """First pixel along one axis of squares about positions."""
    return np.floor(np.atleast_1d(np.asarray(position_px, np.float64)) + 0.5).astype(np.int64) - size // 2
