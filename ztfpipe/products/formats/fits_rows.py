"""Bands of rows of an uncompressed FITS image, read when they are asked for: memory does not grow with the image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.products.formats.atomic import machine_faults
from ztfpipe.products.formats.fits_blocks import BrokenBlocks, FileBytes, checksum_fault, scan

_DTYPES = {"16": ">i2", "-32": ">f4"}


class ImageRows:
    """The primary image of a file, (ny, nx) in `shape`. Not mapped: a mapped file that shrinks ends the process.

    Raises BadFile when the file is missing, cut short, or holds no image of 16-bit integers or 32-bit floats.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        try:
            with machine_faults(path), Path(path).open("rb") as stream:
                primary = scan(FileBytes(stream))[0]
        except (FileNotFoundError, IsADirectoryError) as error:
            raise BadFile(path, "no such file") from error
        except (BrokenBlocks, IndexError) as error:
            raise BadFile(path, f"not readable as FITS: {error}") from error
        keywords = primary.keywords
        if keywords.get("BITPIX") not in _DTYPES or keywords.get("NAXIS") != "2" or "BZERO" in keywords:
            raise BadFile(path, "no plain image of 16-bit integers or 32-bit floats")
        self._primary = primary
        self._dtype = np.dtype(_DTYPES[keywords["BITPIX"]])
        self.shape = int(keywords["NAXIS2"]), int(keywords["NAXIS1"])

    def number(self, keyword: str) -> float:
        """The number of a keyword; NaN where there is none."""
        try:
            return float(self._primary.keywords.get(keyword, "nan"))
        except ValueError:
            return math.nan

    def read(self, first: int, stop: int) -> NDArray[Any]:
        """Rows first..stop in native byte order; BadFile when the file has changed and no longer holds them."""
        columns = self.shape[1]
        count, offset = (stop - first) * columns, self._primary.data_start + first * columns * self._dtype.itemsize
        with machine_faults(self.path), Path(self.path).open("rb") as stream:
            stream.seek(offset)
            values = np.frombuffer(stream.read(count * self._dtype.itemsize), self._dtype)
        if values.size != count:
            raise BadFile(self.path, f"cut short while it was read: {values.size} of {count} pixels")
        return values.reshape(stop - first, columns).astype(self._dtype.newbyteorder("="))

    def fault(self) -> str:
        """What is wrong with the checksums of the file, or an empty string. Reads all of it."""
        with machine_faults(self.path):
            return checksum_fault(Path(self.path).read_bytes(), self._primary)
