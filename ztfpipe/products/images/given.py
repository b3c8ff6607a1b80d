"""Science images of the public archive as a start: pixels, mask, and what their headers say of the calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model.dates import mid_exposure
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.science import AstrometrySummary, GivenImage, PhotometrySummary, Pointing
from ztfpipe.products.formats.fits import read_image
from ztfpipe.products.images.headers import known, needed, whole
from ztfpipe.products.images.reference import must_be_of
from ztfpipe.products.images.wcs import wcs_of

MEASURED_KEYWORDS = ("SEEING", "MAGLIM", "FIXAPERS", "APCOR", "INFOBITS", "BIT", "STATUS", "CREATED", "PROCVSN")
"""Beginnings of keywords that speak of the archive's measurements: ours take their place or nothing does."""


def read_given(
    path: str | Path, mask: str | Path | None, key: QuadrantKey, camera: Camera
) -> tuple[GivenImage, Pointing, Cards]:
    """A sciimg, whole or a cut-out of it, with its mskimg if there is one, its pointing, and its
    keywords without those that are measured anew.

    Raises BadFile when a file cannot be read or was cut short, is no science image of this survey, is another quadrant
    or exposure than its name says, or when image and mask differ in size.
    """
    pixels, header = read_image(path)
    _check_origin(path, pixels, header, key, camera)
    numbers = {name: needed(path, header, name) for name in ("GAIN", "SATURATE", "OBSJD", "EXPTIME", "AIRMASS")}
    wcs = wcs_of(path, header)
    image = GivenImage(
        image_adu=pixels.astype(np.float32, copy=False),
        mask=_read_mask(mask, pixels.shape) if mask else None,
        wcs=wcs,
        gain_e_per_adu=numbers["GAIN"],
        saturation_adu=numbers["SATURATE"],
        astrometry=_astrometry(header),
        photometry=_photometry(header),
        infobits=whole(header, "INFOBITS"),
    )
    kept = {keyword: card for keyword, card in header.items() if not keyword.startswith(MEASURED_KEYWORDS)}
    jd_mid = mid_exposure(numbers["OBSJD"], numbers["EXPTIME"])
    ra_deg, dec_deg = (float(value) for value in wcs.crval_deg)
    return image, Pointing(ra_deg, dec_deg, jd_mid, numbers["AIRMASS"], numbers["EXPTIME"]), kept


def _check_origin(path: str | Path, pixels: np.ndarray, header: Cards, key: QuadrantKey, camera: Camera) -> None:
    """Whether this is the image its name says. BadFile otherwise."""
    if pixels.ndim != 2 or pixels.dtype.kind != "f":
        raise BadFile(path, "no calibrated image: its pixels are not real numbers in two dimensions")
    if any(size > whole for size, whole in zip(pixels.shape, camera.quadrant_shape, strict=True)):
        raise BadFile(path, f"{pixels.shape[1]} x {pixels.shape[0]} pixels are more than a quadrant has")
    if "CCDID" not in header or "QID" not in header:
        raise BadFile(path, "not a science image of this survey: it has no CCDID and QID")
    must_be_of(path, header, key, camera)
    exposure = str(header.get("FILENAME", ("", ""))[0])
    if exposure and key.exposure.filefracday not in exposure:
        raise BadFile(path, f"its name says exposure {key.exposure.filefracday}, its header {exposure}")


def _read_mask(path: str | Path, shape: tuple[int, ...]) -> np.ndarray:
    mask, _ = read_image(path)
    if mask.dtype.kind not in "iu" or mask.shape != shape:
        raise BadFile(path, f"not the mask of its image: {mask.dtype} of {mask.shape}, where the image has {shape}")
    return mask.astype(np.uint16)


def _astrometry(header: Cards) -> AstrometrySummary | None:
    matches = known(header, "ASTROMN")
    if not np.isfinite(matches):
        return None
    rms = (known(header, "ASTRRMS1"), known(header, "ASTRRMS2"))
    return AstrometrySummary(int(matches), rms, known(header, "ASTCHI2"))


def _photometry(header: Cards) -> PhotometrySummary | None:
    if not np.isfinite(known(header, "MAGZP")):
        return None
    matches = known(header, "NMATCHES")
    names = {
        "zero_point": "MAGZP",
        "zero_point_error": "MAGZPUNC",
        "zero_point_rms": "MAGZPRMS",
        "colour_term": "CLRCOEFF",
        "colour_term_error": "CLRCOUNC",
        "covariance": "ZPCLRCOV",
        "zero_point_median": "ZPMED",
        "zero_point_average": "ZPAVG",
        "zero_point_rms_all": "ZPRMSALL",
        "colour_median": "CLRMED",
        "colour_average": "CLRAVG",
        "colour_rms": "CLRRMS",
    }
    return PhotometrySummary(
        n_matches=int(matches) if np.isfinite(matches) else 0,
        **{name: known(header, keyword) for name, keyword in names.items()},
    )
