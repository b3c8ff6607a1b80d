"""Headers and files of a science image: the keywords of real ones, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.model import identifiers
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.quality import bits_set
from ztfpipe.model.science import ScienceImage
from ztfpipe.model.templates import FRINGE, LOFREQFLAT
from ztfpipe.products.formats.fits import write_image
from ztfpipe.products.images.headers import Card, aperture_cards, measured
from ztfpipe.products.images.templates import NIGHT_KEYWORDS, fringe_cards
from ztfpipe.products.images.wcs import wcs_cards

PROCESSING_VERSION = 1


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
    cards: tuple[Card, ...] = (
        ("WCSVERS", "2.1", "WCS version number"),
        ("WCSNAME", "ZTF", "Name of the WCS coordinate system"),
        *wcs_cards(image.wcs, distorted=True),
        ("CCD_ROT", 0.0, "CCD rotation angle"),
        *_astrometry_cards(image, origin),
        *_photometry_cards(image, camera, origin.key),
        *aperture_cards(image.apertures),
        *_identity_cards(image, origin),
        *_quality_cards(image, camera, origin.key.night),
        *_database_cards(origin, camera),
    )
    return {"BUNIT": ("Data Value", ""), **raw, **measured(cards)}


def write_science_image(path: str | Path, image: ScienceImage, header: Cards) -> None:
    """Write sciimg: float32 pixels with the sky left in."""
    write_image(path, image.image_adu.astype(np.float32, copy=False), header)


def write_mask_image(path: str | Path, image: ScienceImage, header: Cards) -> None:
    """Write mskimg: 16-bit integers; bits 0 to 12 are used, so they are not unsigned."""
    write_image(path, image.mask.astype(np.int16), {**header, "BUNIT": ("bit mask", "")})


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


def _identity_cards(image: ScienceImage, origin: Origin) -> Iterator[Card]:
    key = origin.key
    yield "CCDID", key.ccdid, "CCD identifier [1..16]"
    yield "QID", key.qid, "Quadrant identifier [1..4]"
    yield "RCID", key.rcid, "Readout-channel identifier [0..63]"
    yield "EXPID", identifiers.exposure_id(origin.jd), "Exposure identifier"
    bits = ", ".join(map(str, bits_set(image.infobits)))
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
