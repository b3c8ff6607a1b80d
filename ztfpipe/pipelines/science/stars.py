"""Stars of a calibrated quadrant: first look, PSF, the two catalogs, zero point."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Filter
from ztfpipe.config import Science
from ztfpipe.errors import Unusable
from ztfpipe.methods.detector.flags import box_flags
from ztfpipe.methods.sky import projection
from ztfpipe.methods.sky.astrometry import Detections as SkyDetections
from ztfpipe.methods.sky.background import estimate
from ztfpipe.methods.sky.matching import match_sky
from ztfpipe.methods.stars import apertures, calibration, extraction
from ztfpipe.methods.stars.detection import detect, gaussian_filter
from ztfpipe.methods.stars.photometry import find_and_fit
from ztfpipe.methods.stars.psf_fit import fit_psf
from ztfpipe.methods.stars.seeing import first_fwhm
from ztfpipe.model.catalogs import ApertureCatalog, PhotometricCalibrators, PsfCatalog
from ztfpipe.model.science import ApertureCorrections, PhotometrySummary
from ztfpipe.model.stars import Detections, FittedStars, PsfModel
from ztfpipe.model.wcs import TpvWcs

Image = NDArray[np.float32]
GUESSED_FWHM_PX = 2.0
"""Typical seeing of the survey: shape of the very first filter."""
FIRST_MESH_PX = 32
"""Mesh of the background under the first detections: their fluxes need not be right."""
ELONGATION_SNR = 30.0
"""From here on the noise changes A / B of a star by less than a tenth."""

ASTROMETRIC_SNR, ASTROMETRIC_GOOD = 10.0, 0.8
"""Least S/N, and least unmasked share of the PSF's weight, of fitted stars that refine the astrometry."""


@dataclass(frozen=True)
class FirstLook:
    """Detections before there is a PSF, and the seeing they show [px]."""

    found: Detections
    fwhm_px: float

    def for_astrometry(self) -> SkyDetections:
        """Positions with the error of a Gaussian centroid, FWHM / (2.35 S/N), and a floor of a fiftieth of a pixel."""
        error = np.hypot(self.fwhm_px / (2.3548 * self.found.significance), 0.02)
        return SkyDetections(self.found.x_px, self.found.y_px, error, self.found.flux_adu)


@dataclass(frozen=True)
class Photometry:
    """PSF-fit stars, the image less them, the background they were fitted on beyond the first one, and the aperture
    corrections."""

    stars: FittedStars
    residual: Image
    background: Image
    corrections: ApertureCorrections


def look(image: Image, weight: Image, settings: Science) -> FirstLook:
    """Detect with a Gaussian of typical width, measure the seeing, detect again with that.

    image: background taken off; weight: 1 / variance, 0 where masked. Raises Unusable when no seeing can be measured.
    Here a fine background follows the light of large galaxies too, on which every bump of the noise would be a star.
    """
    image = image - estimate(image, weight <= 0, mesh_px=FIRST_MESH_PX).level
    found = detect(image, weight, gaussian_filter(GUESSED_FWHM_PX), threshold=settings.first_threshold)
    fwhm_px = first_fwhm(image, weight <= 0, found)
    if not np.isfinite(fwhm_px):
        raise Unusable("seeing", "fewer than five clean stars", detections=len(found))
    found = detect(image, weight, gaussian_filter(fwhm_px), threshold=settings.first_threshold)
    x_px, y_px = extraction.windowed_positions(image, weight <= 0, found.x_px, found.y_px, fwhm_px)
    return FirstLook(replace(found, x_px=x_px, y_px=y_px), fwhm_px)


def make_psf(image: Image, weight: Image, seen: FirstLook, gain: float, settings: Science) -> PsfModel:
    """The spatially varying PSF. Raises Unusable when too few stars are fit to make one."""
    return fit_psf(
        image,
        weight,
        seen.found,
        gain_e_per_adu=gain,
        fwhm_px=seen.fwhm_px,
        radius_px=settings.psf_radius_px,
        max_order=settings.psf_order,
    )


