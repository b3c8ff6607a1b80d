"""The operations database: its tables and their columns, and all that is on record of a night.

Every row is a function of files; the names of measured columns are those of the records, which are the survey's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ztfpipe.model.columns import Column
from ztfpipe.model.keys import ExposureKey, QuadrantKey, RawKey
from ztfpipe.model.manifest import Manifest
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.records import QaRecord

Row = dict[str, Any]
Rows = Mapping[str, list[Row]]
"""Rows by table."""

IMAGE_KEY = (
    Column("filefracday", "i8", "", "The exposure: UT date and fraction of the day, 14 digits"),
    Column("rcid", "i8", "", "Readout channel, 0 to 63"),
)
_PLACE = (
    Column("night", "str", "", "UT date, YYYYMMDD"),
    Column("field", "i8", "", "Field of the sky grid; 0 for none"),
    Column("filter", "str", "", "Filter code, zg, zr, zi"),
)
RUN_COLUMNS = (
    Column("wall_s", "f8", "s", "Time the step took"),
    Column("cpu_s", "f8", "s", "Processor time of the step"),
    Column("peak_memory_mb", "f8", "MB", "Largest memory of its process"),
    Column("ended_unix", "f8", "s", "When it was done, seconds since 1970"),
)

NIGHTS = (
    Column("night", "str", "", "UT date, YYYYMMDD"),
    Column("sent", "i8", "", "Files sent"),
    Column("accepted", "i8", "", "of these accepted"),
    Column("set_aside", "i8", "", "set aside"),
    Column("not_received", "i8", "", "and not received"),
    Column("exposures", "i8", "", "Exposures of the sky with an accepted quadrant"),
    Column("quadrants", "i8", "", "Quadrants planned"),
    Column("images", "i8", "", "Science images made"),
    Column("images_usable", "i8", "", "of these with STATUS 1"),
    Column("differences", "i8", "", "Differences made"),
    Column("differences_usable", "i8", "", "of these with STATUS 1"),
    Column("candidates", "i8", "", "Candidates of both signs"),
    Column("packets", "i8", "", "Alert packets"),
)
EXPOSURES = (
    Column("filefracday", "i8", "", "UT date and fraction of the day, 14 digits"),
    *_PLACE,
    Column("imgtype", "str", "", "o object, f flat, b bias, d dark"),
    Column("expid", "i8", "", "Exposure identifier"),
    Column("obsjd", "f8", "d", "Julian date of the start"),
    Column("exptime", "f8", "s", "Exposure time"),
    Column("programid", "i8", "", "Observing program, 0 to 3"),
    Column("telra", "f8", "deg", "Commanded right ascension of the field"),
    Column("teldec", "f8", "deg", "Commanded declination"),
    Column("airmass", "f8", "", "Airmass"),
    Column("moonillf", "f8", "", "Illuminated fraction of the Moon"),
    Column("moonalt", "f8", "deg", "Altitude of the Moon"),
    Column("ccds", "i8", "", "Files accepted"),
    Column("quadrants", "i8", "", "Quadrants accepted"),
    Column("npackets", "i8", "", "Alert packets"),
    Column("alerts_wall_s", "f8", "s", "Time that making them took"),
    Column("alerts_ended_unix", "f8", "s", "When they were done, seconds since 1970"),
)


def _numbers(text: str) -> tuple[Column, ...]:
    """Columns of lines `name type unit: sentence`, a unit of - being none."""
    columns = []
    for line in text.strip().splitlines():
        head, _, sentence = line.strip().partition(": ")
        name, dtype, unit = head.split()
        columns.append(Column(name, dtype, "" if unit == "-" else unit, sentence))
    return tuple(columns)


SCIENCE_METRICS = _numbers(
    """
    ra f8 deg: Right ascension of the centre, ICRS
    dec f8 deg: Declination of the centre
    ra1 f8 deg: Right ascension of the corner at pixel (0, 0); the others follow around the image
    dec1 f8 deg: Declination of the first corner
    ra2 f8 deg: Right ascension of the second corner
    dec2 f8 deg: Declination of the second corner
    ra3 f8 deg: Right ascension of the third corner
    dec3 f8 deg: Declination of the third corner
    ra4 f8 deg: Right ascension of the fourth corner
    dec4 f8 deg: Declination of the fourth corner
    infobits i8 -: Quality bits
    fwhm f8 pix: FWHM of stars
    elongation f8 -: Median elongation of stars
    gmedian f8 DN: Background level
    gstddev f8 DN: Robust scatter of the background
    pabszp f8 mag: Zero point against PS1
    pabszpunc f8 mag: Its uncertainty
    pabszprms f8 mag: Scatter of the calibrators about it
    pcolterm f8 -: Colour coefficient
    npscal f8 -: Photometric calibrators on the image
    pnmatches f8 -: of these used
    zpstructure f8 mag: Variation of the zero point over the quadrant
    cloud_structured f8 -: 1 when that is more than a clear sky's
    photometric_bad f8 -: 1 by the archive's photometric criterion
    zpstandard f8 mag: Zero point at 30 s and without air
    zpchange f8 mag: its distance from the median of ten days of the channel and filter
    zero_point_outlier f8 -: 1 when that is more than is usual (INFOBITS bit 26)
    flatrms f8 mag: Scatter of the zero point over 3 x 3 cells
    flatrange f8 mag: Range of the same
    maglimcat f8 mag: Limiting magnitude, 5 sigma
    npsfcat i8 -: Sources of the PSF catalog
    nsexcat i8 -: Sources of the aperture catalog
    anmatches f8 -: Matches with Gaia
    anmatches_grid_min f8 -: Fewest of them in a cell of 3 x 3
    admed1 f8 arcsec: Median residual in right ascension
    admed2 f8 arcsec: Median residual in declination
    admedrad f8 arcsec: Median radial residual
    adpctdif1 f8 arcsec: Half the central 68 % of the residuals in right ascension
    adpctdif2 f8 arcsec: The same in declination
    adminmed f8 arcsec: Smallest median residual of a cell
    admaxmed f8 arcsec: Largest median residual of a cell
    arefmatchpct f8 %: Calibrators matched
    adetmatchpct f8 %: Detections matched
    andegref f8 deg-2: Density of calibrators
    anstarsdet f8 -: Detections for astrometry
    anstarsref f8 -: Calibrators for astrometry
    ascmp1sigma1 f8 arcsec: Scatter of the first pass in right ascension
    ascmp1sigma2 f8 arcsec: The same in declination
    ascmp1chi2 f8 -: Reduced chi square of the first pass
    ascmp2sigma1 f8 arcsec: Scatter of the second pass in right ascension
    ascmp2sigma2 f8 arcsec: The same in declination
    ascmp2chi2 f8 -: Reduced chi square of the second pass
    apctchi2 f8 %: Change of chi square between the passes
    awmeanscale f8 arcsec/pix: Mean pixel scale
    awminscale f8 arcsec/pix: Smallest pixel scale
    awmaxscale f8 arcsec/pix: Largest pixel scale
    apctscale f8 %: Change of the pixel scale from the nominal one
    aimshiftra f8 arcsec: Pointing error in right ascension
    aimshiftdec f8 arcsec: The same in declination
    psf_failed f8 -: 1 without a PSF
    astrocal_failed f8 -: 1 without an astrometric calibration
    photcal_failed f8 -: 1 without a photometric calibration
    ntracks i8 -: Tracks of aircraft and satellites
    pcttrack f8 %: Pixels masked as such
    pctsat f8 %: Saturated pixels
    npixsat i8 -: Saturated pixels
    npixbad i8 -: Unusable pixels
    npixnoisy i8 -: Noisy pixels
    nnanpix i8 -: Pixels without a value
    npixspike i8 -: Pixels of cosmic rays
    fringe_strength f8 -: Fringes taken out
    overscan_level_adu f8 DN: Level of the overscan
    overscan_pixel_sigma_adu f8 DN: Scatter of its pixels
    overscan_residual_rms_adu f8 DN: Scatter of its rows about the fit
    """
)
DIFFERENCE_METRICS = _numbers(
    """
    statusdif i8 -: 1 usable, 0 bad
    refid i8 -: Identifier of the reference
    refimfilename str -: Its name
    refinpseeing f8 pix: Its FWHM
    refsat f8 DN: Its saturation
    infobitsref i8 -: Its quality bits
    refbckgnd f8 DN: Its background as matched
    refsigpix f8 DN: Its noise as matched
    scigain f8 e-/DN: Gain of the science image
    scisat f8 DN: Its saturation
    sciinpseeing f8 pix: Its FWHM
    scibckgnd f8 DN: Its background
    scisigpix f8 DN: Its noise
    fluxrat f8 -: Flux of the science image over that of the reference
    fluxrat_error f8 -: Uncertainty of it
    nregistered i8 -: Stars that registered the pair
    registration_x_px f8 pix: Scatter of the registration in x
    registration_y_px f8 pix: The same in y
    pdiffbckgnd f8 DN: Background of the difference
    diffbckgnd_range f8 DN: Range of the background that was matched
    diffsigpix f8 DN: Noise of the difference
    diffpctbad f8 %: Masked pixels
    difffwhm f8 pix: FWHM of the difference's PSF
    diffmaglim f8 mag: Limiting magnitude, 5 sigma
    scorr_width f8 -: Width of S_corr, 1 for noise as predicted
    diffavgsqbef f8 DN2: Average square before
    diffavgsqaft f8 DN2: and after the subtraction
    diffavgsqchg f8 %: Change of it
    ncandscimref i8 -: Positive candidates
    ncandrefmsci i8 -: Negative candidates
    ncandscimreffilt i8 -: Positive candidates that pass the light filters
    ncandrefmscifilt i8 -: Negative ones
    nsolarsystobj i8 -: Known bodies on the image
    nraw i8 -: Raw detections
    nstreaks i8 -: Streaks
    rbmedian f8 -: Median rb of the candidates
    drbmedian f8 -: Median drb of the candidates
    """
)
_REASON = Column("reason", "str", "", "Why it is bad, or what there is to say of it")
QUADRANTS = (
    *IMAGE_KEY,
    *_PLACE,
    Column("pid", "i8", "", "Processing identifier"),
    Column("ccdid", "i8", "", "CCD, 1 to 16"),
    Column("qid", "i8", "", "Quadrant, 1 to 4"),
    Column("obsjd", "f8", "d", "Julian date of the start of the exposure"),
    Column("exptime", "f8", "s", "Exposure time"),
    Column("programid", "i8", "", "Observing program, 0 to 3"),
    Column("airmass", "f8", "", "Airmass"),
    Column("status", "i8", "", "1 usable, 0 bad"),
    _REASON,
    Column("seeing", "f8", "arcsec", "FWHM of stars"),
    Column("zone", "i8", "", "Declination of the centre in steps of half a degree, for the index of places"),
    *SCIENCE_METRICS,
    *RUN_COLUMNS,
    Column("arrived_unix", "f8", "s", "When its raw file was archived, seconds since 1970"),
)
_DIFFERENCE_NAMES = {"reason": "diffreason", **{one.name: f"diff{one.name}" for one in RUN_COLUMNS}}
"""Names that a difference and its science image both have."""
DIFFERENCES = (
    *IMAGE_KEY,
    Column("night", "str", "", "UT date, YYYYMMDD"),
    Column("diffreason", "str", "", "Why the difference is bad, or what there is to say of it"),
    Column("refversion", "i8", "", "Version of the reference"),
    *DIFFERENCE_METRICS,
    *(Column(_DIFFERENCE_NAMES[one.name], one.dtype, one.unit, one.text) for one in RUN_COLUMNS),
)
CALIBRATION = (
    Column("kind", "str", "", "bias, hifreqflat"),
    Column("night", "str", "", "UT date, YYYYMMDD"),
    Column("filter", "str", "", "Filter code; 00 for a bias"),
    Column("rcid", "i8", "", "Readout channel, 0 to 63"),
    Column("ccdid", "i8", "", "CCD, 1 to 16"),
    Column("qid", "i8", "", "Quadrant, 1 to 4"),
    Column("status", "i8", "", "1 usable, 0 bad"),
    _REASON,
    *_numbers(
        """
        frames_used i8 -: Frames of the stack
        frames_rejected i8 -: Frames left out
        level_adu f8 DN: Level above the overscan, or of the exposures
        level_uncertainty_adu f8 DN: Its uncertainty
        frame_level_median_adu f8 DN: Median level of the frames
        frame_level_sigma_adu f8 DN: Scatter of their levels
        overscan_level_median_adu f8 DN: Median level of the overscan
        overscan_level_sigma_adu f8 DN: Scatter of it between the frames
        pixel_sigma f8 -: Scatter of the master's pixels
        uncertainty_median f8 -: Median uncertainty of a pixel
        scatter_median f8 -: Median scatter of a pixel between the frames
        read_noise_e f8 e-: Read noise
        n_noisy i8 -: Noisy pixels
        n_dead i8 -: Dead pixels
        n_low_response i8 -: Pixels of low response
        n_high_response i8 -: Pixels of high response
        """
    ),
    *RUN_COLUMNS,
)
FAILURES = (
    Column("night", "str", "", "UT date, YYYYMMDD"),
    Column("stage", "str", "", "Stage of the night, as the report counts them"),
    Column("unit", "str", "", "What failed"),
    Column("state", "str", "", "set aside, not received, without a record, STATUS 0"),
    _REASON,
)
RUNS = (
    Column("product", "str", "", "Main product of the step: its path below the archive"),
    Column("step", "str", "", "PIPELINE ACTION"),
    Column("night", "str", "", "UT date, YYYYMMDD"),
    Column("status", "i8", "", "1 usable, 0 bad"),
    Column("recipe", "str", "", "Version of the recipe"),
    *RUN_COLUMNS,
)

TREND_METRICS: dict[str, tuple[str, str, float]] = {
    "pabszp": ("zero point", "mag", 0.01),
    "pabszprms": ("its RMS", "mag", 0.003),
    "seeing": ("seeing", "arcsec", 0.05),
    "maglimcat": ("limiting magnitude", "mag", 0.03),
    "gmedian": ("background", "DN", 3.0),
    "adpctdif1": ("astrometry, right ascension", "arcsec", 0.003),
    "adpctdif2": ("astrometry, declination", "arcsec", 0.003),
    "npsfcat": ("sources", "", 10.0),
    "candidates": ("candidates", "", 2.0),
    "nraw": ("raw detections", "", 20.0),
    "drbmedian": ("median drb", "", 0.02),
    "scorr_width": ("width of S_corr", "", 0.01),
    "diffmaglim": ("limit of differences", "mag", 0.03),
    "run_s": ("run time", "s", 0.5),
}
"""What is watched: name for people, unit, and the scatter from night to night below which none is believed: a change
smaller than a few of it is of no consequence, however steady a channel has been."""
TRENDS = (
    Column("night", "str", "", "UT date, YYYYMMDD"),
    Column("filter", "str", "", "Filter code, zg, zr, zi"),
    Column("rcid", "i8", "", "Readout channel, 0 to 63"),
    Column("images", "i8", "", "Usable science images"),
    *(
        Column(name, "f8", unit, f"Night's median over usable images: {text}")
        for name, (text, unit, _) in TREND_METRICS.items()
    ),
)


@dataclass(frozen=True)
class TableContract:
    """A table: what it holds, its columns, those that name a row, and those that rows are looked for by."""

    text: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()


TABLES: dict[str, TableContract] = {
    "nights": TableContract("Accounts of a night", NIGHTS, ("night",)),
    "exposures": TableContract("Exposures that were accepted", EXPOSURES, ("filefracday",), (("night",), ("field",))),
    "quadrants": TableContract(
        "Science images",
        QUADRANTS,
        ("filefracday", "rcid"),
        (("night",), ("obsjd",), ("zone", "ra"), ("field", "rcid")),
    ),
    "differences": TableContract("Differences", DIFFERENCES, ("filefracday", "rcid"), (("night",), ("refid",))),
    "calibration": TableContract("Masters", CALIBRATION, ("kind", "night", "filter", "rcid"), (("night",),)),
    "failures": TableContract("What has no usable product, and why", FAILURES, ("night", "stage", "unit", "state")),
    "runs": TableContract("What each step took", RUNS, ("product",), (("night",),)),
    "trends": TableContract(
        "Medians of a night by channel and filter", TRENDS, ("night", "filter", "rcid"), (("filter", "rcid"),)
    ),
}


@dataclass(frozen=True)
class NightRecords:
    """All that is on record of a night. masters: by the name that the quality recipe gives them; arrived_unix: when raw
    files were archived; unreadable: records that cannot be read, and why, by path."""

    manifest: Manifest
    plan: NightPlan
    masters: Mapping[str, QaRecord]
    science: Mapping[QuadrantKey, QaRecord]
    differences: Mapping[QuadrantKey, QaRecord]
    alerts: Mapping[ExposureKey, QaRecord] = field(default_factory=dict)
    moving: Mapping[str, QaRecord] = field(default_factory=dict)
    arrived_unix: Mapping[RawKey, float] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
