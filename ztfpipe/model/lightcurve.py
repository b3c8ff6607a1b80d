"""Matchfiles: the columns of their tables, their frozen lists of epochs, and rows on their way to them.

Columns, types and their order are those of the archive's matchfiles; what is ours stands behind them, so that a reader
by name or by place finds what it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.columns import Column
from ztfpipe.model.keys import QuadrantKey, ReferenceKey
from ztfpipe.model.wcs import TpvWcs

N_PERCENTILES, N_DEVIATIONS, N_SURFACE = 12, 3, 15
SURFACE_COLUMNS = tuple(f"relphotsurface{k:02d}" for k in range(N_SURFACE))
FIRST_TRANSIENT_ID = 10_000_000
"""Match ids of transients begin here: no source of a reference has as high a one, and eight digits still hold it."""
EDGE_FLAGS, BAD_EPOCH = 65535, 1 << 15
"""catflags of a source on the edge, whose psfcat flags are -1; the bit of an epoch that is probably unusable."""
BAD_EPOCH_INFOBIT = 25

EXPOSURE_COLUMNS = (
    Column("airmass", "f4", "", "Airmass"),
    Column("clrcoeff", "f4", "", "Colour coefficient of the photometric calibration"),
    Column("clrcounc", "f4", "", "Its 1-sigma uncertainty"),
    Column("clrmed", "f4", "mag", "Median colour of the calibrators"),
    Column("clrrms", "f4", "mag", "RMS of their colours"),
    Column("diq", "f4", "arcsec", "Delivered image quality: seeing FWHM"),
    Column("expid", "u4", "", "Exposure identifier"),
    Column("exptime", "f4", "s", "Exposure time"),
    Column("fieldid", "u4", "", "Field"),
    Column("filterid", "u2", "", "Filter: 1 g, 2 r, 3 i"),
    Column("fracday", "u8", "", "UT date and fraction of the day, as in file names"),
    Column("gmedian", "f4", "DN", "Median of the image's pixels"),
    Column("infobits", "u4", "", "Quality bits of the image"),
    Column("ipac_pub_date", "f4", "d", "Date of publication, MJD; NaN before"),
    Column("limitmag", "f4", "mag", "5-sigma limiting magnitude"),
    Column("magzp", "f4", "mag", "Zero point of the photometric calibration"),
    Column("magzprms", "f4", "mag", "RMS of its residuals"),
    Column("magzpunc", "f4", "mag", "Its 1-sigma uncertainty"),
    Column("nps1matches", "i4", "", "Number of photometric calibrators used"),
    Column("nsources", "i4", "", "Number of sources in the catalog"),
    Column("nstars", "i4", "", "Number of those that are sources of the reference"),
    Column("ntransients", "i4", "", "Number of those that are not"),
    Column("obshjd", "f8", "d", "Heliocentric Julian date of the start, at the centre"),
    Column("obsmjd", "f8", "d", "Modified Julian date of the start"),
    Column("pcolor", "S8", "", "Colour of the photometric calibration"),
    Column("programid", "u2", "", "Observing program"),
    Column("programpi", "S40", "", "Its principal investigator"),
    Column("rcid", "u1", "", "Readout channel"),
    Column("zpclrcov", "f4", "mag", "Covariance of zero point and colour coefficient"),
    Column("zpmed", "f4", "mag", "Zero point from the median of differences"),
    Column("relphotzp", "f4", "mag", "Delta zero point: mean of the correction added to the epoch's magnitudes"),
    Column("relphotzperr", "f4", "mag", "Its 1-sigma uncertainty; NaN where there is no correction"),
    Column("relphotrms", "f4", "mag", "Robust scatter of the calibrators about the solution"),
    Column("relphotstars", "i4", "", "Number of calibrators that the correction was found from"),
    # One column each: kowalski's reader makes a pandas table of all columns, which holds no arrays.
    *(
        Column(name, "f4", "mag", f"Coefficient {k} of the correction over the quadrant, see docs/lightcurve.md")
        for k, name in enumerate(SURFACE_COLUMNS)
    ),
)  # fmt: skip

_MEASURED = (
    Column("catflags", "u2", "", "Defect bits within 5 x 5 pixels; bit 15: epoch bad; 65535: on or near the edge"),
    Column("chi", "f4", "", "DAOPHOT's chi"),
    Column("dec", "f8", "deg", "Declination of the detection"),
    Column("expid", "u4", "", "Exposure identifier"),
    Column("hjd", "f8", "d", "Heliocentric Julian date of mid-exposure"),
    Column("mag", "f4", "mag", "Calibrated magnitude, corrected"),
    Column("magerr", "f4", "mag", "1-sigma uncertainty, from the repeatability at this magnitude"),
    Column("magerrmodel", "f4", "mag", "1-sigma uncertainty of the PSF fit"),
    Column("matchid", "u4", "", "Source"),
    Column("mjd", "f8", "d", "Modified Julian date of mid-exposure"),
    Column("programid", "u2", "", "Observing program"),
    Column("psfflux", "f4", "DN", "PSF-fit flux"),
    Column("psffluxerr", "f4", "DN", "Its 1-sigma uncertainty"),
)
_PLACE = (
    Column("ra", "f8", "deg", "Right ascension of the detection"),
    Column("sharp", "f4", "", "DAOPHOT's sharp"),
)
UNCALIBRATED = Column("uncalibmag", "f4", "mag", "Magnitude by the epoch's own zero point alone")
SOURCEDATA_COLUMNS = (
    *_MEASURED,
    *_PLACE,
    Column("xpos", "f4", "pix", "x; the centre of the first pixel is 1"),
    Column("ypos", "f4", "pix", "y; the centre of the first pixel is 1"),
    UNCALIBRATED,
)
TRANSIENTDATA_COLUMNS = (
    *_MEASURED,
    Column("psfmag", "f4", "mag", "Instrumental magnitude"),
    Column("psfmagerr", "f4", "mag", "Its 1-sigma uncertainty"),
    *_PLACE,
    Column("sid", "u8", "", "Number of the source in its catalog"),
    Column("snr", "f4", "", "psfflux / psffluxerr"),
    Column("x", "f8", "", "Unit vector of the detection"),
    Column("xpos", "f4", "pix", "x; the centre of the first pixel is 1"),
    Column("y", "f8", "", "Unit vector of the detection"),
    Column("ypos", "f4", "pix", "y; the centre of the first pixel is 1"),
    Column("z", "f8", "", "Unit vector of the detection"),
    UNCALIBRATED,
)
SOURCE_COLUMNS = (
    Column("astrometricrms", "f8", "rad", "RMS distance of the detections from their mean direction"),
    Column("chisq", "f4", "", "Reduced chi-square about the weighted mean"),
    Column("con", "f4", "", "Fraction of runs of three measurements all 2 sigma to one side of the mean"),
    Column("dec", "f8", "deg", "Declination in the reference, at its epoch; of a transient at first sight"),
    Column("lineartrend", "f4", "mag/d", "Slope of a straight line through the light curve"),
    Column("magrms", "f4", "mag", "Standard deviation"),
    Column("matchid", "i4", "", "Number of the source: its sourceid in the reference's PSF catalog"),
    Column("maxmag", "f4", "mag", "Faintest magnitude"),
    Column("maxslope", "f4", "mag/d", "Steepest slope between successive measurements"),
    Column("meanmag", "f4", "mag", "Mean"),
    Column("medianabsdev", "f4", "mag", "Median of absolute deviations from the median"),
    Column("medianmag", "f4", "mag", "Median"),
    Column("medmagerr", "f4", "mag", "Median of the uncertainties"),
    Column("minmag", "f4", "mag", "Brightest magnitude"),
    Column("nabovemeanbystd", "u2", "", "Number more than 1, 2, 3 sigma above the mean (fainter)", N_DEVIATIONS),
    Column("nbelowmeanbystd", "u2", "", "Number more than 1, 2, 3 sigma below the mean (brighter)", N_DEVIATIONS),
    Column("nconsecabovemeanbystd", "u2", "", "Longest run of such above", N_DEVIATIONS),
    Column("nconsecbelowmeanbystd", "u2", "", "Longest run of such below", N_DEVIATIONS),
    Column("nconsecfrommeanbystd", "u2", "", "Longest run of such on either side", N_DEVIATIONS),
    Column("ngoodobs", "u2", "", "Number of measurements with catflags < 32768, of which the statistics are"),
    Column("ngoodobsrel", "u2", "", "The same, of what has been released"),
    Column("nmedianbufferrange", "u2", "", "Number within a tenth of the half range from the median"),
    Column("nobs", "u2", "", "Number of measurements"),
    Column("nobsrel", "u2", "", "The same, of what has been released"),
    Column("npairposslope", "u2", "", "Of the last 30 successive pairs, number that get fainter"),
    Column("percentiles", "f4", "mag", "5, 10, 17.5, 25, 32.5, 40, 60, 67.5, 75, 82.5, 90, 95 %", N_PERCENTILES),
    Column("ra", "f8", "deg", "Right ascension in the reference, at its epoch; of a transient at first sight"),
    Column("refchi", "f4", "", "chi in the reference"),
    Column("refmag", "f4", "mag", "Magnitude in the reference"),
    Column("refmagerr", "f4", "mag", "Its 1-sigma uncertainty"),
    Column("refsharp", "f4", "", "sharp in the reference"),
    Column("refsnr", "f4", "", "S/N in the reference"),
    Column("skewness", "f4", "", "Third moment over the 1.5th power of the second"),
    Column("smallkurtosis", "f4", "", "Excess kurtosis, unbiased for small samples"),
    Column("stetsonj", "f4", "", "Stetson's J"),
    Column("stetsonk", "f4", "", "Stetson's K"),
    Column("uncalibmeanmag", "f4", "mag", "Mean of the uncorrected magnitudes"),
    Column("vonneumannratio", "f4", "", "Mean square successive difference over the variance"),
    Column("weightedmagrms", "f4", "mag", "Weighted standard deviation"),
    Column("weightedmeanmag", "f4", "mag", "Weighted mean"),
    Column("x", "f8", "", "Unit vector of ra, dec"),
    Column("y", "f8", "", "Unit vector of ra, dec"),
    Column("z", "f8", "", "Unit vector of ra, dec"),
    Column("pmra", "f4", "mas/yr", "Gaia's proper motion in right ascension, times cos dec; 0 when unknown"),
    Column("pmdec", "f4", "mas/yr", "Gaia's proper motion in declination; 0 when unknown"),
    Column("calibrator", "u1", "", "1 if zero points were solved from it"),
)
NONDETECTION_COLUMNS = (
    Column("expid", "u4", "", "Exposure that covers the source"),
    Column("limitmag", "f4", "mag", "Upper limit on the source's light: 5-sigma limiting magnitude of the exposure"),
    Column("matchid", "u4", "", "Source that was not detected"),
)
MATCH_TABLES = {
    "exposures": EXPOSURE_COLUMNS,
    "sourcedata": SOURCEDATA_COLUMNS,
    "sources": SOURCE_COLUMNS,
    "transientdata": TRANSIENTDATA_COLUMNS,
    "transients": SOURCE_COLUMNS,
    "nondetections": NONDETECTION_COLUMNS,
}


def dtype_of(columns: tuple[Column, ...]) -> np.dtype:
    """A table's rows as numpy has them."""
    return np.dtype(
        [(one.name, one.dtype) if one.width == 1 else (one.name, one.dtype, (one.width,)) for one in columns]
    )


