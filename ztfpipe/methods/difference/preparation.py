"""What a pair of images needs before it is subtracted: registration, throughput, differential background, joint mask.

Registration and throughput come from the catalogs of both images, whose positions and fluxes were fitted with the very
PSFs that the subtraction uses: a PSF's idea of its centre and of its total cancels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, uniform_filter

from ztfpipe.errors import Unusable
from ztfpipe.methods.sky.matching import match_plane
from ztfpipe.methods.smooth_field import field_on_grid, fit_field
from ztfpipe.methods.stars.photometry_nb import add_stars
from ztfpipe.model.difference import Exposed, Image, Registration
from ztfpipe.model.stars import PsfModel

Floats = NDArray[np.float64]
_THIN = 2
"""Step through the pixels of a cell: neighbours tell little new of a median."""
_LEAST_IN_CELL = 100
_STAR_REACH_PX = 6
"""Stars this near a masked pixel are drawn in it."""
_WINGS_PX, _BRIGHT_SIGMA = 15, 30.0
"""How far from a lost core the wings count as uncertain, and how bright the lost pixels are, in units of the noise."""
_FILL_REACH_PX = 25
"""Side of the box within which pixels known replace one that no image and no star tells."""


@dataclass(frozen=True)
class CatalogStars:
    """Stars of one image on the science image's pixels, each (n,): position [px], PSF flux [DN of its own image], their
    errors; clean: unsaturated, unmasked and alone enough to compare."""

    x_px: Floats
    y_px: Floats
    flux_adu: Floats
    sigma_position_px: Floats
    sigma_flux_adu: Floats
    clean: NDArray[np.bool_]


def register(
    science: CatalogStars,
    reference: CatalogStars,
    shape: tuple[int, int],
    *,
    radius_px: float = 1.5,
    min_snr: float = 20.0,
    max_stars: int = 1500,
    scale_px: float = 250.0,
    least_stars: int = 10,
) -> Registration:
    """How the reference lies and shines relative to the science image.

    radius_px: of matches; min_snr: in both images; max_stars: the brightest are used; scale_px: correlation length of
    displacement and transparency. Raises Unusable when fewer than `least_stars` match: there is no overlap, or the
    reference is of another field.
    """
    use = [stars.clean & (stars.flux_adu > min_snr * stars.sigma_flux_adu) for stars in (science, reference)]
    rows = [np.flatnonzero(one) for one in use]
    pairs = match_plane(
        science.x_px[rows[0]], science.y_px[rows[0]], reference.x_px[rows[1]], reference.y_px[rows[1]], radius_px
    )
    n, r = rows[0][pairs.first], rows[1][pairs.second]
    if len(n) < least_stars:
        raise Unusable("registration", "too few stars are in both images", stars=len(n))
    order = np.argsort(-science.flux_adu[n] / science.sigma_flux_adu[n], kind="stable")[:max_stars]
    n, r = n[order], r[order]
    x, y = science.x_px[n], science.y_px[n]
    sigma = np.hypot(science.sigma_position_px[n], reference.sigma_position_px[r])
    dx = fit_field(x, y, reference.x_px[r] - x, sigma, shape, scale_px=scale_px)
    dy = fit_field(x, y, reference.y_px[r] - y, sigma, shape, scale_px=scale_px)
    ratio = np.log(science.flux_adu[n] / reference.flux_adu[r])
    sigma = np.hypot(
        science.sigma_flux_adu[n] / science.flux_adu[n], reference.sigma_flux_adu[r] / reference.flux_adu[r]
    )
    log_ratio = fit_field(x, y, ratio, sigma, shape, scale_px=scale_px)
    return Registration(
        dx, dy, log_ratio, float(np.hypot(dx.scatter, dx.error)), float(np.hypot(dy.scatter, dy.error)),
        float(np.exp(np.median(ratio))), float(np.hypot(log_ratio.scatter, log_ratio.error)), len(n),
    )  # fmt: skip


def match_throughput(reference: Exposed, registration: Registration) -> Exposed:
    """The reference in DN of the science image: each pixel times the flux ratio at its place."""
    ny, nx = reference.image_adu.shape
    ratio = np.exp(field_on_grid(registration.log_ratio, np.arange(nx), np.arange(ny)))
    return replace(
        reference,
        image_adu=reference.image_adu * ratio,
        variance_adu2=reference.variance_adu2 * np.square(ratio),
    )


def differential_background(
    science: Exposed, reference: Exposed, *, cell_px: int = 128, scale_px: float = 300.0, limit_sigma: float = 5.0
) -> Image:
    """Smooth background (ny, nx) of the science image above the matched reference.

    Medians of cells of the difference, and a smooth function through them that is no rougher than they tell: a mesh of
    cells as such would add its own noise. Sources cancel but for their cores: pixels that hold `limit_sigma` of light
    of the reference and their neighbours are left out, unless little would be left. scale_px: correlation length.
    """
    bad = science.bad | reference.bad
    noise = float(np.sqrt(np.median(science.variance_adu2[::7, ::7])))
    # The mean over 3 x 3 pixels has a third of the noise.
    lit = uniform_filter(np.where(bad, np.float32(0), reference.image_adu), 3) > limit_sigma / 3 * noise
    left_out = bad | binary_dilation(lit, iterations=2)
    if left_out.mean() > 0.7:
        left_out = bad
    difference = np.where(left_out, np.float32(np.nan), science.image_adu - reference.image_adu)
    ny, nx = difference.shape
    rows = []
    for top in range(0, ny, cell_px):
        for left in range(0, nx, cell_px):
            values = difference[top : top + cell_px : _THIN, left : left + cell_px : _THIN]
            values = values[np.isfinite(values)]
            if values.size >= _LEAST_IN_CELL:
                middle = left + min(cell_px, nx - left) / 2, top + min(cell_px, ny - top) / 2
                rows.append((*middle, np.median(values), np.sqrt(np.pi / 2) * noise / np.sqrt(values.size)))
    x, y, level, sigma = np.array(rows).reshape(-1, 4).T
    field = fit_field(x, y, level, sigma, (ny, nx), scale_px=scale_px)
    return field_on_grid(field, np.arange(nx), np.arange(ny))


def fill_masked(
    science: Exposed,
    reference: Exposed,
    stars: CatalogStars,
    *,
    reference_flux_ratio: float = 1.0,
    wing_error: float = 0.3,
) -> tuple[Exposed, Exposed]:
    """Give the masked pixels of a matched pair values that leave no trace in the difference beyond themselves.

    What one image lacks is taken from the other, with the catalog's stars redrawn with its own PSF: a star's fluxes in
    saturated or hit pixels follow from the others of its pixels. What both lack is drawn from the stars alone, on the
    mean of what surrounds it in the reference.

    Around a core that both lack the light cannot cancel: the filters reach into what was guessed. `wing_error` of the
    reference's light there, to _WINGS_PX, counts as noise of a pixel, guessed light included; it is the light of stars
    that saturate, and of no others. Elsewhere a filled pixel gets the variance of empty sky.

    stars: of the science image, saturated ones included. reference_flux_ratio: science over reference counts of a star
    if the reference was not matched.
    """
    n, r = science.image_adu.copy(), reference.image_adu.copy()
    ratio = np.float32(reference_flux_ratio)
    either, both = science.bad | reference.bad, science.bad & reference.bad
    model_n, model_r = (
        _drawn(psf, stars, _near(stars, either, _STAR_REACH_PX), scale)
        for psf, scale in ((science.psf, 1.0), (reference.psf, 1.0 / reference_flux_ratio))
    )
    beyond_stars = reference.image_adu - model_r
    if both.any():
        known = (~reference.bad).astype(np.float32)
        share = uniform_filter(known, _FILL_REACH_PX)[both]
        around = uniform_filter(np.where(reference.bad, np.float32(0), beyond_stars), _FILL_REACH_PX)[both]
        beyond_stars[both] = np.where(share > 0.02, around / np.maximum(share, 0.02), 0.0)
        r[both] = beyond_stars[both] + model_r[both]
    n[science.bad] = beyond_stars[science.bad] * ratio + model_n[science.bad]
    lacks = reference.bad & ~science.bad
    r[lacks] = (science.image_adu - model_n)[lacks] / ratio + model_r[lacks]
    variance_n, variance_r = (_with_empty_sky(exposed) for exposed in (science, reference))
    bright = np.where(both, r, np.float32(0)) > _BRIGHT_SIGMA * np.sqrt(np.median(variance_n[::7, ::7]))
    if bright.any():
        wings = uniform_filter(bright.astype(np.float32), 2 * _WINGS_PX + 1) > 0.5 / (2 * _WINGS_PX + 1) ** 2
        variance_n[wings] += np.square(wing_error * ratio * r[wings])
    return replace(science, image_adu=n, variance_adu2=variance_n), replace(
        reference, image_adu=r, variance_adu2=variance_r
    )


def _with_empty_sky(exposed: Exposed) -> Image:
    """The variance with the median of good pixels where it means nothing."""
    variance, thin = exposed.variance_adu2.copy(), slice(None, None, 7)
    good = ~exposed.bad[thin, thin]
    variance[exposed.bad] = np.median(variance[thin, thin][good]) if good.any() else 1.0
    return variance


def _near(stars: CatalogStars, where: NDArray[np.bool_], reach_px: int) -> NDArray[np.bool_]:
    """Which stars lie within reach_px of marked pixels."""
    grown = binary_dilation(where, iterations=reach_px)
    column, row = (
        np.clip(np.rint(v).astype(int), 0, size - 1)
        for v, size in ((stars.x_px, where.shape[1]), (stars.y_px, where.shape[0]))
    )
    return grown[row, column]


def _drawn(psf: PsfModel, stars: CatalogStars, which: NDArray[np.bool_], scale: float) -> Image:
    """Some of the catalog's stars on an empty image."""
    image = np.zeros(psf.shape, np.float32)
    half = np.full(int(which.sum()), psf.radius_px, np.int64)
    where = stars.x_px[which], stars.y_px[which], stars.flux_adu[which] * scale
    add_stars(image, *where, half, psf.coefficients, psf.oversampling, psf.order)
    return image
