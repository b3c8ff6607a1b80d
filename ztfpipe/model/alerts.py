"""What alerts are made of: difference images as histories know them, detections of a place, and the alert itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.columns import Column

Row = Sequence[Any]
Floats = NDArray[np.float64]

MISSING = -99999.0
"""What forced photometry has where there is nothing."""

COVERAGE = (
    Column("pid", "i8", "", "Identifier of the science image"),
    Column("jd", "f8", "day", "Start of the exposure, Julian date UTC"),
    Column("filefracday", "str", "", "Exposure, as in file names"),
    Column("filter", "str", "", "Filter, as in file names"),
    Column("imgtype", "str", "", "Kind of exposure, as in file names"),
    Column("field", "i4", "", "Field"),
    Column("ccdid", "i2", "", "CCD"),
    Column("qid", "i2", "", "Quadrant"),
    Column("rcid", "i4", "", "Readout channel, 0 to 63"),
    Column("fid", "i4", "", "Filter number: 1 g, 2 r, 3 i"),
    Column("nid", "i4", "", "Night: days since 2017-01-01"),
    Column("rfid", "i8", "", "Identifier of the reference"),
    Column("refvers", "i4", "", "Version of the reference"),
    Column("programid", "i4", "", "Observing program"),
    Column("programpi", "str", "", "Its principal investigator"),
    Column("status", "i4", "", "1: usable; 0: not, nothing is said of its sky"),
    Column("infobits", "i8", "", "Quality bits of the science image"),
    Column("exptime", "f4", "s", "Exposure time"),
    Column("diffmaglim", "f4", "mag", "Magnitude of a 5-sigma point source in empty sky"),
    Column("magzpsci", "f4", "mag", "Zero point"),
    Column("magzpsciunc", "f4", "mag", "1-sigma uncertainty of magzpsci"),
    Column("magzpscirms", "f4", "mag", "Scatter of the calibrators about it"),
    Column("nmatches", "i4", "", "Number of PS1 calibrators used"),
    Column("clrcoeff", "f4", "", "Colour coefficient"),
    Column("clrcounc", "f4", "", "1-sigma uncertainty of clrcoeff"),
    Column("sciinpseeing", "f4", "pix", "FWHM of the science image"),
    Column("scibckgnd", "f4", "DN", "Background of the science image"),
    Column("scisigpix", "f4", "DN", "Robust noise of its pixels"),
    Column("diffsigpix", "f4", "DN", "Robust noise of the difference's pixels"),
    Column("gain", "f4", "e/DN", "Gain"),
    Column("adpctdif1", "f4", "arcsec", "Scatter of stars about Gaia in right ascension"),
    Column("adpctdif2", "f4", "arcsec", "Scatter of stars about Gaia in declination"),
    Column("nx", "i4", "pix", "Width of the image"),
    Column("ny", "i4", "pix", "Height of the image"),
    Column("pdiffimfilename", "str", "", "File of the difference image before it was packed"),
    Column("wcs", "f8", "", "CRVAL, zero-based CRPIX, CD and PV, as `wcs_numbers` lays them out", 38),
)
"""One row of the coverage of a field's quadrant: a difference image. Numbers that were not measured are NaN."""

OF_A_DETECTION = ("candid", "isdiffpos", "magpsf", "sigmapsf", "ra", "dec")
"""Fields of prv_candidate that every detection has, and no upper limit."""
UPPER_LIMIT_FIELDS = (
    "jd", "fid", "pid", "diffmaglim", "pdiffimfilename", "programpi", "programid", "nid", "rcid", "field", "magzpsci",
    "magzpsciunc", "magzpscirms", "clrcoeff", "clrcounc", "rbversion",
)  # fmt: skip
"""What an upper limit has, as the entries without candid of real packets."""


@dataclass(frozen=True)
class Alert:
    """What one packet says. Records are in the order of the schema's fields, None where there is nothing.

    history, forced: entries in order of time. cutouts: name and pixels of science, template and difference, float32
    (y, x), or None.
    """

    object_id: str
    candid: int
    candidate: Row
    history: Sequence[Row]
    forced: Sequence[Row]
    cutouts: tuple[tuple[str, NDArray[np.float32] | None], ...]


@dataclass(frozen=True)
class ForcedFlux:
    """A PSF fitted at a fixed place on an image.

    flux_adu: of either sign; sigma_adu: its 1-sigma uncertainty; chi2: mean square residual in units of the noise;
    aperture_adu, sigma_aperture_adu: in an aperture, multiplied by aperture_correction for what is outside; warnings:
    empty when there are none; NaN where nothing could be measured.
    """

    flux_adu: float
    sigma_adu: float
    chi2: float
    aperture_adu: float
    sigma_aperture_adu: float
    aperture_correction: float
    warnings: tuple[str, ...]
