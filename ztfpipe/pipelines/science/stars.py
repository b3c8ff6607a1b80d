"""Stars of a calibrated quadrant: first look, PSF, the two catalogs, zero point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Filter
from ztfpipe.config import Science
from ztfpipe.errors import Unusable
from ztfpipe.methods.sky.astrometry import Detections as SkyDetections
from ztfpipe.methods.stars import calibration, sources
from ztfpipe.methods.stars.calibrator_pairs import match_calibrators
from ztfpipe.methods.stars.flatness import throughput_flatness
from ztfpipe.methods.stars.psf_fit import fit_psf
from ztfpipe.methods.stars.sources import FirstLook, Photometry
from ztfpipe.methods.statistics import FWHM_PER_SIGMA
from ztfpipe.model.catalogs import ApertureCatalog, PhotometricCalibrators, PsfCatalog
from ztfpipe.model.science import PhotometrySummary
from ztfpipe.model.stars import FittedStars, PsfModel
from ztfpipe.model.wcs import TpvWcs

Image = NDArray[np.float32]

ASTROMETRIC_SNR, ASTROMETRIC_GOOD = 10.0, 0.8
"""Least S/N, and least unmasked share of the PSF's weight, of fitted stars that refine the astrometry."""


def look(image: Image, weight: Image, settings: Science) -> FirstLook:
    """First detections and the seeing. Raises Unusable when no seeing can be measured."""
    return sources.first_look(image, weight, threshold=settings.first_threshold)


def first_positions(seen: FirstLook) -> SkyDetections:
    """Positions with the error of a Gaussian centroid, FWHM / (2.35 S/N), and a floor of a fiftieth of a pixel."""
    error = np.hypot(seen.fwhm_px / (FWHM_PER_SIGMA * seen.found.significance), 0.02)
    return SkyDetections(seen.found.x_px, seen.found.y_px, error, seen.found.flux_adu)


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
    return sources.measure_stars(
        image,
        weight,
        psf,
        gain_e_per_adu=gain,
        min_snr=settings.catalog_snr_min,
        threshold=settings.detection_threshold,
        background_mesh_px=settings.background_mesh_px,
        aperture_diameters_px=settings.aperture_diameters_px,
    )


def fitted_positions(stars: FittedStars) -> SkyDetections:
    """Positions of the PSF fit of stars that are bright and whole enough to tell where the image looks."""
    chosen = (stars.snr > ASTROMETRIC_SNR) & (stars.good_fraction > ASTROMETRIC_GOOD)
    error = np.hypot(stars.sigma_x_px[chosen], stars.sigma_y_px[chosen]) / np.sqrt(2)
    return SkyDetections(stars.x_px[chosen], stars.y_px[chosen], error, stars.flux_adu[chosen])


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
    pairs = match_calibrators(
        catalog,
        calibrators,
        band,
        mag_range=settings.photometric_mag,
        snr_min=settings.photometric_snr_min,
        radius_arcsec=settings.match_radius_arcsec,
    )
    ours, colour = pairs.ours, pairs.colour_mag
    error = np.hypot(pairs.mag_error, settings.photometric_floor_mag)
    metrics: dict[str, float | str] = {"npscal": float(pairs.considered), "pnmatches": float(len(pairs))}
    try:
        fit = calibration.fit_zero_point(catalog.mag[ours], catalog.mag_error[ours], pairs.mag, error, colour)
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
        **_flatness(fit, pairs.mag, catalog.x_px[ours], catalog.y_px[ours], shape, settings),
    }
    return _summary(fit, pairs.mag - catalog.mag[ours], colour), metrics


def _flatness(
    fit: calibration.ZeroPoint, magnitude: NDArray, x_px: NDArray, y_px: NDArray, shape: tuple[int, int],
    settings: Science,
) -> dict[str, float]:  # fmt: skip
    """How even the zero point is over the image: what references choose their inputs by."""
    low, high = settings.flatness_mag
    judged = (magnitude >= low) & (magnitude <= high)
    found = throughput_flatness(fit.residual_mag[judged], x_px[judged], y_px[judged], shape)
    return {"flatrms": found.rms_mag, "flatrange": found.range_mag}


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
    return sources.aperture_catalog(
        image,
        noise,
        mask,
        background,
        wcs,
        defects=defects,
        gain_e_per_adu=gain,
        fwhm_px=fwhm_px if np.isfinite(fwhm_px) else sources.GUESSED_FWHM_PX,
        aperture_diameters_px=settings.aperture_diameters_px,
        threshold_sigma=settings.aperture_threshold_sigma,
        pixels_min=settings.aperture_pixels_min,
    )
