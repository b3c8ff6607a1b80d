"""A first idea of the seeing, before there is a PSF: adaptive second moments of bright stars."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.statistics import FWHM_PER_SIGMA
from ztfpipe.model.stars import Detections

_HALF_PX = 8
_CELLS, _STARS_PER_CELL = 4, 12  # along each axis of the image; so many stars at most from each cell
_ROUNDS = 12


def first_fwhm(
    image_adu: NDArray[np.float32],
    unusable: NDArray[np.bool_],
    found: Detections,
    *,
    min_significance: float = 30.0,
) -> float:
    """FWHM [px] of the image's stars, to some 10 %; NaN when there are fewer than five to tell it from.

    image_adu: (ny, nx), background taken off; unusable: (ny, nx), pixels that must not count. Each star's width is
    that of the Gaussian which, as a weight, gives itself back (adaptive moments, Bernstein & Jarvis 2002, eq. 3-5):
    neighbours and wings hardly matter. Stars have the same width, galaxies and blends larger ones, rays smaller ones:
    the median of the shortest half of the widths is that of the stars.
    """
    ny, nx = image_adu.shape
    edge = np.minimum.reduce([found.x_px, found.y_px, nx - 1 - found.x_px, ny - 1 - found.y_px])
    bright = np.flatnonzero((found.significance > min_significance) & (edge > _HALF_PX + 1))
    bright = bright[np.argsort(-found.significance[bright], kind="stable")]
    # From all over the image: else the brightest would be those of one track or galaxy.
    cell = _CELLS * (found.y_px[bright] * _CELLS // ny) + found.x_px[bright] * _CELLS // nx
    clean = []
    for members in (bright[cell == one] for one in range(_CELLS**2)):
        untouched = (star for star in members if not _touches(unusable, found.x_px[star], found.y_px[star]))
        clean += itertools.islice(untouched, _STARS_PER_CELL)
    widths = np.array([_width(image_adu, found.x_px[star], found.y_px[star]) for star in clean])
    widths = np.sort(widths[np.isfinite(widths)])
    if len(widths) < 5:
        return float("nan")
    half = len(widths) // 2
    start = int(np.argmin(widths[half:] - widths[: len(widths) - half]))
    return float(FWHM_PER_SIGMA * np.median(widths[start : start + half + 1]))


def _width(image_adu: NDArray[np.float32], x_px: float, y_px: float) -> float:
    """Adaptive sigma [px] of the source at a position; NaN when it does not settle between 0.4 and 6 px."""
    column, row = round(x_px), round(y_px)
    stamp = image_adu[row - _HALF_PX : row + _HALF_PX + 1, column - _HALF_PX : column + _HALF_PX + 1].astype(np.float64)
    offset = np.arange(-_HALF_PX, _HALF_PX + 1)
    x, y, variance = x_px - column, y_px - row, 1.0
    for _ in range(_ROUNDS):
        dx, dy = offset[None, :] - x, offset[:, None] - y
        weighted = stamp * np.exp(-(dx**2 + dy**2) / (2 * variance))
        total = weighted.sum()
        if total <= 0:
            return float("nan")
        # The weight halves the shift of a matched Gaussian, hence the factor of two.
        x += 2 * float((weighted * dx).sum() / total)
        y += 2 * float((weighted * dy).sum() / total)
        moment = float((weighted * (dx**2 + dy**2)).sum() / (2 * total))
        if not 0 < moment < variance:
            variance *= 1.5
        else:
            # 1 / moment = 1 / source + 1 / weight for Gaussians.
            variance = 1 / (1 / moment - 1 / variance)
        variance = min(max(variance, 0.16), 36.0)
    settled = 0.17 < variance < 35.0 and np.hypot(x - x_px + column, y - y_px + row) < 2.0
    return float(np.sqrt(variance)) if settled else float("nan")


def _touches(unusable: NDArray[np.bool_], x_px: float, y_px: float) -> bool:
    """Whether a bad pixel lies in the 5 x 5 box about a position."""
    column, row = round(x_px), round(y_px)
    return bool(unusable[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3].any())
