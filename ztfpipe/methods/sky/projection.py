"""Pixels to sky and back: the gnomonic projection with TPV distortion.

Source: Calabretta and Greisen 2002 (gnomonic, section 5.1.3); the registered FITS convention TPV for the distortion.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ztfpipe.methods.sky.projection_nb import distort, undistort
from ztfpipe.model.wcs import TpvWcs, undistorted_pv

ARCSEC_PER_DEG = 3600.0
_TOLERANCE_DEG = 1e-12  # 4e-9 px: far below the 1e-6 px that double precision leaves of a right ascension
_MAX_STEPS = 20

Floats = NDArray[np.float64]


def pixel_to_sky(wcs: TpvWcs, x_px: ArrayLike, y_px: ArrayLike) -> tuple[Floats, Floats]:
    """Right ascension (0 to 360) and declination [deg] of zero-based pixel positions of any shape."""
    xi, eta = pixel_to_plane(wcs, x_px, y_px)
    return gnomonic_inverse(xi, eta, *wcs.crval_deg)


def sky_to_pixel(wcs: TpvWcs, ra_deg: ArrayLike, dec_deg: ArrayLike) -> tuple[Floats, Floats]:
    """Zero-based pixel positions of sky positions [deg]; NaN beyond the hemisphere and where there is no inverse."""
    xi, eta = gnomonic(ra_deg, dec_deg, *wcs.crval_deg)
    return plane_to_pixel(wcs, xi, eta)


def tangent_wcs(
    ra_deg: float,
    dec_deg: float,
    east_deg: float,
    north_deg: float,
    *,
    reference_pixel: tuple[float, float],
    pixel_scale_arcsec: float,
) -> TpvWcs:
    """A gnomonic grid about (ra, dec) without distortion, x to the west and y to the south, whose `reference_pixel`
    (zero-based x, y) lies at (east, north) in the tangent plane: the grid of a detector away from the field's centre.
    """
    scale_deg = pixel_scale_arcsec / ARCSEC_PER_DEG
    crpix = np.array([reference_pixel[0] + east_deg / scale_deg, reference_pixel[1] + north_deg / scale_deg])
    return TpvWcs(np.array([ra_deg, dec_deg]), crpix, np.diag([-scale_deg, -scale_deg]), undistorted_pv())


def pixel_to_plane(wcs: TpvWcs, x_px: ArrayLike, y_px: ArrayLike) -> tuple[Floats, Floats]:
    """Tangent-plane coordinates about CRVAL [deg], distortion applied, of zero-based pixel positions."""
    xi, eta = intermediate(wcs, x_px, y_px)
    first, second = distort(wcs.pv, xi.ravel(), eta.ravel())
    return first.reshape(xi.shape), second.reshape(xi.shape)


def plane_to_pixel(wcs: TpvWcs, xi_deg: ArrayLike, eta_deg: ArrayLike) -> tuple[Floats, Floats]:
    """Zero-based pixel positions of tangent-plane coordinates [deg]; NaN where the distortion has no inverse."""
    xi, eta = np.broadcast_arrays(np.asarray(xi_deg, np.float64), np.asarray(eta_deg, np.float64))
    u, v = undistort(wcs.pv, xi.ravel(), eta.ravel(), _TOLERANCE_DEG, _MAX_STEPS)
    (a, b), (c, d) = np.linalg.inv(wcs.cd_deg)
    x = a * u + b * v + wcs.crpix_px[0]
    y = c * u + d * v + wcs.crpix_px[1]
    return x.reshape(xi.shape), y.reshape(xi.shape)


def intermediate(wcs: TpvWcs, x_px: ArrayLike, y_px: ArrayLike) -> tuple[Floats, Floats]:
    """Intermediate coordinates CD (p - CRPIX) [deg], before distortion."""
    x, y = np.broadcast_arrays(np.asarray(x_px, np.float64), np.asarray(y_px, np.float64))
    u, v = x - wcs.crpix_px[0], y - wcs.crpix_px[1]
    (a, b), (c, d) = wcs.cd_deg
    return a * u + b * v, c * u + d * v


def gnomonic(ra_deg: ArrayLike, dec_deg: ArrayLike, ra0_deg: float, dec0_deg: float) -> tuple[Floats, Floats]:
    """Tangent-plane coordinates [deg] about (ra0, dec0), xi to the east; NaN beyond the hemisphere."""
    ra = np.radians(np.asarray(ra_deg, np.float64) - ra0_deg)
    dec, dec0 = np.radians(np.asarray(dec_deg, np.float64)), np.radians(dec0_deg)
    cos_dec, sin_dec = np.cos(dec), np.sin(dec)
    depth = np.sin(dec0) * sin_dec + np.cos(dec0) * cos_dec * np.cos(ra)
    depth = np.where(depth > 0, depth, np.nan)
    xi = cos_dec * np.sin(ra) / depth
    eta = (np.cos(dec0) * sin_dec - np.sin(dec0) * cos_dec * np.cos(ra)) / depth
    return np.degrees(xi), np.degrees(eta)


def gnomonic_inverse(xi_deg: ArrayLike, eta_deg: ArrayLike, ra0_deg: float, dec0_deg: float) -> tuple[Floats, Floats]:
    """Right ascension (0 to 360) and declination [deg] of tangent-plane coordinates [deg] about (ra0, dec0)."""
    xi, eta, dec0 = np.radians(xi_deg), np.radians(eta_deg), np.radians(dec0_deg)
    along = np.cos(dec0) - eta * np.sin(dec0)
    ra = ra0_deg + np.degrees(np.arctan2(xi, along))
    dec = np.degrees(np.arctan2(np.sin(dec0) + eta * np.cos(dec0), np.hypot(xi, along)))
    return ra % 360.0, dec


def follow_linearly(
    first: TpvWcs, second: TpvWcs, shape: tuple[int, int], x_px: ArrayLike, y_px: ArrayLike
) -> tuple[Floats, Floats]:
    """Where positions of one solution of an image (ny, nx) lie in another one, by the best affine map between the two
    over the image: fit for positions far outside it, where polynomials are not."""
    grid_x, grid_y = np.meshgrid(np.linspace(0, shape[1] - 1, 9), np.linspace(0, shape[0] - 1, 9))
    moved = sky_to_pixel(second, *pixel_to_sky(first, grid_x, grid_y))
    terms = np.stack([np.ones(grid_x.size), grid_x.ravel(), grid_y.ravel()], axis=1)
    affine = np.linalg.lstsq(terms, np.stack([axis.ravel() for axis in moved], axis=1), rcond=None)[0]
    x, y = np.asarray(x_px, np.float64), np.asarray(y_px, np.float64)
    mapped = affine[0] + x[..., None] * affine[1] + y[..., None] * affine[2]
    return mapped[..., 0], mapped[..., 1]


def jacobian(wcs: TpvWcs, x_px: ArrayLike, y_px: ArrayLike) -> Floats:
    """d(xi, eta)/d(x, y) in the tangent plane [deg/px], shape (..., 2, 2), by central differences of one pixel."""
    x, y = np.asarray(x_px, np.float64), np.asarray(y_px, np.float64)
    east, west = pixel_to_plane(wcs, x + 0.5, y), pixel_to_plane(wcs, x - 0.5, y)
    up, down = pixel_to_plane(wcs, x, y + 0.5), pixel_to_plane(wcs, x, y - 0.5)
    return np.stack(
        [np.stack([east[k] - west[k], up[k] - down[k]], axis=-1) for k in range(2)],
        axis=-2,
    )


def pixel_scale_arcsec(wcs: TpvWcs, x_px: ArrayLike, y_px: ArrayLike) -> Floats:
    """Square root of the area of a pixel on the sky [arcsec] at zero-based positions."""
    area = np.abs(np.linalg.det(jacobian(wcs, x_px, y_px)))
    xi, eta = pixel_to_plane(wcs, x_px, y_px)
    # The plane stretches areas by (1 + r^2)^(3/2) away from the tangent point.
    stretch = (1.0 + np.radians(xi) ** 2 + np.radians(eta) ** 2) ** 1.5
    return np.sqrt(area / stretch) * ARCSEC_PER_DEG
