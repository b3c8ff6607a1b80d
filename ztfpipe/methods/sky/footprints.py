"""Whether places on the sky lie within circles and polygons."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.sky.projection import gnomonic


def in_cone(
    ra_deg: ArrayLike, dec_deg: ArrayLike, centre_deg: tuple[float, float], radius_deg: float
) -> NDArray[np.bool_]:
    """Whether places (n,) [deg] are no farther than `radius_deg` from a centre (ra, dec) [deg]."""
    chord = np.linalg.norm(unit_vectors(ra_deg, dec_deg) - unit_vectors(*([v] for v in centre_deg)), axis=1)
    return chord <= 2.0 * np.sin(np.radians(radius_deg) / 2.0)


def in_polygon(ra_deg: ArrayLike, dec_deg: ArrayLike, corners_deg: ArrayLike) -> NDArray[np.bool_]:
    """Whether places (n,) [deg] are within a polygon of corners (m, 2) [deg] whose sides are great circles.

    The gnomonic projection about the mean of the corners makes them straight lines; there a place is inside when a ray
    from it crosses the sides an odd number of times. ValueError when the corners are not within one hemisphere.
    """
    corners = np.asarray(corners_deg, np.float64)
    x, y, z = unit_vectors(corners[:, 0], corners[:, 1]).sum(axis=0)
    middle = float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.arctan2(z, np.hypot(x, y))))
    xi, eta = gnomonic(corners[:, 0], corners[:, 1], *middle)
    if not np.isfinite(xi).all():
        raise ValueError("a polygon's corners must be within one hemisphere")
    px, py = gnomonic(np.atleast_1d(ra_deg), np.atleast_1d(dec_deg), *middle)
    inside = np.zeros(px.shape, bool)
    for x1, y1, x2, y2 in zip(xi, eta, np.roll(xi, -1), np.roll(eta, -1), strict=True):
        # Comparisons with NaN, of places beyond the hemisphere, are false.
        spans = (y1 > py) != (y2 > py)
        spans &= np.isfinite(py)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= spans & (px < x1 + (py - y1) * (x2 - x1) / (y2 - y1))
    return inside
