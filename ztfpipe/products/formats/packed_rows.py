"""Rows of a packed image of real numbers, decompressed straight from their bytes: a stamp costs a stamp.

astropy's own route to a few rows parses all keywords and the whole table of tiles through Python objects, which takes
ten times as long as the rows; its C codecs, used here, are the same. Layout: FITS Standard 4.0, section 10.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

# The codecs have no public names; tests hold them against the public reader.
from astropy.io.fits.hdu.compressed._compression import (
    CfitsioException,
    decompress_rice_1_c,
    unquantize_float_c,
)
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.products.formats.atomic import machine_faults
from ztfpipe.products.formats.fits_blocks import BrokenBlocks, FileBytes, scan

_FIXED = {"ZIMAGE": "T", "ZCMPTYPE": "RICE_1", "ZBITPIX": "-32", "ZNAXIS": "2", "ZQUANTIZ": "SUBTRACTIVE_DITHER_1"}
_COLUMNS = {"1PB": ">i4", "1QB": ">i8", "1D": ">f8", "1J": ">i4"}
_DITHER_1 = 1


class PackedRows:
    """The packed image in the first extension of a file, (ny, nx) in `shape`.

    It is packed as fpack packs real numbers: each row Rice-compressed in steps of its own, or gzipped as it is.
    Raises BadFile when the file is missing or cut short, or when it is packed otherwise.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        try:
            with machine_faults(path), Path(path).open("rb") as stream:
                unit = scan(FileBytes(stream))[1]
        except (FileNotFoundError, IsADirectoryError) as error:
            raise BadFile(path, "no such file") from error
        except BrokenBlocks as error:
            raise BadFile(path, f"not readable as FITS: {error}") from error
        except IndexError as error:
            raise BadFile(path, "no image here", 1) from error
        words = unit.keywords
        by_row = words.get("ZTILE1", words.get("ZNAXIS1")) == words.get("ZNAXIS1") and words.get("ZTILE2", "1") == "1"
        if not by_row or any(words.get(word) != value for word, value in _FIXED.items()):
            raise BadFile(self.path, "not packed as real numbers, row by row", 1)
        fields = range(1, int(words["TFIELDS"]) + 1)
        kinds = {words[f"TTYPE{k}"]: words[f"TFORM{k}"].split("(")[0] for k in fields}
        if not {"COMPRESSED_DATA", "ZSCALE", "ZZERO"} <= set(kinds) or not set(kinds.values()) <= set(_COLUMNS):
            raise BadFile(self.path, "columns of a packed image are missing", 1)
        parts = [(name, _COLUMNS[kind], (2,) if "P" in kind or "Q" in kind else ()) for name, kind in kinds.items()]
        self._row = np.dtype(parts)
        self.shape = int(words["ZNAXIS2"]), int(words["ZNAXIS1"])
        self._table = unit.data_start
        self._heap = unit.data_start + int(words.get("THEAP", str(self._row.itemsize * self.shape[0])))
        self._seed = int(words.get("ZDITHER0", "0"))
        self._blank = int(words["ZBLANK"]) if "ZBLANK" in words else None
        named = {words.get(f"ZNAME{k}"): words.get(f"ZVAL{k}") for k in (1, 2)}
        self._block, self._bytes = int(named.get("BLOCKSIZE") or 32), int(named.get("BYTEPIX") or 4)

    def read(self, first: int, stop: int) -> NDArray[np.float32]:
        """Rows first..stop (stop - first, nx), NaN where nothing is known; BadFile when their bytes are damaged."""
        out = np.empty((stop - first, self.shape[1]), np.float32)
        at, size = self._table + first * self._row.itemsize, (stop - first) * self._row.itemsize
        with machine_faults(self.path), Path(self.path).open("rb") as stream:
            content = FileBytes(stream)
            try:
                for k, tile in enumerate(np.frombuffer(content[at : at + size], self._row, count=stop - first)):
                    out[k] = self._tile(content, tile, first + k)
            except (ValueError, zlib.error, CfitsioException) as error:
                raise BadFile(self.path, f"rows {first} to {stop} are damaged: {error}", 1) from error
        return out

    def _tile(self, content: FileBytes, tile: np.void, row: int) -> NDArray[np.float32]:
        nx = self.shape[1]
        packed = self._bytes_of(content, tile["COMPRESSED_DATA"])
        if not packed:
            plain = (
                self._bytes_of(content, tile["GZIP_COMPRESSED_DATA"])
                if "GZIP_COMPRESSED_DATA" in self._row.names
                else b""
            )
            return np.frombuffer(zlib.decompress(plain, wbits=31), ">f4", count=nx).astype(np.float32)
        steps = np.frombuffer(decompress_rice_1_c(packed, self._block, self._bytes, nx), f"i{self._bytes}", count=nx)
        steps = np.ascontiguousarray(steps, np.int32)
        scale, zero = float(tile["ZSCALE"]), float(tile["ZZERO"])
        numbers = unquantize_float_c(
            steps.tobytes(), row + self._seed, nx, scale, zero, _DITHER_1, 0, 0, 0.0, steps.itemsize
        )
        found = np.frombuffer(numbers, np.float32, count=nx)
        blank = int(tile["ZBLANK"]) if "ZBLANK" in self._row.names else self._blank
        return found if blank is None else np.where(steps == blank, np.float32(np.nan), found)

    def _bytes_of(self, content: FileBytes, descriptor: NDArray[np.integer]) -> bytes:
        length, offset = (int(one) for one in descriptor)
        if length < 0 or offset < 0:
            raise ValueError("a row lies outside of the file")
        found = content[self._heap + offset : self._heap + offset + length]
        if len(found) != length:
            raise ValueError("cut short")
        return bytes(found)
