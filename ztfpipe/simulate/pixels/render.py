"""From a scene to the light that falls on a quadrant: expected photo-electrons per pixel, before the detector.

The PSF is a skewed elliptical Moffat function, integrated over each pixel, plus a broad round component. With
p = S^-1 (d + c) / alpha, where d is the distance from the source, S an area-preserving shear and s the skewness,

    core(d) = (beta - 1) / (pi alpha^2) (1 + p^2)^-beta (1 + s.p / (1 + p^2)).

The skew term is odd, so the flux is that of the Moffat function, and it moves the centroid by alpha S s / (2 beta):
c takes that back, so that sources stand where the scene says. The pipeline uses none of these forms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ztfpipe.simulate.pixels import render_nb
from ztfpipe.simulate.scene import Floats, PointSources, PsfField

Image = NDArray[np.float32]

LOST_NOISE = 0.1
"""Flux of a source beyond the edge of its stamp, in units of the sky's noise in one pixel ..."""
LOST_FLUX = (1e-4, 1e-2)
"""... but at least and at most this share of the flux: the largest is of sources that nobody detects."""
EDGE_NOISE = 0.03
"""Surface brightness at the edge of a stamp in units of the sky's noise, at most."""
TRAIL_STEP_PX = 0.3
BROAD_BETA = 2.5
BROAD_RADII = 8.0
"""The broad component ends at this many of its FWHM."""


def quadratic(coefficients: Floats, u: Floats, v: Floats) -> Floats:
    """c0 + c1 u + c2 v + c3 u^2 + c4 uv + c5 v^2, the form of everything that varies over a quadrant."""
    c = coefficients
    return c[0] + c[1] * u + c[2] * v + c[3] * u * u + c[4] * u * v + c[5] * v * v


