"""Headers and files of a science image: the keywords of real ones, in their order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.model import identifiers
from ztfpipe.model.images import Cards, HeaderValue
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.science import ScienceImage
from ztfpipe.model.templates import FRINGE, LOFREQFLAT
from ztfpipe.model.wcs import PV_INDICES, TpvWcs
from ztfpipe.products.formats.fits import write_image
from ztfpipe.products.images.templates import NIGHT_KEYWORDS, fringe_cards

PROCESSING_VERSION = 1

Card = tuple[str, HeaderValue, str]


@dataclass(frozen=True)
class Origin:
    """Where an image comes from: its key, ids of its masters by type, the name of its astrometric catalog, and the
    nights its masters are of, by type: not always its own."""

    key: QuadrantKey
    jd: float
    calibration_ids: dict[str, int]
    astrometric_catalog: str
    master_nights: dict[str, str] = field(default_factory=dict)


def science_header(raw: Cards, image: ScienceImage, origin: Origin, camera: Camera) -> Cards:
    """All keywords of a sciimg, and of the products made from it, in the order of the archive's.

    raw: the exposure's and quadrant's keywords. A number that could not be measured is left out: FITS has no NaN.
    """
    cards: dict[str, tuple[HeaderValue, str]] = {"BUNIT": ("Data Value", "")}
    cards |= dict(raw)
    for keyword, value, comment in (
        *_wcs_cards(image.wcs),
        *_astrometry_cards(image, origin),
        *_photometry_cards(image, camera, origin.key),
        *_aperture_cards(image),
        *_identity_cards(image, origin),
        *_quality_cards(image, camera, origin.key.night),
        *_database_cards(origin, camera),
    ):
        if not (isinstance(value, float) and not math.isfinite(value)):
            cards[keyword] = (value, comment)
    return cards


def write_science_image(path: str | Path, image: ScienceImage, header: Cards) -> None:
    """Write sciimg: float32 pixels with the sky left in."""
    write_image(path, image.image_adu.astype(np.float32, copy=False), header)


def write_mask_image(path: str | Path, image: ScienceImage, header: Cards) -> None:
    """Write mskimg: 16-bit integers; bits 0 to 12 are used, so they are not unsigned."""
    write_image(path, image.mask.astype(np.int16), {**header, "BUNIT": ("bit mask", "")})


def _wcs_cards(wcs: TpvWcs) -> Iterator[Card]:
    yield "WCSVERS", "2.1", "WCS version number"
    yield "WCSAXES", 2, "Number of WCS axes"
    yield "WCSNAME", "ZTF", "Name of the WCS coordinate system"
    yield "RADESYS", "ICRS", "Coordinate reference system"
    yield "CTYPE1", "RA---TPV", "Name of coord X axis"
    yield "CTYPE2", "DEC--TPV", "Name of coord Y axis"
    for axis in (0, 1):
        name = "XY"[axis]
        yield f"CRPIX{axis + 1}", float(wcs.crpix_px[axis]) + 1.0, f"Coord system {name} ref pixel"
    for axis in (0, 1):
        yield f"CRVAL{axis + 1}", float(wcs.crval_deg[axis]), f"Coord system value at CRPIX{axis + 1}"
    for axis in (0, 1):
        yield f"CUNIT{axis + 1}", "deg", f"Units for axis {axis + 1}"
    for row in (0, 1):
        for column in (0, 1):
            yield f"CD{row + 1}_{column + 1}", float(wcs.cd_deg[row, column]), "WCS matrix"
    yield "CCD_ROT", 0.0, "CCD rotation angle"
    for axis in (0, 1):
        for index, value in zip(PV_INDICES, wcs.pv[axis], strict=True):
            yield f"PV{axis + 1}_{index}", float(value), "Projection distortion parameter"


def _astrometry_cards(image: ScienceImage, origin: Origin) -> Iterator[Card]:
    found = image.astrometry
    if found is not None:
        yield "ASTRRMS1", found.rms_deg[0], "Astrom. dispersion RMS (ref., high S/N)"
        yield "ASTRRMS2", found.rms_deg[1], "Astrom. dispersion RMS (ref., high S/N)"
        yield "ASTROMN", found.n_matches, "Number of astrometric matches"
        yield "ASTCHI2", found.chi2, "Reduced chi-square of the astrometric fit"
    yield "SCAMPFIL", Path(origin.astrometric_catalog).name, "Astrometric reference catalog"
    yield "SCAMPPTH", str(Path(origin.astrometric_catalog).parent), "Its folder"


def _photometry_cards(image: ScienceImage, camera: Camera, key: QuadrantKey) -> Iterator[Card]:
    yield "CALNOTE1", "*** photometric-calibration keywords below are from PSF-fitting:", ""
    yield "CALNOTE2", "*** will also be applicable to aperture measurements on point", ""
    yield "CALNOTE3", "*** sources using psf_mag-aper_mag corrections below (if available)", ""
    fit = image.photometry
    yield "NMATCHES", fit.n_matches if fit else 0, "Number of photometric calibrators used"
    if fit is not None:
        yield "MAGZP", fit.zero_point, "Magnitude zero point for PSF-photometry [mag]"
        yield "MAGZPUNC", fit.zero_point_error, "Magnitude zero point uncertainty [mag]"
        yield "MAGZPRMS", fit.zero_point_rms, "Magnitude zero point RMS deviation [mag]"
        yield "CLRCOEFF", fit.colour_term, "Color coefficient from linear fit"
        yield "CLRCOUNC", fit.colour_term_error, "Color coefficient uncertainty from linear fit"
        yield "ZPCLRCOV", fit.covariance, "Covariance in MAGZP and CLRCOEFF [mag^2]"
    yield "PCOLOR", camera.filter(key.exposure.filter).colour_text, "Calibrator color used for PSF-fit calibration"
    yield "SATURATE", image.saturation_adu, "Saturation value in final science image [DN]"
    if fit is not None:
        yield "ZPMED", fit.zero_point_median, "Mag zero point from median of mag diffs [mag]"
        yield "ZPAVG", fit.zero_point_average, "Mag zero point from average of mag diffs [mag]"
        yield "ZPRMSALL", fit.zero_point_rms_all, "Mag zero point RMS from all mag diffs [mag]"
        yield "CLRMED", fit.colour_median, "Median calibrator color [mag]"
        yield "CLRAVG", fit.colour_average, "Average calibrator color [mag]"
        yield "CLRRMS", fit.colour_rms, "RMS in calibrator color [mag]"


def _aperture_cards(image: ScienceImage) -> Iterator[Card]:
    found = image.apertures
    if found is None:
        return
    yield "FIXAPERS", ",".join(f"{d:g}" for d in found.diameters_px), "fixed aperture diameters used [pixels]"
    numbers = zip(found.diameters_px, found.correction_mag, found.error_mag, strict=True)
    for index, (diameter, correction, error) in enumerate(numbers, start=1):
        yield f"APCOR{index}", correction, f"PSF_mag - AP_mag for AP.diam={diameter:4.1f} pix."
        yield f"APCORUN{index}", error, f"Uncertainty in APCOR{index} [mag]"


def _identity_cards(image: ScienceImage, origin: Origin) -> Iterator[Card]:
    key = origin.key
    yield "CCDID", key.ccdid, "CCD identifier [1..16]"
    yield "QID", key.qid, "Quadrant identifier [1..4]"
    yield "RCID", key.rcid, "Readout-channel identifier [0..63]"
    yield "EXPID", identifiers.exposure_id(origin.jd), "Exposure identifier"
    bits = ", ".join(str(bit) for bit in range(32) if image.infobits >> bit & 1)
    yield "INFOBITS", image.infobits, f"infoBits string; bit(s) = {bits or 'null'}"
    yield "SEEING", round(image.seeing_px, 3), "seeing FWHM [pixels]"
    for keyword, kind, text in (
        ("CIDPMASK", "pmask", "pmask"),
        ("CIDBIAS", "bias", "bias"),
        ("CIDHIFLT", "hifreqflat", "hi-nu flat"),
        ("CIDLOFLT", "lofreqflat", "low-nu flat"),
    ):
        if kind in origin.calibration_ids:
            yield keyword, origin.calibration_ids[kind], f"calibration DB ID for {text} image input"
    for keyword, kind, text in (
        ("BIASNITE", "bias", "bias master"),
        ("FLATNITE", "hifreqflat", "hi-nu flat master"),
        (NIGHT_KEYWORDS[LOFREQFLAT], LOFREQFLAT, "lo-nu flat"),
        (NIGHT_KEYWORDS[FRINGE], FRINGE, "fringe template"),
    ):
        if kind in origin.master_nights:
            yield keyword, origin.master_nights[kind], f"night of the {text}"
    if image.fringes is not None:
        for keyword, (value, text) in fringe_cards(image.fringes).items():
            yield keyword, value, text
    yield "MAGLIM", round(image.limiting_mag, 3), "5-sigma mag-limit in PSF-fit catalog [mag]"


def _quality_cards(image: ScienceImage, camera: Camera, night: str) -> Iterator[Card]:
    for bit in camera.infobits:
        if bit.in_force(night):
            yield f"BIT{bit.bit:02d}", bit.bit, bit.sentence(night)
    yield "STATUS", image.status, "overall processing flag: 0 = bad; 1 = usable"


def _database_cards(origin: Origin, camera: Camera) -> Iterator[Card]:
    key = origin.key
    expid = identifiers.exposure_id(origin.jd)
    yield "DBPID", identifiers.processing_id(expid, key.rcid), "Database processed-image ID"
    yield "PROCVSN", PROCESSING_VERSION, "Processing version"
    yield "DBFIELD", key.exposure.field, "Database field"
    yield "DBNID", identifiers.night_id(origin.jd), "Database night ID"
    yield "DBEXPID", expid, "Database exposure ID"
    yield "DBRID", identifiers.raw_id(expid, key.rcid), "Database raw-image ID"
    yield "DBRCID", key.rcid, "Database readout-channel ID"
    yield "DBFID", camera.filter(key.exposure.filter).fid, "Database filter ID"
    yield "DBPIPEID", identifiers.PIPELINE_ID, "Database pipeline ID"
