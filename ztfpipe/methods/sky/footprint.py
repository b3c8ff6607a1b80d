"""Where on the sky an image lies: its centre and corners, and whether a place is among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ztfpipe.methods.sky.projection import gnomonic, pixel_to_sky
from ztfpipe.model.wcs import TpvWcs

CORNERS = (1, 2, 3, 4)
FOOTPRINT = ("ra", "dec", *(f"{axis}{corner}" for corner in CORNERS for axis in ("ra", "dec")))
"""Names of the numbers of a footprint, those of the archive's metadata."""


def footprint(wcs: TpvWcs, shape: tuple[int, int]) -> dict[str, float]:
    """Centre (`ra`, `dec`) and corners (`ra1`, `dec1` to `ra4`, `dec4`) of an image of `shape` (ny, nx) [deg].

    Corners are the outer ones of the outermost pixels, in order around the image from pixel (0, 0), x first.
    """
    ny, nx = shape
    x = np.array([0.5 * nx, 0.0, nx, nx, 0.0]) - 0.5
    y = np.array([0.5 * ny, 0.0, 0.0, ny, ny]) - 0.5
    ra, dec = pixel_to_sky(wcs, x, y)
    return dict(zip(FOOTPRINT, np.column_stack([ra, dec]).ravel().tolist(), strict=True))


def covers(corners_deg: ArrayLike, ra_deg: float, dec_deg: float) -> NDArray[np.bool_]:
    """Whether footprints (n, 4, 2) of right ascension and declination [deg] hold a place; on an edge they do.

    A footprint is the quadrilateral of great circles between its corners, which are straight in the gnomonic projection
    about the place: it holds the place when all four edges pass it on the same side. False where a corner is NaN.
    """
    corners = np.asarray(corners_deg, np.float64).reshape(-1, 4, 2)
    x, y = gnomonic(corners[..., 0], corners[..., 1], ra_deg, dec_deg)
    side = x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)
    return (side >= 0).all(axis=1) | (side <= 0).all(axis=1)
