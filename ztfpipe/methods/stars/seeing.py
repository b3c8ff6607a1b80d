"""A first idea of the seeing, before there is a PSF: half-light diameters of bright stars."""

from __future__ import annotations

import numpy as np
import sep
from numpy.typing import NDArray

from ztfpipe.model.stars import Detections

_REACH_PX = 10.0
_STARS_MAX = 300
_GAUSSIAN_HALF_LIGHT = 2.0
"""FWHM over half-light radius of a Gaussian."""


def first_fwhm(
    image_adu: NDArray[np.float32],
    unusable: NDArray[np.bool_],
    found: Detections,
    *,
    min_significance: float = 30.0,
) -> float:
    """FWHM [px] of the image's stars, to some 15 %; NaN when there are fewer than five to tell it from.

    image_adu: (ny, nx), background taken off; unusable: (ny, nx), pixels that must not count. Stars have the smallest
    half-light radii of what is bright, galaxies and blends larger ones, rays smaller ones but few: the mode of the
    radii, found as the middle of the shortest half of them, is that of the stars.
    """
    ny, nx = image_adu.shape
    x, y = found.x_px, found.y_px
    edge = np.minimum(np.minimum(x, y), np.minimum(nx - 1 - x, ny - 1 - y))
    bright = np.flatnonzero((found.significance > min_significance) & (edge > _REACH_PX))
    bright = bright[np.argsort(-found.significance[bright], kind="stable")]
    clean = [star for star in bright if not _touches(unusable, x[star], y[star])][:_STARS_MAX]
    if len(clean) < 5:
        return float("nan")
    radius, _ = sep.flux_radius(image_adu, x[clean], y[clean], np.full(len(clean), _REACH_PX), 0.5, subpix=5)
    radius = np.sort(radius[np.isfinite(radius) & (radius > 0)])
    if len(radius) < 5:
        return float("nan")
    half = len(radius) // 2
    start = int(np.argmin(radius[half:] - radius[: len(radius) - half]))
    return float(_GAUSSIAN_HALF_LIGHT * np.median(radius[start : start + half + 1]))


def _touches(unusable: NDArray[np.bool_], x_px: float, y_px: float) -> bool:
    """Whether a bad pixel lies in the 5 x 5 box about a position."""
    column, row = round(x_px), round(y_px)
    return bool(unusable[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3].any())