def measure(image: Image, weight: Image, psf: PsfModel, gain: float, settings: Science) -> Photometry:
    """Two-pass PSF-fit photometry and the aperture corrections of its clean bright stars."""
    stars, residual, background = find_and_fit(
        image,
        weight,
        psf,
        gain_e_per_adu=gain,
        min_snr=settings.catalog_snr_min,
        threshold=settings.detection_threshold,
        background_mesh_px=settings.background_mesh_px,
    )
    chosen = apertures.clean_stars(stars)
    sums = apertures.aperture_fluxes(
        image - background,
        weight,
        stars.x_px,
        stars.y_px,
        gain_e_per_adu=gain,
        diameters_px=settings.aperture_diameters_px,
    )
    found = apertures.aperture_corrections(stars, sums, chosen)
    correction = tuple(float(value) for value in found.correction_mag)
    error = tuple(float(value) for value in found.sigma_mag)
    corrections = ApertureCorrections(settings.aperture_diameters_px, correction, error)
    return Photometry(stars, residual, background, corrections)


def for_astrometry(stars: FittedStars) -> SkyDetections:
    """Positions of the PSF fit of stars that are bright and whole enough to tell where the image looks."""
    chosen = (stars.snr > ASTROMETRIC_SNR) & (stars.good_fraction > ASTROMETRIC_GOOD)
    error = np.hypot(stars.sigma_x_px[chosen], stars.sigma_y_px[chosen]) / np.sqrt(2)
    return SkyDetections(stars.x_px[chosen], stars.y_px[chosen], error, stars.flux_adu[chosen])


def psf_catalog(
    stars: FittedStars, wcs: TpvWcs, mask: NDArray[np.uint16], defects: int, settings: Science
) -> PsfCatalog:
    """The PSF catalog, brightest first."""
    order = np.argsort(-stars.flux_adu, kind="stable")
    x, y = stars.x_px[order], stars.y_px[order]
    ra, dec = projection.pixel_to_sky(wcs, x, y)
    return PsfCatalog(
        x_px=x,
        y_px=y,
        ra_deg=ra,
        dec_deg=dec,
        flux_adu=stars.flux_adu[order],
        flux_error_adu=stars.sigma_flux_adu[order],
        chi=stars.chi[order],
        sharp=stars.sharp[order],
        flags=box_flags(mask, x, y, bits=defects, edge_px=settings.edge_px),
    )


def calibrate(
    catalog: PsfCatalog,
    calibrators: PhotometricCalibrators | None,
    band: Filter,
    shape: tuple[int, int],
    settings: Science,
) -> tuple[PhotometrySummary | None, dict[str, float | str]]:
    """Zero point and colour term from unflagged bright detections that match a calibrator (system paper 3.5.2).

    Returns the summary (None when no calibration is possible) and the metrics, `photcal_failed` among them.
    """
    if calibrators is None:
        return None, {"photcal_failed": 1.0, "photcal_reason": "no photometric calibrators"}
    magnitude = calibrators.mag[band.letter]
    in_range = np.flatnonzero((magnitude >= settings.photometric_mag[0]) & (magnitude <= settings.photometric_mag[1]))
    bright = np.flatnonzero((catalog.snr >= settings.photometric_snr_min) & (catalog.flags == 0))
    pairs = match_sky(
        catalog.ra_deg[bright],
        catalog.dec_deg[bright],
        calibrators.ra_deg[in_range],
        calibrators.dec_deg[in_range],
        settings.match_radius_arcsec,
    )
    ours, theirs = bright[pairs.first], in_range[pairs.second]
    blue, red = band.colour
    colour = calibrators.mag[blue][theirs] - calibrators.mag[red][theirs]
    error = np.hypot(calibrators.mag_error[band.letter][theirs], settings.photometric_floor_mag)
    metrics: dict[str, float | str] = {"npscal": float(in_range.size), "pnmatches": float(len(pairs))}
    try:
        fit = calibration.fit_zero_point(catalog.mag[ours], catalog.mag_error[ours], magnitude[theirs], error, colour)
    except Unusable as reason:
        return None, {**metrics, "photcal_failed": 1.0, "photcal_reason": str(reason)}
    structure = calibration.zero_point_structure(
        fit, np.hypot(catalog.mag_error[ours], error), catalog.x_px[ours], catalog.y_px[ours], shape
    )
    metrics |= {
        "photcal_failed": 0.0,
        "pabszp": fit.zero_point_mag,
        "pabszpunc": fit.sigma_zero_point_mag,
        "pcolterm": fit.colour_coefficient,
        "pabszprms": fit.rms_mag,
        "zpstructure": structure.rms_mag,
        "cloud_structured": float(structure.rms_mag > settings.cloud_structure_max_mag),
    }
    return _summary(fit, magnitude[theirs] - catalog.mag[ours], colour), metrics


