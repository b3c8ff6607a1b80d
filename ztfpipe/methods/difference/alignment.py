"""A reference brought onto the science image's pixels, and its PSF and stars measured there.

The reference's own PSF no longer holds once interpolation has smoothed it, nor do its positions to a hundredth of a
pixel: both are measured anew on the resampled image, so that what the subtraction assumes is what it gets.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from ztfpipe.methods.difference.preparation import CatalogStars
from ztfpipe.methods.sky.resampling import PixelMapping, resample
from ztfpipe.methods.smooth_field import field_at
from ztfpipe.methods.stars.photometry import fit_stars
from ztfpipe.methods.stars.psf_fit import fit_psf
from ztfpipe.model.difference import Exposed, Registration
from ztfpipe.model.stars import Detections, PsfModel

_DEGREE = 21
"""Of the polynomial that carries the displacements: a correlation length of a twelfth of the side needs so many."""
_STARS_SNR = 15.0


def refined_mapping(mapping: PixelMapping, registration: Registration) -> PixelMapping:
    """The mapping from science pixels to those of the reference with the measured displacements put in.

    A star seen at p on the science image is at p + (dx, dy)(p) where the two WCSs have it: the new mapping takes p to
    where the old one takes that. error_px grows by what the polynomial leaves of the displacements.
    """
    top, end, left, right = mapping.box
    if top >= end or left >= right:
        return mapping
    degree = max(_DEGREE, mapping.coefficients.shape[1] - 1)
    nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    between = np.linspace(-1, 1, 2 * degree + 3)

    def moved(unit: NDArray) -> NDArray:
        x = (left + right - 1) / 2 + (right - 1 - left) / 2 * unit
        y = (top + end - 1) / 2 + (end - 1 - top) / 2 * unit
        x, y = np.meshgrid(x, y)
        return np.array(mapping(x + field_at(registration.dx, x, y), y + field_at(registration.dy, x, y)))

    inverse = np.linalg.inv(chebyshev.chebvander(nodes, degree))
    to_powers = np.zeros((degree + 1, degree + 1))
    for k in range(degree + 1):
        to_powers[: k + 1, k] = chebyshev.cheb2poly(np.eye(degree + 1)[k, : k + 1])
    inverse = to_powers @ inverse
    coefficients = np.stack([inverse @ values @ inverse.T for values in moved(nodes)])
    found = replace(mapping, coefficients=coefficients)
    x, y = np.meshgrid(
        (left + right - 1) / 2 + (right - 1 - left) / 2 * between, (top + end - 1) / 2 + (end - 1 - top) / 2 * between
    )
    error = np.abs(np.array(found(x, y))[:2] - moved(between)[:2]).max()
    return replace(found, error_px=float(mapping.error_px + error))


def reference_on_science(
    image_adu: NDArray[np.float32],
    variance_adu2: NDArray[np.float32],
    bad: NDArray[np.bool_],
    mapping: PixelMapping,
    stars: CatalogStars,
    *,
    gain_e_per_adu: float,
    fwhm_px: float,
    radius_px: int,
) -> tuple[Exposed, CatalogStars]:
    """The reference on the science image's pixels with its PSF there, and its stars as measured there.

    image_adu, variance_adu2, bad: (ny, nx) of the reference's own pixels, background taken off. stars: of the
    reference, positions already on science pixels. fwhm_px: of its stars there, to 30 per cent. radius_px: of the
    PSF's table.
    The variance is that of the pixels before interpolation: that is the noise at the scales of a PSF. Raises Unusable
    when there are too few stars for a PSF.
    """
    mask = bad.astype(np.uint16)
    light = resample(image_adu, mask, mapping, defect_bits=1, core_px=1, blank=False)
    variance = resample(variance_adu2, mask, mapping, defect_bits=1, blank=False).image
    lost = (light.mask != 0) | ~np.isfinite(light.image) | ~(variance > 0)
    empty = np.float32(np.nanmedian(variance[::7, ::7]))
    image = np.where(np.isfinite(light.image), light.image, np.float32(0))
    variance = np.where(lost, empty, variance)
    # Photons of the stars are added by the fits themselves.
    sky = np.maximum(variance - np.maximum(image, 0) / np.float32(gain_e_per_adu), np.float32(0.3) * empty)
    weight = np.where(lost, np.float32(0), 1 / sky)
    psf, measured = measure_anew(
        image, weight, stars, gain_e_per_adu=gain_e_per_adu, fwhm_px=fwhm_px, radius_px=radius_px
    )
    return Exposed(image, variance, lost, psf), measured


def measure_anew(
    image_adu: NDArray[np.float32],
    weight: NDArray[np.float32],
    stars: CatalogStars,
    *,
    gain_e_per_adu: float,
    fwhm_px: float,
    radius_px: int,
) -> tuple[PsfModel, CatalogStars]:
    """PSF of an image and its stars' positions and fluxes with it, from a catalog of them on its pixels.

    weight: 1 / variance [DN^-2] without the stars' photons, 0 where masked. Stars fainter than a signal-to-noise ratio
    of 15 are left out of what is returned. Raises Unusable when there are too few stars for a PSF.
    """
    significance = stars.flux_adu / stars.sigma_flux_adu
    ny, nx = image_adu.shape
    inside = (np.minimum(stars.x_px, stars.y_px) > 1) & (stars.x_px < nx - 2) & (stars.y_px < ny - 2)
    # All stars: the faint ones are the neighbours of the bright.
    seen = Detections(stars.x_px[inside], stars.y_px[inside], stars.flux_adu[inside], significance[inside])
    psf = fit_psf(image_adu, weight, seen, gain_e_per_adu=gain_e_per_adu, fwhm_px=fwhm_px, radius_px=radius_px)
    bright = inside & (significance > _STARS_SNR)
    fitted, _ = fit_stars(
        image_adu, weight, psf, stars.x_px[bright], stars.y_px[bright], stars.flux_adu[bright],
        gain_e_per_adu=gain_e_per_adu, psf_error=psf.core_error,
    )  # fmt: skip
    return psf, CatalogStars(
        fitted.x_px, fitted.y_px, fitted.flux_adu, np.hypot(fitted.sigma_x_px, fitted.sigma_y_px) / np.sqrt(2),
        fitted.sigma_flux_adu, stars.clean[bright] & (fitted.good_fraction > 0.99) & fitted.converged,
    )  # fmt: skip
