"""Squares of a packed difference image about some places: only the rows they need are unpacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.products.formats.fits import opened

_WORTH_ALL = 60
"""With more places it is quicker to unpack the whole image once: 1.6 ms a place against 95 ms at full size."""


def read_squares(path: str | Path, column: NDArray[np.int64], row: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """Squares (n, size, size) of a packed image with the pixels (row, column) in their middle; NaN beyond the edge.

    BadFile when the file cannot be read.
    """
    out = np.full((len(row), size, size), np.nan, np.float32)
    half = size // 2
    with opened(path) as hdus:
        if len(hdus) < 2 or hdus[1].shape is None or len(hdus[1].shape) != 2:
            raise BadFile(path, "no image here", 1)
        ny, nx = hdus[1].shape
        source = hdus[1].data if len(row) > _WORTH_ALL else hdus[1].section
        for square, i, j in zip(out, column.tolist(), row.tolist(), strict=True):
            top, end, left, right = max(j - half, 0), min(j + half + 1, ny), max(i - half, 0), min(i + half + 1, nx)
            if top < end and left < right:
                part = source[top:end, left:right]
                square[top - j + half : end - j + half, left - i + half : right - i + half] = part
    return out
