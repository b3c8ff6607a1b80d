"""Cutouts of an image of the archive, packed or not, for pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ztfpipe.products.formats.fits import read_image
from ztfpipe.products.formats.fits_rows import ImageRows


class ImageCutouts:
    """An image that is cut: an unpacked one is read by rows, a packed one whole, at the first cutout.

    BadFile when it is missing or no image.
    """

    def __init__(self, path: str | Path) -> None:
        self._rows = None if str(path).endswith(".fz") else ImageRows(path)
        self._pixels = None if self._rows else read_image(path, 1)[0]
        self.shape = self._rows.shape if self._rows else self._pixels.shape

    def at(self, x_px: float, y_px: float, half_px: int) -> NDArray[np.float32]:
        """The square of 2 half_px + 1 pixels about a zero-based place; NaN outside of the image."""
        ny, nx = self.shape
        x, y = round(x_px), round(y_px)
        result = np.full((2 * half_px + 1, 2 * half_px + 1), np.nan, np.float32)
        top, end = max(y - half_px, 0), min(y + half_px + 1, ny)
        left, right = max(x - half_px, 0), min(x + half_px + 1, nx)
        if top < end and left < right:
            rows = self._rows.read(top, end) if self._rows else self._pixels[top:end]
            result[top - y + half_px : end - y + half_px, left - x + half_px : right - x + half_px] = rows[
                :, left:right
            ]
        return result
