"""FITS images and tables: read to native byte order; written whole, checksummed, with the same bytes each time."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.model.images import Cards
from ztfpipe.products.formats import fits_blocks
from ztfpipe.products.formats.atomic import atomic_write, machine_faults, write_bytes
from ztfpipe.products.formats.rice import CfitsioException

__all__ = [
    "ImageExtension",
    "atomic_write",
    "cards_of",
    "header_of",
    "opened",
    "read_header",
    "read_image",
    "read_table",
    "write_hdus",
    "write_image",
    "write_images",
    "write_packed_image",
    "write_table",
]

_STRUCTURAL = frozenset(
    [
        *["SIMPLE", "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "GROUPS", "EXTEND", "BSCALE", "BZERO", "BLANK"],
        *["TFIELDS", "THEAP", "LONGSTRN", "INHERIT", "CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM"],
        *["ZIMAGE", "ZTENSION", "ZSIMPLE", "ZEXTEND", "ZBITPIX", "ZNAXIS", "ZPCOUNT", "ZGCOUNT", "ZCMPTYPE", "ZBLANK"],
        *["ZQUANTIZ", "ZDITHER0", "ZMASKCMP", "ZBLOCKED", "COMMENT", "HISTORY"],
    ]
)
_TILE_PIXELS = 3000
_GZIPPED, _GZIP_TIME = "GZIP_COMPRESSED_DATA", slice(4, 8)
_QUANTIZE_LEVEL = 4.0
"""Steps per sigma: fpack's own, which adds a hundredth to the noise of a pixel at most."""
_NUMBERED = (
    *("NAXIS", "TTYPE", "TFORM", "TUNIT", "TDIM", "TNULL", "TSCAL", "TZERO", "TDISP"),
    *("ZNAXIS", "ZTILE", "ZNAME", "ZVAL"),
)


@dataclass(frozen=True)
class ImageExtension:
    """An image extension to be written: its EXTNAME, pixels, and further keywords."""

    name: str
    array: NDArray[Any]
    header: Cards = field(default_factory=dict)
    rice: bool = False


def write_image(
    path: str | Path, array: NDArray[Any], header: Cards, extensions: Sequence[ImageExtension] = ()
) -> None:
    """Write `array` (y, x) as the primary HDU of `path`, atomically, with `header` and checksums, and extensions.

    The pixel type is the array's; unsigned 16-bit integers get BZERO. Raises TryAgain when the machine fails.
    """
    primary = fits.PrimaryHDU(np.ascontiguousarray(array), header_of(header))
    write_hdus(path, [primary, *map(_extension, extensions)])


def write_images(path: str | Path, header: Cards, extensions: Sequence[ImageExtension]) -> None:
    """Write a primary HDU without data and one image extension each, Rice-compressed where asked."""
    hdus: list[Any] = [fits.PrimaryHDU(header=header_of(header))]
    write_hdus(path, [*hdus, *map(_extension, extensions)])


def _extension(extension: ImageExtension) -> Any:
    own = header_of({"EXTNAME": (extension.name, "name of this extension"), **extension.header})
    array = np.ascontiguousarray(extension.array)
    if extension.rice:
        return fits.CompImageHDU(array, own, compression_type="RICE_1", tile_shape=_tile(array.shape))
    return fits.ImageHDU(array, own)


def write_packed_image(path: str | Path, array: NDArray[np.float32], header: Cards) -> None:
    """Write `array` (y, x) as fpack packs real numbers, in the first extension: Rice-compressed steps of a quarter of
    the noise of a row, subtractively dithered, always by the same sequence. NaN stays NaN."""
    packed = fits.CompImageHDU(
        np.ascontiguousarray(array), header_of(header), compression_type="RICE_1", tile_shape=(1, array.shape[1]),
        quantize_level=_QUANTIZE_LEVEL, quantize_method=fits.hdu.compressed.SUBTRACTIVE_DITHER_1, dither_seed=1,
    )  # fmt: skip
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(buffer, checksum=True)
    with buffer.getbuffer() as content:
        for start in _gzip_streams(bytes(content)):
            content[start + _GZIP_TIME.start : start + _GZIP_TIME.stop] = bytes(4)
        fits_blocks.seal(content)
        write_bytes(path, content)


def _gzip_streams(content: bytes) -> list[int]:
    """Where gzip streams begin in a packed image: rows without noise to scale by are gzipped, with the time of day."""
    with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
        table = hdus[1]
        if _GZIPPED not in table.columns.names:
            return []
        heap = table.fileinfo()["datLoc"] + table.header.get("THEAP", table.header["NAXIS1"] * table.header["NAXIS2"])
        descriptors = table.data.view(np.ndarray)[_GZIPPED]
        return [heap + int(offset) for length, offset in descriptors if length]


def write_table(
    path: str | Path,
    columns: Mapping[str, NDArray[Any]],
    header: Cards,
    *,
    name: str,
    units: Mapping[str, str] | None = None,
) -> None:
    """Write a primary HDU with `header` and a binary table called `name` with these columns (zero rows allowed)."""
    rows = len(next(iter(columns.values()), ()))
    table = np.empty(rows, dtype=[(column, values.dtype, values.shape[1:]) for column, values in columns.items()])
    for column, values in columns.items():
        table[column] = values
    hdu = fits.BinTableHDU(table, name=name)
    for column, unit in (units or {}).items():
        hdu.columns[column].unit = unit
    write_hdus(path, [fits.PrimaryHDU(header=header_of(header)), hdu])


