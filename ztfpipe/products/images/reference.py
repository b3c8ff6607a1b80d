"""Files of a reference: reading what it is made of, its header, and its images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model import identifiers
from ztfpipe.model.coadd import ReferenceImage, ReferenceInput
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.products.catalogs.catalogs import read_psfcat
from ztfpipe.products.formats.fits import read_header, write_image
from ztfpipe.products.formats.fits_rows import ImageRows
from ztfpipe.products.images.headers import Card, aperture_cards, measured, needed
from ztfpipe.products.images.wcs import wcs_cards, wcs_of
from ztfpipe.products.names import path_of

_IDENTITY = (("FIELDID", "field"), ("FILTERID", "filter number"), ("CCDID", "CCD"), ("QID", "quadrant"))
_NUMBERS = {
    "zero_point_mag": "MAGZP",
    "zero_point_error_mag": "MAGZPUNC",
    "colour_coefficient": "CLRCOEFF",
    "limiting_mag": "MAGLIM",
    "seeing_px": "SEEING",
    "saturation_adu": "SATURATE",
    "jd": "OBSJD",
}
"""Fields of an input and the keywords they are read from."""


def read_reference_input(key: QuadrantKey, camera: Camera) -> ReferenceInput:
    """A science image as an input: header and catalog now, pixels when they are asked for.

    Raises BadFile when a file is missing, damaged, of another field, filter or quadrant than its name says, or has not
    STATUS 1 and a calibration.
    """
    path = path_of("sciimg", key)
    image, mask = ImageRows(path), ImageRows(path_of("mskimg", key))
    for one in (image, mask):
        if fault := one.fault():
            raise BadFile(one.path, fault)
        if one.shape != camera.quadrant_shape:
            raise BadFile(one.path, f"shape {one.shape} is not that of camera {camera.name}")
    header = read_header(path)
    must_be_of(path, header, key, camera)
    if header.get("STATUS", (0, ""))[0] != 1:
        raise BadFile(path, "its STATUS is not 1 (any more)")
    catalog, _ = read_psfcat(path_of("psfcat", key))

    def rows(first: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
        return image.read(first, stop), mask.read(first, stop).astype(np.uint16)

    numbers = {name: needed(path, header, keyword) for name, keyword in _NUMBERS.items()}
    return ReferenceInput(key, rows, image.shape, wcs_of(path, header), catalog, **numbers)


def must_be_of(path: str | Path, header: Cards, key: QuadrantKey | ReferenceKey, camera: Camera) -> None:
    """BadFile when a header is of another field, filter or quadrant."""
    sky = key.exposure if isinstance(key, QuadrantKey) else key
    expected = (sky.field, camera.filter(sky.filter).fid, key.ccdid, key.qid)
    for (keyword, noun), value in zip(_IDENTITY, expected, strict=True):
        found = header.get(keyword, (None, ""))[0]
        if found != value:
            raise BadFile(path, f"it is of {noun} {found}, not {value}")


def reference_header(image: ReferenceImage, key: ReferenceVersionKey, night: str, camera: Camera) -> Cards:
    """All keywords of a refimg and of the products made from it. A number that could not be measured is left out.

    night: of the check that froze the inputs.
    """
    return measured(
        (
            *_origin_cards(image, key, night, camera),
            *wcs_cards(image.wcs, distorted=False),
            *_photometry_cards(image, key, camera),
            *aperture_cards(image.apertures),
            *_quality_cards(image),
            *_input_cards(image),
        )
    )


def _origin_cards(image: ReferenceImage, key: ReferenceVersionKey, night: str, camera: Camera) -> Iterator[Card]:
    reference = key.reference
    band = camera.filter(reference.filter)
    yield "BUNIT", "Data Value", ""
    for keyword, text in (("ORIGIN", "data origin"), ("INSTRUME", "camera"), ("TELESCOP", "telescope")):
        yield keyword, camera.header.get(keyword), text
    yield "FIELDID", reference.field, "ZTF field ID number"
    yield "DBFIELD", reference.field, "Database field"
    yield "FILTER", band.header, "filter"
    yield "FILTERID", band.fid, "filter number"
    yield "DBFID", band.fid, "Database filter ID"
    yield "CCDID", reference.ccdid, "CCD identifier [1..16]"
    yield "QID", reference.qid, "Quadrant identifier [1..4]"
    yield "RCID", reference.rcid, "Readout-channel identifier [0..63]"
    rfid = identifiers.reference_id(reference.field, band.fid, reference.rcid)
    yield "RFID", rfid, "Identifier of the reference (rfid of alerts)"
    yield "REFVERS", key.version, "Version of the reference"
    yield "REFNIGHT", night, "Night at whose end the inputs were frozen"
    yield "NFRAMES", len(image.used), "Number of epochs in the co-add"
    yield "NREJECT", len(image.rejected), "Number of inputs left out when they were read"
    yield "JDSTART", image.jd_range[0], "Julian date of the earliest epoch"
    yield "JDEND", image.jd_range[1], "Julian date of the latest epoch"


def _photometry_cards(image: ReferenceImage, key: ReferenceVersionKey, camera: Camera) -> Iterator[Card]:
    yield "MAGZP", image.zero_point_mag, "Magnitude zero point, fixed target [mag]"
    yield "MAGZPUNC", image.zero_point_error_mag, "From those of the inputs [mag]"
    yield "MAGZPRMS", _metric(image, "flatrms"), "RMS of PS1 minus catalog [mag]"
    yield "CLRCOEFF", image.colour_coefficient, "Mean color coefficient of the inputs"
    yield "PCOLOR", camera.filter(key.reference.filter).colour_text, "Calibrator color used for CLRCOEFF"
    yield "GAIN", image.gain_e_per_adu, "[e-/DN] effective, for photon noise"
    yield "SATURATE", image.saturation_adu, "Least saturation value of the inputs [DN]"


def _metric(image: ReferenceImage, name: str) -> float:
    value = image.metrics.get(name)
    return float(value) if isinstance(value, (int, float)) else math.nan


def _quality_cards(image: ReferenceImage) -> Iterator[Card]:
    yield "SEEING", round(image.seeing_px, 3), "seeing FWHM [pixels]"
    yield "MAGLIM", round(image.limiting_mag, 3), "5-sigma mag-limit in PSF-fit catalog [mag]"
    for keyword, name, text in (
        ("MAGLIMPR", "maglim_promised", "Limit promised by the inputs [mag]"),
        ("PS1OFF", "ps1_offset", "Median of PS1 minus catalog [mag]"),
        ("FLATRNG", "flatrange", "Range of its medians in 3 x 3 cells [mag]"),
        ("GMEDIAN", "gmedian", "Median of the background left [DN]"),
        ("GSTDDEV", "gstddev", "Robust noise of a pixel [DN]"),
        ("NOISCORR", "noise_correlation", "Noise of large areas over that of pixels"),
        ("COVMED", "coverage_median", "Median number of epochs in a pixel"),
        ("TRIMFRAC", "trimmed_fraction", "Fraction of samples trimmed"),
    ):
        yield keyword, _metric(image, name), text
    yield "INFOBITS", 0, "no bits are defined for references"
    yield "STATUS", image.status, "overall processing flag: 0 = bad; 1 = usable"


def _input_cards(image: ReferenceImage) -> Iterator[Card]:
    for index, key in enumerate(image.used, start=1):
        yield f"INP{index:04d}", Path(path_of("sciimg", key)).name, ""
    for index, key in enumerate(image.rejected, start=1):
        yield f"OUT{index:04d}", Path(path_of("sciimg", key)).name, ""


def write_reference_images(key: ReferenceVersionKey, image: ReferenceImage, header: Cards) -> None:
    """Write coverage, uncertainty, mask and, last, the co-add itself, below the working directory."""
    write_image(path_of("vrefcov", key), image.coverage, {**header, "BUNIT": ("epochs", "")})
    write_image(path_of("vrefunc", key), image.uncertainty_adu.astype(np.float32, copy=False), header)
    write_image(path_of("vrefmsk", key), image.mask.astype(np.int16), {**header, "BUNIT": ("bit mask", "")})
    write_image(path_of("vrefimg", key), image.image_adu.astype(np.float32, copy=False), header)