def unit_position(x_px: Floats, y_px: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """u and v of pixel positions: -1 at the first pixel's centre, 1 at the last's; held at +-1.05 outside."""
    ny, nx = shape
    u, v = 2 * np.asarray(x_px) / (nx - 1) - 1, 2 * np.asarray(y_px) / (ny - 1) - 1
    return np.clip(u, -1.05, 1.05), np.clip(v, -1.05, 1.05)


def moffat_scale(fwhm_px: Floats, beta: float) -> Floats:
    """alpha of a Moffat function of this full width at half maximum."""
    return fwhm_px / (2 * np.sqrt(2 ** (1 / beta) - 1))


def shapes_at(
    psf: PsfField, x_px: Floats, y_px: Floats, shape: tuple[int, int], extra_width_px: Floats | float = 0.0
) -> Floats:
    """Shape of the PSF's core at positions, float64 (n, 8): peak surface brightness of unit flux [1/px^2], the matrix
    S^-1 / alpha (xx, xy, yy) [1/px], the skewness (x, y), and c (x, y) [px]. extra_width_px: sigma of a further blur.
    """
    u, v = unit_position(x_px, y_px, shape)
    fwhm_px = np.hypot(quadratic(psf.fwhm_px, u, v), 2.3548 * np.asarray(extra_width_px))
    alpha = moffat_scale(fwhm_px, psf.beta)
    e1, e2 = quadratic(psf.e1, u, v), quadratic(psf.e2, u, v)
    sx, sy = quadratic(psf.skew_x, u, v), quadratic(psf.skew_y, u, v)
    root = np.sqrt(1 - e1 * e1 - e2 * e2)
    shift = alpha / (2 * psf.beta * root)
    rows = (
        (psf.beta - 1) / (np.pi * alpha * alpha),
        (1 - e1) / (alpha * root),
        -e2 / (alpha * root),
        (1 + e1) / (alpha * root),
        sx,
        sy,
        shift * ((1 + e1) * sx + e2 * sy),
        shift * (e2 * sx + (1 - e1) * sy),
    )
    return np.ascontiguousarray(np.stack(np.broadcast_arrays(*rows), axis=-1), dtype=np.float64)


def stamp_radius_px(flux_e: Floats, alpha_px: Floats, beta: float, noise_e: float) -> Floats:
    """Radius beyond which a source is not drawn: what is lost is below LOST_NOISE and the edge below EDGE_NOISE."""
    lost = np.clip(LOST_NOISE * noise_e / np.maximum(flux_e, 1e-9), *LOST_FLUX)
    for_flux = np.sqrt(lost ** (1 / (1 - beta)) - 1)
    peak = flux_e * (beta - 1) / (np.pi * alpha_px**2)
    for_edge = np.sqrt(np.maximum((EDGE_NOISE * noise_e / np.maximum(peak, 1e-9)) ** (-1 / beta) - 1, 0))
    return alpha_px * np.maximum(for_flux, for_edge) + 1


def add_point_sources(light_e: Image, stars: PointSources, psf: PsfField, noise_e: float) -> None:
    """Add stars and moving objects to light_e, float32 (ny, nx); noise_e: the sky's noise, which sets the stamps."""
    x, y, flux = trailed(stars)
    add_sources(light_e, x, y, flux, psf, noise_e)


def trailed(stars: PointSources) -> tuple[Floats, Floats, Floats]:
    """Positions and fluxes of point sources with the moving ones cut into steps of at most TRAIL_STEP_PX."""
    length = np.hypot(stars.dx_px, stars.dy_px)
    steps = np.maximum(1, np.ceil(length / TRAIL_STEP_PX)).astype(int)
    if (steps == 1).all():
        return stars.x_px, stars.y_px, stars.flux_e
    which = np.repeat(np.arange(steps.size), steps)
    first = np.cumsum(steps) - steps
    along = (np.arange(which.size) - first[which] + 0.5) / steps[which] - 0.5
    x = stars.x_px[which] + along * stars.dx_px[which]
    y = stars.y_px[which] + along * stars.dy_px[which]
    return x, y, stars.flux_e[which] / steps[which]


def add_sources(
    light_e: Image,
    x_px: Floats,
    y_px: Floats,
    flux_e: Floats,
    psf: PsfField,
    noise_e: float,
    extra_width_px: Floats | float = 0.0,
) -> None:
    """Add both components of the PSF of many sources; positions may lie outside the image."""
    if len(x_px) == 0:
        return
    x, y, flux = (np.ascontiguousarray(values, dtype=np.float64) for values in (x_px, y_px, flux_e))
    shapes = shapes_at(psf, x, y, light_e.shape, extra_width_px)
    alpha = np.sqrt((psf.beta - 1) / (np.pi * shapes[:, 0]))
    core = flux * (1 - psf.halo_fraction)
    radius = stamp_radius_px(core, alpha, psf.beta, noise_e)
    render_nb.add_sources(light_e, x, y, core, shapes, psf.beta, radius)
    add_broad_component(light_e, x, y, flux, psf)


def add_broad_component(light_e: Image, x_px: Floats, y_px: Floats, flux_e: Floats, psf: PsfField) -> None:
    """Add the broad second component of all sources at once: fluxes on a coarse grid, convolved by FFT."""
    if psf.halo_fraction == 0:
        return
    cell_px = max(1.0, psf.halo_fwhm_px / 6)
    margin = int(np.ceil(BROAD_RADII * psf.halo_fwhm_px / cell_px))
    ny, nx = light_e.shape
    grid = np.zeros([int(np.ceil(size / cell_px)) + 2 * margin + 2 for size in (ny, nx)])
    render_nb.deposit(grid, x_px, y_px, flux_e, cell_px, margin)
    offset = np.arange(-margin, margin + 1) * (cell_px / moffat_scale(np.float64(psf.halo_fwhm_px), BROAD_BETA))
    kernel = (1 + offset[:, None] ** 2 + offset[None, :] ** 2) ** -BROAD_BETA
    size = [fft.next_fast_len(n + 2 * margin, real=True) for n in grid.shape]
    spread = fft.irfft2(fft.rfft2(grid, size) * fft.rfft2(kernel / kernel.sum(), size), size)
    spread = np.ascontiguousarray(spread[margin : margin + grid.shape[0], margin : margin + grid.shape[1]])
    render_nb.add_interpolated(light_e, spread, cell_px, margin, psf.halo_fraction / cell_px**2)