def _summary(fit: calibration.ZeroPoint, difference_mag: NDArray, colour_mag: NDArray) -> PhotometrySummary:
    """The fit and, beside it, the plain statistics of all matches with a colour."""
    known = np.isfinite(difference_mag) & np.isfinite(colour_mag)
    difference, colour = difference_mag[known], colour_mag[known]
    return PhotometrySummary(
        n_matches=fit.count,
        zero_point=fit.zero_point_mag,
        zero_point_error=fit.sigma_zero_point_mag,
        zero_point_rms=fit.rms_mag,
        colour_term=fit.colour_coefficient,
        colour_term_error=fit.sigma_colour_coefficient,
        covariance=fit.covariance_mag2,
        zero_point_median=float(np.median(difference)),
        zero_point_average=float(np.mean(difference)),
        zero_point_rms_all=float(np.std(difference)),
        colour_median=float(np.median(colour)),
        colour_average=float(np.mean(colour)),
        colour_rms=float(np.std(colour)),
    )


def aperture_catalog(
    image: Image, noise: Image, mask: NDArray[np.uint16], background: Image, wcs: TpvWcs, *,
    defects: int, gain: float, fwhm_px: float, settings: Science,
) -> tuple[ApertureCatalog, NDArray[np.bool_]]:  # fmt: skip
    """The aperture catalog in SExtractor's columns, and which pixels its sources cover."""
    found = extraction.extract_sources(
        image,
        noise,
        (mask & np.uint16(defects)) != 0,
        gain_e_per_adu=gain,
        fwhm_px=fwhm_px,
        aperture_diameters_px=settings.aperture_diameters_px,
        threshold_sigma=settings.aperture_threshold_sigma,
        pixels_min=settings.aperture_pixels_min,
    )
    ra, dec = projection.pixel_to_sky(wcs, found["xwin"], found["ywin"])
    row, column = (
        np.clip(np.rint(found[axis]).astype(int), 0, size - 1) for axis, size in zip("yx", image.shape, strict=True)
    )
    columns = {
        "NUMBER": found["label"],
        "X_IMAGE": found["x"],
        "Y_IMAGE": found["y"],
        "XWIN_IMAGE": found["xwin"],
        "YWIN_IMAGE": found["ywin"],
        "ALPHAWIN_J2000": ra,
        "DELTAWIN_J2000": dec,
        "FLUX_ISO": found["flux_iso"],
        "KRON_RADIUS": found["kron_radius"],
        "BACKGROUND": background[row, column],
        "THRESHOLD": found["threshold"],
        "FLUX_MAX": found["peak"],
        "ISOAREA_IMAGE": found["area"],
        "A_IMAGE": found["a"],
        "B_IMAGE": found["b"],
        "THETA_IMAGE": found["theta_deg"],
        "X2_IMAGE": found["x2"],
        "Y2_IMAGE": found["y2"],
        "XY_IMAGE": found["xy"],
        "ELONGATION": found["a"] / np.maximum(found["b"], 1e-3),
        "ELLIPTICITY": 1 - found["b"] / found["a"],
        "FWHM_IMAGE": found["fwhm"],
        "FLUX_RADIUS": found["flux_radius"],
        "CLASS_STAR": found["class_star"],
        "FLAGS": found["flags"],
        "IMAFLAGS_ISO": mask[row, column],
    }
    for kind in ("aper", "auto", "best"):
        flux, error = found[f"flux_{kind}"], found[f"fluxerr_{kind}"]
        mag, mag_error = extraction.magnitudes(flux, error)
        columns |= {f"FLUX_{kind.upper()}": flux, f"FLUXERR_{kind.upper()}": error}
        columns |= {f"MAG_{kind.upper()}": mag, f"MAGERR_{kind.upper()}": mag_error}
    return ApertureCatalog(columns), found["segmentation"] > 0


def typical_elongation(catalog: ApertureCatalog) -> float:
    """Median A / B of undisturbed bright sources, large when stars are trails; NaN when there are none."""
    columns = catalog.columns
    clean = (columns["FLAGS"] == 0) & (columns["FLUX_AUTO"] > ELONGATION_SNR * columns["FLUXERR_AUTO"])
    return float(np.median(columns["ELONGATION"][clean])) if clean.any() else np.nan
