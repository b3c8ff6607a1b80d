"""Data releases: the tables that are made of a matchfile, and what can be asked of a release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.columns import Column
from ztfpipe.model.lightcurve import N_DEVIATIONS, SOURCE_COLUMNS, dtype_of
from ztfpipe.model.regions import Region

PERCENTILE_NAMES = ("05", "10", "175", "25", "325", "40", "60", "675", "75", "825", "90", "95")
NOBS_LIMITS = (1, 2, 5, 10, 20)
"""Lengths of light curves that a release counts: its table 4."""


def _flat(column: Column) -> Iterator[tuple[Column, int | None]]:
    """Columns of one number each, and their place in the matchfile's column if that is a vector."""
    if column.width == 1:
        yield column, None
        return
    suffixes = PERCENTILE_NAMES if column.name == "percentiles" else [str(k + 1) for k in range(N_DEVIATIONS)]
    for place, suffix in enumerate(suffixes):
        yield Column(f"{column.name}_{suffix}", column.dtype, column.unit, f"{column.text}: number {place + 1}"), place


STATISTICS = tuple(
    (flat, column.name, place)
    for column in SOURCE_COLUMNS
    if column.name not in ("matchid", "ra", "dec")
    for flat, place in _flat(column)
)
"""Columns of the objects table that are a matchfile's: the column, the matchfile's name for it, and the place there."""
_SIGNED = {"u1": "i2", "u2": "i4", "i4": "i4", "f4": "f4", "f8": "f8"}
OBJECT_TABLE = (
    Column("oid", "i8", "", "Object: its light-curve identifier"),
    Column("ra", "f8", "deg", "Right ascension in the reference, at its epoch"),
    Column("dec", "f8", "deg", "Declination in the reference, at its epoch; rows are in its order"),
    Column("field", "i4", "", "Field"),
    Column("ccdid", "i2", "", "CCD, 1 to 16"),
    Column("qid", "i2", "", "Quadrant, 1 to 4"),
    Column("rcid", "i2", "", "Readout channel, 0 to 63"),
    Column("fid", "i2", "", "Filter: 1 g, 2 r, 3 i"),
    Column("filtercode", "str", "", "Filter: zg, zr, zi"),
    *(Column(one.name, _SIGNED[one.dtype], one.unit, one.text) for one, _, _ in STATISTICS),
)
"""All sources of a reference, with the statistics of their light curves; a vector of the matchfile is columns."""

INDEX_TABLE = (
    Column("dec", "f8", "deg", "Declination; rows are in its order"),
    Column("ra", "f8", "deg", "Right ascension"),
    Column("start", "i8", "", "First row among the measurements; there are nobsrel"),
    Column("matchid", "i4", "", "Source"),
    Column("medianmag", "f4", "mag", "Median of the good measurements, released or not"),
    Column("nobsrel", "i4", "", "Number of released measurements"),
    Column("ngoodobsrel", "i4", "", "The same, with catflags < 32768"),
)
"""The sky index of a file: its objects, row by row as in the objects table."""
MEASUREMENT_TABLE = (
    Column("hjd", "f8", "d", "Heliocentric Julian date of mid-exposure; ascending in a light curve"),
    Column("ra", "f8", "deg", "Right ascension of the detection"),
    Column("dec", "f8", "deg", "Declination of the detection"),
    Column("mag", "f4", "mag", "Calibrated magnitude"),
    Column("magerr", "f4", "mag", "1-sigma uncertainty"),
    Column("chi", "f4", "", "DAOPHOT's chi"),
    Column("sharp", "f4", "", "DAOPHOT's sharp"),
    Column("catflags", "i4", "", "Defect bits; bit 15: epoch bad"),
    Column("exposure", "i4", "", "Row among the exposures"),
)
"""Released measurements, light curve after light curve in the order of the sky index."""
EXPOSURE_TABLE = (
    Column("expid", "i8", "", "Exposure identifier"),
    Column("mjd", "f8", "d", "Modified Julian date of the start"),
    Column("filefracday", "i8", "", "UT date and fraction of the day, as in file names"),
    Column("limitmag", "f4", "mag", "5-sigma limiting magnitude"),
    Column("magzp", "f4", "mag", "Zero point"),
    Column("magzprms", "f4", "mag", "RMS of its residuals"),
    Column("clrcoeff", "f4", "", "Colour coefficient"),
    Column("clrcounc", "f4", "", "Its 1-sigma uncertainty"),
    Column("exptime", "f4", "s", "Exposure time"),
    Column("airmass", "f4", "", "Airmass"),
    Column("programid", "i2", "", "Observing program"),
    Column("infobits", "i8", "", "Quality bits of the image"),
    Column("nsources", "i4", "", "Number of sources in its PSF catalog"),
)
"""Released exposures of a file."""
INDEX, MEASUREMENT, EXPOSURE = (dtype_of(one) for one in (INDEX_TABLE, MEASUREMENT_TABLE, EXPOSURE_TABLE))