DTYPES = {name: dtype_of(columns) for name, columns in MATCH_TABLES.items()}
"""Of each table's rows."""


@dataclass(frozen=True)
class MatchEpochs:
    """The frozen list of a matchfile: what it is made of and with, and the epochs in the order of their arrival.

    version: of the reference; settings: the section in force when the list was begun.
    """

    reference: ReferenceKey
    version: int
    recipe_version: int
    settings: Mapping[str, object]
    epochs: tuple[QuadrantKey, ...]


@dataclass(frozen=True)
class EpochCatalog:
    """One epoch: its PSF catalog and what its header and record say of it.

    facts: columns of `exposures` that are read and not computed, NaN where unknown; wcs: None when there is none.
    """

    key: QuadrantKey
    catalog: PsfCatalog
    facts: Mapping[str, float | int | str]
    wcs: TpvWcs | None
    shape: tuple[int, int]


@dataclass(frozen=True)
class Seeds:
    """What detections are matched with: directions (n, 3) at `mjd`, their motion (n, 3) a day along the sphere's
    tangent, match ids (n,)."""

    direction: NDArray[np.float64]
    motion_per_day: NDArray[np.float64]
    matchid: NDArray[np.int64]
    mjd: float

    def at(self, mjd: float) -> NDArray[np.float64]:
        """Unit vectors (n, 3) at another time."""
        moved = self.direction + (mjd - self.mjd) * self.motion_per_day
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)


@dataclass(frozen=True)
class EpochRows:
    """What one epoch adds to the tables of a matchfile, as structured arrays of DTYPES."""

    exposures: NDArray[np.void]
    sourcedata: NDArray[np.void]
    transientdata: NDArray[np.void]
    transients: NDArray[np.void]
    nondetections: NDArray[np.void]
