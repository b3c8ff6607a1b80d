"""What a candidate's record says beyond its own pixels: neighbours, filters, cutouts, its exposure; and raw detections.

Names and types are those of the survey's alert packets (schema 4.02, record `candidate`) wherever they have the thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.columns import PS1_BANDS, Column
from ztfpipe.model.orbits import KnownSky
from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects

NONE_NEAR = -999.0
"""What packets have for a neighbour that is not there, and for a magnitude that PS1 has not."""
NO_SCORE = 0.5
"""Star/galaxy score of a PS1 object that has none: 6 of the 46 neighbours of 18 public packets have exactly this."""
N_PS1 = 3
NO_NAME = "null"
"""What packets have for the name of a known body that is not there."""

_ORDINALS = ("nearest", "second nearest", "third nearest")
NEIGHBOUR_COLUMNS = (
    Column("distnr", "f4", "pix", "Distance to the nearest source of the reference's PSF catalog"),
    Column("magnr", "f4", "mag", "Its magnitude"),
    Column("sigmagnr", "f4", "mag", "1-sigma uncertainty of magnr"),
    Column("chinr", "f4", "", "Its chi (DAOPHOT)"),
    Column("sharpnr", "f4", "", "Its sharp (DAOPHOT)"),
    Column("ranr", "f8", "deg", "Its right ascension, ICRS"),
    Column("decnr", "f8", "deg", "Its declination, ICRS"),
    *(
        column
        for k, which in enumerate(_ORDINALS, 1)
        for column in (
            Column(f"objectidps{k}", "i8", "", f"PS1 identifier of the {which} PS1 object within 30 arcsec"),
            *(
                Column(f"s{band}mag{k}", "f4", "mag", f"Its PSF magnitude in {band}; -999 when not measured")
                for band in PS1_BANDS
            ),
            Column(f"sgscore{k}", "f4", "", "Its star/galaxy score: 1 a star, 0 extended, 0.5 when it has none"),
            Column(f"distpsnr{k}", "f4", "arcsec", "Its distance; -999 in all seven when there is none"),
        )
    ),
    Column("nmtchps", "i4", "", "Number of PS1 objects within 30 arcsec"),
    Column("neargaia", "f4", "arcsec", "Distance to the nearest Gaia source within 90 arcsec, else -999"),
    Column("neargaiabright", "f4", "arcsec", "The same of those brighter than 14"),
    Column("maggaia", "f4", "mag", "Gaia G of the nearest, else -999"),
    Column("maggaiabright", "f4", "mag", "Gaia G of the nearest bright one, else -999"),
)

KNOWN_COLUMNS = (
    Column("ssdistnr", "f4", "arcsec", "Distance to the nearest known solar-system body within 30 arcsec, else -999"),
    Column("ssmagnr", "f4", "mag", "Predicted V magnitude of that body, else -999"),
    Column("ssnamenr", "str", "", 'Name of that body: number, or provisional designation without spaces; else "null"'),
)
"""What a candidate says of known bodies."""

LIGHT_FILTERS = ("snr", "magpsf", "nbad", "fwhm", "elong", "magdiff")
"""What the bits of `filterbits` stand for, from bit 0 (value 1)."""
FILTER_COLUMNS = (
    Column(
        "filterbits", "i4", "",
        "Light filters of packaging not passed, 0 when all are: "
        + ", ".join(f"{1 << bit} {name}" for bit, name in enumerate(LIGHT_FILTERS)),
    ),
)  # fmt: skip

EXPOSURE_COLUMNS = (
    Column("jd", "f8", "day", "Julian date (UTC) of the start of the exposure"),
    Column("fid", "i4", "", "Filter: 1 g, 2 r, 3 i"),
    Column("pid", "i8", "", "Processing identifier of the science image"),
    Column("diffmaglim", "f4", "mag", "5-sigma limit of the difference image"),
    Column("pdiffimfilename", "str", "", "File of the positive difference image"),
    Column("programpi", "str", "", "Principal investigator of the programme"),
    Column("programid", "i4", "", "Programme: 1 public, 2 partnership, 3 Caltech"),
    Column("tblid", "i8", "", "Number of the candidate in the image and sign, from 0"),
    Column("nid", "i4", "", "Night: days since 2017-01-01"),
    Column("rcid", "i4", "", "Readout channel, 0 to 63"),
    Column("field", "i4", "", "Field"),
    Column("tooflag", "i4", "", "1 when the exposure was a target of opportunity"),
    Column("rfid", "i8", "", "Identifier of the reference"),
    Column("jdstartref", "f8", "day", "Julian date of the reference's earliest epoch"),
    Column("jdendref", "f8", "day", "Julian date of its latest epoch"),
    Column("nframesref", "i4", "", "Number of its epochs"),
    Column("magzpsci", "f4", "mag", "Zero point of the science image"),
    Column("magzpsciunc", "f4", "mag", "1-sigma uncertainty of magzpsci"),
    Column("magzpscirms", "f4", "mag", "Scatter of the calibrators about it"),
    Column("nmatches", "i4", "", "Number of PS1 calibrators used"),
    Column("clrcoeff", "f4", "", "Colour coefficient of the science image"),
    Column("clrcounc", "f4", "", "1-sigma uncertainty of clrcoeff"),
    Column("zpclrcov", "f4", "", "Covariance of magzpsci and clrcoeff"),
    Column("zpmed", "f4", "mag", "Median of the calibrators' zero points"),
    Column("clrmed", "f4", "mag", "Median colour of the calibrators"),
    Column("clrrms", "f4", "mag", "Scatter of their colours"),
    Column("exptime", "f4", "s", "Exposure time"),
)
"""The same for all candidates of an image, but for tblid."""

CUTOUT_COLUMNS = tuple(
    Column(
        f"cutout{name}", "bytes", "DN",
        f"63 x 63 pixels of the {name.lower()} image, float32, little-endian, rows along x, NaN where masked or beyond "
        "the edge; null when a light filter was not passed",
    )
    for name in ("Science", "Template", "Difference")
)  # fmt: skip

RAW_TABLE = (
    Column("candid", "i8", "", "Identifier; other numbers than those of candidates"),
    Column("isdiffpos", "bool", "", "Brighter than the reference; False: fainter"),
    Column("xpos", "f4", "pix", "x position of the peak; the centre of the first pixel is 1"),
    Column("ypos", "f4", "pix", "y position of the peak; the centre of the first pixel is 1"),
    Column("ra", "f8", "deg", "Right ascension, ICRS, to 1e-7"),
    Column("dec", "f8", "deg", "Declination, ICRS, to 1e-7"),
    Column("magpsf", "f4", "mag", "Magnitude of the matched filter's peak"),
    Column("sigmapsf", "f4", "mag", "1-sigma uncertainty of magpsf"),
    Column("scorr", "f4", "", "S_corr at the peak pixel; positive"),
)
"""Detections below the threshold of candidates: enough to tell that, where and how bright something was."""


@dataclass(frozen=True)
class Surroundings:
    """What others know around a quadrant; None what was not asked. epoch_year: Julian year of the exposure. known:
    solar-system bodies."""

    ps1: Ps1Objects | None
    gaia: GaiaStars | None
    epoch_year: float
    known: KnownSky | None = None


@dataclass(frozen=True)
class NearestKnown:
    """The nearest known body of each of n candidates: distance [arcsec] and V magnitude, -999 where there is none
    within reach, and its name, "null" there."""

    distance_arcsec: NDArray[np.float32]
    v_mag: NDArray[np.float32]
    name: NDArray[np.str_]

    @classmethod
    def none(cls, n: int) -> NearestKnown:
        """No body near any of n candidates."""
        missing = np.full(n, NONE_NEAR, np.float32)
        return cls(missing, missing, np.full(n, NO_NAME))

    def columns(self) -> dict[str, NDArray[Any]]:
        """The table of KNOWN_COLUMNS, by name."""
        return {"ssdistnr": self.distance_arcsec, "ssmagnr": self.v_mag, "ssnamenr": self.name}


@dataclass(frozen=True)
class RawDetections:
    """Peaks of S_corr of both signs below the threshold of candidates, each (n,), by row, then column.

    Positions [px] and fluxes [DN] are those of the matched filter's peak between the pixels; fluxes are positive.
    capped: there were more, the most significant are kept.
    """

    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    positive: NDArray[np.bool_]
    scorr: NDArray[np.float64]
    flux_adu: NDArray[np.float64]
    sigma_flux_adu: NDArray[np.float64]
    capped: bool

    def __len__(self) -> int:
        return len(self.x_px)


@dataclass(frozen=True)
class Cutouts:
    """Squares of all candidates, each float32 (n, 63, 63) in DN: the science image with its sky, the reference matched
    to it on the same sky, and their difference in the sign of the candidate. NaN where either image is masked, as in
    packets, and beyond the edge."""

    science: NDArray[np.float32]
    template: NDArray[np.float32]
    difference: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.science)
