"""The sources of an image from first look to its two catalogs: what science images and references have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.errors import Unusable
from ztfpipe.methods.detector.flags import box_flags
from ztfpipe.methods.sky import projection
from ztfpipe.methods.sky.background import estimate
from ztfpipe.methods.stars import apertures, extraction
from ztfpipe.methods.stars.detection import detect, gaussian_filter
from ztfpipe.methods.stars.photometry import find_and_fit
from ztfpipe.methods.stars.seeing import first_fwhm
from ztfpipe.model.catalogs import ApertureCatalog, PsfCatalog
from ztfpipe.model.science import ApertureCorrections
from ztfpipe.model.stars import Detections, FittedStars, PsfModel
from ztfpipe.model.wcs import TpvWcs

Image = NDArray[np.float32]
GUESSED_FWHM_PX = 2.0
"""Typical seeing of the survey: shape of the very first filter."""
FIRST_MESH_PX = 32
"""Mesh of the background under the first detections: their fluxes need not be right."""
ELONGATION_SNR = 30.0
"""From here on the noise changes A / B of a star by less than a tenth."""


@dataclass(frozen=True)
class FirstLook:
    """Detections before there is a PSF, and the seeing they show [px]."""

    found: Detections
    fwhm_px: float


@dataclass(frozen=True)
class Photometry:
    """PSF-fit stars, the image less them, the background they were fitted on beyond the first one, and the aperture
    corrections."""

    stars: FittedStars
    residual: Image
    background: Image
    corrections: ApertureCorrections


def first_look(image: Image, weight: Image, *, threshold: float) -> FirstLook:
    """Detect with a Gaussian of typical width, measure the seeing, detect again with that.

    image: float32 (ny, nx), background taken off; weight: 1 / variance, 0 where masked. Raises Unusable when no seeing
    can be measured. Here a fine background follows the light of large galaxies too, on which every bump of the noise
    would be a star.
    """
    image = image - estimate(image, weight <= 0, mesh_px=FIRST_MESH_PX).level
    found = detect(image, weight, gaussian_filter(GUESSED_FWHM_PX), threshold=threshold)
    fwhm_px = first_fwhm(image, weight <= 0, found)
    if not np.isfinite(fwhm_px):
        raise Unusable("seeing", "fewer than five clean stars", detections=len(found))
    found = detect(image, weight, gaussian_filter(fwhm_px), threshold=threshold)
    x_px, y_px = extraction.windowed_positions(image, weight <= 0, found.x_px, found.y_px, fwhm_px)
    return FirstLook(replace(found, x_px=x_px, y_px=y_px), fwhm_px)


def measure_stars(
    image: Image,
    weight: Image,
    psf: PsfModel,
    *,
    gain_e_per_adu: float,
    min_snr: float,
    threshold: float,
    background_mesh_px: int,
    aperture_diameters_px: tuple[float, ...],
) -> Photometry:
    """Two-pass PSF-fit photometry and the aperture corrections of its clean bright stars; image as in `first_look`."""
    stars, residual, background = find_and_fit(
        image,
        weight,
        psf,
        gain_e_per_adu=gain_e_per_adu,
        min_snr=min_snr,
        threshold=threshold,
        background_mesh_px=background_mesh_px,
    )
    chosen = apertures.clean_stars(stars)
    sums = apertures.aperture_fluxes(
        image - background,
        weight,
        stars.x_px,
        stars.y_px,
        gain_e_per_adu=gain_e_per_adu,
        diameters_px=aperture_diameters_px,
    )
    found = apertures.aperture_corrections(stars, sums, chosen)
    correction = tuple(float(value) for value in found.correction_mag)
    error = tuple(float(value) for value in found.sigma_mag)
    corrections = ApertureCorrections(aperture_diameters_px, correction, error)
    return Photometry(stars, residual, background, corrections)


def psf_catalog(stars: FittedStars, wcs: TpvWcs, mask: NDArray[np.uint16], *, defects: int, edge_px: int) -> PsfCatalog:
    """The PSF catalog, brightest first. defects: the bits of `mask` (ny, nx) that flags are made of."""
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
        flags=box_flags(mask, x, y, bits=defects, edge_px=edge_px),
    )


def aperture_catalog(
    image: Image, noise: Image, mask: NDArray[np.uint16], background: Image, wcs: TpvWcs, *,
    defects: int, gain_e_per_adu: float, fwhm_px: float, aperture_diameters_px: tuple[float, ...],
    threshold_sigma: float, pixels_min: int,
) -> tuple[ApertureCatalog, NDArray[np.bool_]]:  # fmt: skip
    """The aperture catalog in SExtractor's columns, and which pixels its sources cover.

    image: float32 (ny, nx), background taken off; noise: 1 sigma; background: what was taken off, for its column.
    """
    found = extraction.extract_sources(
        image,
        noise,
        (mask & np.uint16(defects)) != 0,
        gain_e_per_adu=gain_e_per_adu,
        fwhm_px=fwhm_px,
        aperture_diameters_px=aperture_diameters_px,
        threshold_sigma=threshold_sigma,
        pixels_min=pixels_min,
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
