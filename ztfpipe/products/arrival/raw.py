"""Raw CCD files: nine HDUs, Rice-compressed 16-bit images of four quadrants and of their overscans."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model.images import Cards, HeaderValue, RawCcd, RawQuadrant
from ztfpipe.products.formats.atomic import machine_faults
from ztfpipe.products.formats.fits import ImageExtension, cards_of, native, opened, write_images
from ztfpipe.products.formats.fits_blocks import BrokenBlocks, Content, FileBytes, HduBlocks, scan
from ztfpipe.products.formats.rice import CfitsioException, decompress, is_plain_rice

_DIGITISER_MAX = 65535


def write_raw_ccd(path: str | Path, ccd: RawCcd, camera: Camera) -> None:
    """Write a CCD file as the camera lays it out: primary with the exposure's keywords, quadrants, overscans.

    A quadrant's extension carries those of its keywords that the primary does not have. The same `ccd` gives the same
    bytes. Raises BadFile when a quadrant is missing or has the wrong shape or type.
    """
    extensions: dict[int, ImageExtension] = {}
    for qid in camera.qids:
        if qid not in ccd.quadrants:
            raise BadFile(path, f"quadrant {qid} missing")
        quadrant = ccd.quadrants[qid]
        _check_pixels(path, quadrant.image, camera.quadrant_shape, camera.raw.image_hdu[qid])
        _check_pixels(path, quadrant.overscan, camera.overscan_shape, camera.raw.overscan_hdu[qid])
        own = {word: card for word, card in quadrant.header.items() if ccd.header.get(word) != card}
        own.pop("EXTNAME", None)
        extensions[camera.raw.image_hdu[qid]] = ImageExtension(str(qid), quadrant.image, own, rice=True)
        index = camera.raw.overscan_hdu[qid]
        extensions[index] = ImageExtension(str(index), quadrant.overscan, rice=True)
    write_images(path, ccd.header, [extensions[index] for index in sorted(extensions)])


def read_raw_quadrant(path: str | Path, camera: Camera, ccdid: int, qid: int) -> RawQuadrant:
    """Read one quadrant and its overscan, compressed or not, and nothing else of the file.

    Extensions are found by their place (`camera.raw`), whatever their names. Raises BadFile when the file is of another
    CCD, an extension is missing, has another shape, or holds anything but 16-bit counts; TryAgain when the machine
    fails.
    """
    with machine_faults(path):
        try:
            with Path(path).open("rb") as stream:
                content = FileBytes(stream)
                quadrant = read_quadrant_of(path, content, scan(content), camera, qid)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise BadFile(path, "no such file") from error
        except BrokenBlocks as error:
            raise BadFile(path, error.reason) from error
    found = header_value(quadrant.header, "CCD_ID")
    if found != ccdid:
        raise BadFile(path, f"CCD_ID is {found}, not {ccdid}", camera.raw.image_hdu[qid])
    return quadrant


def read_quadrant_of(
    path: str | Path, content: Content, hdus: list[HduBlocks], camera: Camera, qid: int
) -> RawQuadrant:
    """As `read_raw_quadrant`, of any CCD, from the bytes of a file and the extents of its HDUs; `path` names it."""
    index = camera.raw.image_hdu[qid]
    image = _counts(path, content, hdus, index, camera.quadrant_shape)
    overscan = _counts(path, content, hdus, camera.raw.overscan_hdu[qid], camera.overscan_shape)
    # The exposure's keywords, then the quadrant's, which win.
    header = {**_cards(content, hdus[0]), **_cards(content, hdus[index])}
    return RawQuadrant(image, overscan, header)


def header_value(header: Mapping[str, tuple[HeaderValue, str]], keyword: str) -> HeaderValue:
    """Value of a keyword, None when it is absent."""
    return header[keyword][0] if keyword in header else None


def _counts(
    path: str | Path, content: Content, hdus: list[HduBlocks], index: int, shape: tuple[int, int]
) -> NDArray[np.uint16]:
    """The 16-bit counts of one extension, however they are stored."""
    if index >= len(hdus):
        raise BadFile(path, "extension missing", index)
    hdu = hdus[index]
    pixels = (
        _decompressed(path, content, hdu, index)
        if is_plain_rice(hdu.keywords)
        else _unpacked(path, content, hdus, index)
    )
    if pixels is None or pixels.shape != shape:
        raise BadFile(path, f"shape {None if pixels is None else pixels.shape} is not {shape}", index)
    if pixels.dtype == np.uint16:
        return pixels
    # Files unpacked by other tools may hold the counts in a wider type; they must still be counts.
    if not np.all((pixels >= 0) & (pixels <= _DIGITISER_MAX) & (pixels == np.floor(pixels))):
        raise BadFile(path, "pixels are not 16-bit counts", index)
    return pixels.astype(np.uint16)


def _decompressed(path: str | Path, content: Content, hdu: HduBlocks, index: int) -> NDArray[np.uint16]:
    try:
        return decompress(hdu.keywords, content[hdu.data_start : hdu.end])
    except (ValueError, CfitsioException) as error:
        raise BadFile(path, f"not to be decompressed: {error}", index) from error


def _unpacked(path: str | Path, content: Content, hdus: list[HduBlocks], index: int) -> NDArray[Any] | None:
    """Any other kind of image, through the library: as the only extension of a file in memory."""
    primary, hdu = hdus[0], hdus[index]
    alone = io.BytesIO(bytes(content[primary.start : primary.end]) + bytes(content[hdu.start : hdu.end]))
    with opened(path, alone) as opened_hdus:
        data = opened_hdus[1].data
        return None if data is None else native(data)


def _cards(content: Content, hdu: HduBlocks) -> Cards:
    with warnings.catch_warnings():
        # A card without a value indicator is no keyword: what needs it finds it missing, and says so.
        warnings.filterwarnings("ignore", message=".*header keyword is invalid", category=AstropyUserWarning)
        return cards_of(fits.Header.fromstring(bytes(content[hdu.start : hdu.data_start])))


def _check_pixels(path: str | Path, pixels: NDArray[Any], shape: tuple[int, int], index: int) -> None:
    if pixels.shape != shape or pixels.dtype != np.uint16:
        raise BadFile(path, f"{pixels.dtype} {pixels.shape} is not uint16 {shape}", index)