def write_hdus(path: str | Path, hdus: Sequence[Any]) -> None:
    """Write astropy HDUs to `path`, atomically, with CHECKSUM and DATASUM that carry no time. For use in products/."""
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer, checksum=True)
    with buffer.getbuffer() as content:
        fits_blocks.seal(content)
        write_bytes(path, content)


def read_image(path: str | Path, hdu: int = 0) -> tuple[NDArray[Any], Cards]:
    """Pixels (y, x) of one HDU in native byte order, C order, and its keywords without the structural ones.

    Raises BadFile when the file is missing, not FITS, truncated, or has no image there; TryAgain when the machine
    fails.
    """
    with opened(path) as hdus:
        unit = _hdu(path, hdus, hdu)
        if unit.data is None or unit.data.dtype.names:
            raise BadFile(path, "no image here", hdu)
        return native(unit.data), cards_of(unit.header)


def read_header(path: str | Path, hdu: int = 0) -> Cards:
    """Keywords of one HDU without the structural ones. Raises as `read_image`."""
    with opened(path) as hdus:
        return cards_of(_hdu(path, hdus, hdu).header)


def read_shape(path: str | Path, hdu: int = 0) -> tuple[int, ...]:
    """Shape (y, x) of the array of one HDU, which is not read. Raises as `read_image`."""
    with opened(path) as hdus:
        return tuple(_hdu(path, hdus, hdu).shape)


def read_table(path: str | Path, hdu: int = 1) -> tuple[dict[str, NDArray[Any]], Cards]:
    """Columns of a binary table in native byte order, and the primary keywords. Raises as `read_image`."""
    with opened(path) as hdus:
        unit = _hdu(path, hdus, hdu)
        if not isinstance(unit, fits.BinTableHDU):
            raise BadFile(path, "no table here", hdu)
        return {name: native(unit.data[name]) for name in unit.columns.names}, cards_of(hdus[0].header)


@contextlib.contextmanager
def opened(path: str | Path, source: BinaryIO | None = None) -> Iterator[fits.HDUList]:
    """An open FITS file, or its bytes (`source`).

    Raises BadFile when it cannot be read as one, TryAgain when the machine fails. Only reading belongs in the body:
    what it raises is taken for a fault of the file.
    """
    with machine_faults(path), warnings.catch_warnings():
        # A file that astropy has to guess at is a bad file: its warnings become the reason.
        warnings.simplefilter("error", fits.verify.VerifyWarning)
        warnings.filterwarnings("error", message=".*truncated.*")
        try:
            with contextlib.ExitStack() as stack:
                stream = stack.enter_context(Path(path).open("rb")) if source is None else source
                # Not mapped: a mapped file that shrinks while it is read ends the process.
                yield stack.enter_context(fits.open(stream, mode="readonly", memmap=False))
        except (
            fits.VerifyError,
            fits.verify.VerifyWarning,
            UserWarning,
            CfitsioException,
            TypeError,
            ValueError,
        ) as error:
            raise BadFile(path, f"not readable as FITS: {_one_line(error)}") from error
        except OSError as error:
            if error.errno is None:
                raise BadFile(path, f"not readable as FITS: {_one_line(error)}") from error
            if isinstance(error, FileNotFoundError | IsADirectoryError):
                raise BadFile(path, "no such file") from error
            raise


def native(array: NDArray[Any]) -> NDArray[Any]:
    """The array in native byte order, C order, free of the file it came from."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=None)


def cards_of(header: fits.Header) -> Cards:
    """Keywords of an astropy header with value and comment, without structural and commentary ones."""
    cards: dict[str, tuple[Any, str]] = {}
    for card in header.cards:
        keyword = card.keyword
        if not keyword or keyword in _STRUCTURAL or (keyword.startswith(_NUMBERED) and keyword[-1].isdigit()):
            continue
        cards.setdefault(keyword, _value_and_comment(card))
    return cards


def _value_and_comment(card: fits.Card) -> tuple[Any, str]:
    """None for a card without a value, and for one that holds none of the standard, such as NaN."""
    try:
        return (None if isinstance(card.value, fits.card.Undefined) else card.value), card.comment
    except fits.VerifyError:
        return None, ""


def header_of(cards: Cards) -> fits.Header:
    """An astropy header of these keywords, in order. ValueError for a NaN, which FITS cannot hold."""
    header = fits.Header()
    for keyword, (value, comment) in cards.items():
        header.append((keyword, value, comment), end=True)
    return header


def _tile(shape: tuple[int, int]) -> tuple[int, int]:
    """Whole rows of at least some 3000 pixels in all: a tile for each short row of an overscan is slow to read."""
    return min(shape[0], max(1, _TILE_PIXELS // shape[1])), shape[1]


def _hdu(path: str | Path, hdus: fits.HDUList, index: int) -> Any:
    try:
        return hdus[index]
    except IndexError as error:
        raise BadFile(path, "extension missing", index) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
