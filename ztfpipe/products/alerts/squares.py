"""Squares of a packed difference image about some places: only the rows they need are unpacked, each once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ztfpipe.products.formats.packed_rows import PackedRows


def read_squares(path: str | Path, column: NDArray[np.int64], row: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """Squares (n, size, size) of a packed image with the pixels (row, column) in their middle; NaN beyond the edge.

    BadFile when the file cannot be read.
    """
    out = np.full((len(row), size, size), np.nan, np.float32)
    half = size // 2
    image = PackedRows(path)
    ny, nx = image.shape
    extents = [(max(j - half, 0), min(j + half + 1, ny)) for j in row.tolist()]
    needed = np.zeros(ny + 1, bool)
    for top, end in extents:
        needed[top : max(top, end)] = True
    # Where each run of needed rows begins and ends; the last element of `needed` is never set.
    edges = np.flatnonzero(np.diff(needed, prepend=False)).reshape(-1, 2)
    bands = [image.read(int(first), int(stop)) for first, stop in edges]
    for square, i, j, (top, end) in zip(out, column.tolist(), row.tolist(), extents, strict=True):
        left, right = max(i - half, 0), min(i + half + 1, nx)
        if top < end and left < right:
            run = int(np.searchsorted(edges[:, 0], top, side="right")) - 1
            part = bands[run][top - edges[run, 0] : end - edges[run, 0], left:right]
            square[top - j + half : end - j + half, left - i + half : right - i + half] = part
    return out