FILE_TABLE = (
    Column("field", "i4", "", "Field"),
    Column("fid", "i2", "", "Filter: 1 g, 2 r, 3 i"),
    Column("filter", "str", "", "Filter: zg, zr, zi"),
    Column("ccdid", "i2", "", "CCD"),
    Column("qid", "i2", "", "Quadrant"),
    Column("ra", "f8", "deg", "Right ascension of the middle of its objects"),
    Column("dec", "f8", "deg", "Declination of the middle"),
    Column("radius", "f8", "deg", "Farthest object from the middle"),
    Column("objects", "i8", "", "Number of objects"),
    Column("measurements", "i8", "", "Number of measurements"),
    *(
        Column(f"curves_{n}", "i8", "", f"Number of light curves of {n} or more epochs, good or bad")
        for n in NOBS_LIMITS
    ),
)
"""The files of a release: where they are on the sky and what they hold."""

CURVE_COLUMNS = (
    "oid", "expid", "hjd", "mjd", "mag", "magerr", "catflags", "filtercode", "ra", "dec", "chi", "sharp",
    "filefracday", "field", "ccdid", "qid", "limitmag", "magzp", "magzprms", "clrcoeff", "clrcounc", "exptime",
    "airmass", "programid",
)  # fmt: skip
"""Of the archive's light-curve service, in its order; mjd is of the start of the exposure there, hjd of the middle."""
_KNOWN = {one.name: one for one in (*OBJECT_TABLE, *EXPOSURE_TABLE, *MEASUREMENT_TABLE)}
CURVE_TABLE = tuple(_KNOWN[name] for name in CURVE_COLUMNS)


@dataclass(frozen=True)
class Released:
    """What a release shows of a matchfile, objects in ascending order of declination.

    sources: rows of `sources` with nobsrel and ngoodobsrel counted anew; start: (n + 1,) where the measurements of
    each begin; data: rows of sourcedata, each light curve in order of time; epoch: exposure of each; exposures:
    released ones, rows of `exposures`.
    """

    sources: NDArray[np.void]
    start: NDArray[np.int64]
    data: NDArray[np.void]
    epoch: NDArray[np.int64]
    exposures: NDArray[np.void]


@dataclass(frozen=True)
class Limit:
    """A condition on a column of the objects table: `magrms > 0.1`. comparison: one of < <= = >= > !=."""

    column: str
    comparison: str
    value: float


@dataclass(frozen=True)
class Query:
    """What is asked of a release; what is None or empty limits nothing.

    Objects: by oid, in any of the regions, or within radius_deg of positions (n, 2) [ra, dec, deg]; then limits on
    filter numbers, median magnitude and any statistic. Measurements: by MJD of the exposure's start, and without any
    bit of the mask in catflags; nobs_min is the least number of measurements that are left.
    """

    oids: tuple[int, ...] = ()
    regions: tuple[Region, ...] = ()
    positions: NDArray[np.float64] | None = None
    radius_deg: float = 0.0
    fids: tuple[int, ...] = ()
    mag: tuple[float, float] | None = None
    limits: tuple[Limit, ...] = ()
    time_mjd: tuple[float, float] | None = None
    bad_catflags_mask: int = 0
    nobs_min: int = 0
