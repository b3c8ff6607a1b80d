"""Raw CCD files: nine HDUs, Rice-compressed 16-bit images of four quadrants and of their overscans."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model.images import Cards, HeaderValue, RawCcd, RawQuadrant
from ztfpipe.products.fits import ImageExtension, cards_of, native, opened, write_images

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
    quadrant = read_quadrant_from(path, path, camera, qid)
    found = header_value(quadrant.header, "CCD_ID")
    if found != ccdid:
        raise BadFile(path, f"CCD_ID is {found}, not {ccdid}", camera.raw.image_hdu[qid])
    return quadrant


def read_quadrant_from(path: str | Path, source: str | Path | BinaryIO, camera: Camera, qid: int) -> RawQuadrant:
    """As `read_raw_quadrant`, of any CCD, from a file or from its bytes; `path` names it in errors."""
    with opened(path, source) as hdus:
        index = camera.raw.image_hdu[qid]
        image = _counts(path, hdus, index, camera.quadrant_shape)
        overscan = _counts(path, hdus, camera.raw.overscan_hdu[qid], camera.overscan_shape)
        header = merged_header(hdus[0].header, hdus[index].header)
    return RawQuadrant(image, overscan, header)


def merged_header(primary: fits.Header, quadrant: fits.Header) -> Cards:
    """The exposure's keywords followed by the quadrant's, which win; without structural ones."""
    return {**cards_of(primary), **cards_of(quadrant)}


def header_value(header: Mapping[str, tuple[HeaderValue, str]], keyword: str) -> HeaderValue:
    """Value of a keyword, None when it is absent."""
    return header[keyword][0] if keyword in header else None


def _counts(path: str | Path, hdus: fits.HDUList, index: int, shape: tuple[int, int]) -> NDArray[np.uint16]:
    try:
        unit: Any = hdus[index]
    except IndexError as error:
        raise BadFile(path, "extension missing", index) from error
    if unit.shape != shape:
        raise BadFile(path, f"shape {unit.shape} is not {shape}", index)
    pixels = native(unit.data)
    if pixels.dtype == np.uint16:
        return pixels
    # Files unpacked by other tools may hold the counts in a wider type; they must still be counts.
    if not np.all((pixels >= 0) & (pixels <= _DIGITISER_MAX) & (pixels == np.floor(pixels))):
        raise BadFile(path, "pixels are not 16-bit counts", index)
    return pixels.astype(np.uint16)


def _check_pixels(path: str | Path, pixels: NDArray[Any], shape: tuple[int, int], index: int) -> None:
    if pixels.shape != shape or pixels.dtype != np.uint16:
        raise BadFile(path, f"{pixels.dtype} {pixels.shape} is not uint16 {shape}", index)
