"""Halos of bright stars and ghosts of their light reflected inside the camera: discs at known places."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def halo_mask(
    shape: tuple[int, int],
    x_px: ArrayLike,
    y_px: ArrayLike,
    mag: ArrayLike,
    *,
    faintest_mag: float = 6.5,
    radius_px: float = 363.5,
) -> NDArray[np.bool_]:
    """Mask of the pixels within a fixed radius of stars not fainter than faintest_mag (V); stars may lie off the image.

    The archive's masks have circles of 368 arcsec, 363.5 px, about stars of V <= 6.5.
    """
    bright = np.asarray(mag, np.float64) <= faintest_mag
    x, y = np.asarray(x_px, np.float64)[bright], np.asarray(y_px, np.float64)[bright]
    return disc_mask(shape, x, y, np.full(x.size, radius_px))


def ghost_discs(
    x_px: ArrayLike,
    y_px: ArrayLike,
    mag: ArrayLike,
    axis_px: tuple[float, float],
    *,
    magnification: float,
    radius_px: float,
    faintest_mag: float,
) -> tuple[Floats, Floats, Floats]:
    """Centres and radii [px] of the ghosts of stars not fainter than faintest_mag, by one pair of surfaces.

    A ghost lies on the line through the star and the optical axis, at `magnification` times the star's distance
    (negative: on the other side). Positions are in the frame of the quadrant; star, axis and ghost may lie outside it.
    """
    bright = np.asarray(mag, np.float64) <= faintest_mag
    x, y = np.asarray(x_px, np.float64)[bright], np.asarray(y_px, np.float64)[bright]
    ghost_x = axis_px[0] + magnification * (x - axis_px[0])
    ghost_y = axis_px[1] + magnification * (y - axis_px[1])
    return ghost_x, ghost_y, np.full(x.size, radius_px)


def disc_mask(shape: tuple[int, int], x_px: ArrayLike, y_px: ArrayLike, radius_px: ArrayLike) -> NDArray[np.bool_]:
    """Mask of the pixels whose centre lies within any of the discs; one at NaN is no disc."""
    mask = np.zeros(shape, np.bool_)
    for x, y, radius in zip(*np.broadcast_arrays(x_px, y_px, radius_px), strict=True):
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        y0, y1 = _range(y, radius, shape[0])
        x0, x1 = _range(x, radius, shape[1])
        rows, columns = np.arange(y0, y1)[:, None], np.arange(x0, x1)[None, :]
        mask[y0:y1, x0:x1] |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return mask


def _range(centre: float, radius: float, size: int) -> tuple[int, int]:
    """First and one past the last pixel that a disc may reach, within an axis of `size`."""
    low, high = np.clip([np.ceil(centre - radius), np.floor(centre + radius) + 1], 0, size)
    return int(low), int(max(high, low))
