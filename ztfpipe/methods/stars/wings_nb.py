"""Kernels for the light of bright stars beyond the PSF's stamp: its mean profile, and taking it off."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def ring_sums(residual, weight, x_px, y_px, flux_adu, inner, step, profile, clip, top, bottom):
    """Add w F r to `top` and w F^2 to `bottom`, by ring, for pixels outside each star's stamp.

    residual, weight: float32 (ny, nx); x_px, y_px, flux_adu: (n,); inner: half-width of the stamps; profile, top,
    bottom: (rings,), ring k from inner + k step on; a pixel that is more than `clip` sigma off flux x profile is not
    counted.
    """
    ny, nx = residual.shape
    outer = inner + step * len(profile)
    for s in range(len(x_px)):
        flux = flux_adu[s]
        cx, cy = int(np.floor(x_px[s] + 0.5)), int(np.floor(y_px[s] + 0.5))
        for yy in range(max(0, cy - outer), min(ny, cy + outer + 1)):
            for xx in range(max(0, cx - outer), min(nx, cx + outer + 1)):
                if abs(xx - cx) <= inner and abs(yy - cy) <= inner:
                    continue
                w = weight[yy, xx]
                k = int((np.sqrt((xx - x_px[s]) ** 2 + (yy - y_px[s]) ** 2) - inner) / step)
                if w <= 0.0 or k < 0 or k >= len(profile):
                    continue
                r = residual[yy, xx]
                if abs(r - flux * profile[k]) * np.sqrt(w) < clip:
                    top[k] += w * flux * r
                    bottom[k] += w * flux * flux


@njit(cache=True)
def subtract_rings(image, x_px, y_px, flux_adu, inner, step, profile):
    """image -= flux x profile, linear between the middles of the rings, outside each star's stamp; in place."""
    ny, nx = image.shape
    outer = inner + step * len(profile)
    for s in range(len(x_px)):
        cx, cy = int(np.floor(x_px[s] + 0.5)), int(np.floor(y_px[s] + 0.5))
        for yy in range(max(0, cy - outer), min(ny, cy + outer + 1)):
            for xx in range(max(0, cx - outer), min(nx, cx + outer + 1)):
                if abs(xx - cx) <= inner and abs(yy - cy) <= inner:
                    continue
                place = (np.sqrt((xx - x_px[s]) ** 2 + (yy - y_px[s]) ** 2) - inner) / step - 0.5
                if place >= len(profile) - 1:
                    continue
                k = max(int(np.floor(place)), 0)
                share = max(place - k, 0.0)
                image[yy, xx] -= np.float32(flux_adu[s] * ((1.0 - share) * profile[k] + share * profile[k + 1]))


def warm() -> None:
    """Compile the kernels of this module for the types they are called with."""
    image = np.ones((9, 9), np.float32)
    x, y, flux = np.array([4.0]), np.array([4.0]), np.array([1.0])
    profile = np.ones(2)
    ring_sums(image, image, x, y, flux, 1, 2, profile, 4.0, profile.copy(), profile.copy())
    subtract_rings(image, x, y, flux, 1, 2, profile)
