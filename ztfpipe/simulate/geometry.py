"""Directions as unit vectors [..., 3], and the plane tangent to the sky."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
ARCSEC_PER_RADIAN = 206264.80624709636


def unit_vectors(ra_deg: ArrayLike, dec_deg: ArrayLike) -> Floats:
    """Unit vectors (..., 3) of ICRS positions [deg]."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def sky_position(vectors: Floats) -> tuple[Floats, Floats]:
    """Right ascension (0 to 360) and declination [deg] of vectors (..., 3) of any length."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))


def separation_deg(a: Floats, b: Floats) -> Floats:
    """Angle [deg] between unit vectors (..., 3); accurate at all angles."""
    return np.degrees(2 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)))


def east_north(centre: Floats) -> tuple[Floats, Floats]:
    """Unit vectors towards east and north at a direction (3,). At a pole, east is that of right ascension 0."""
    horizontal = np.hypot(centre[0], centre[1])
    cos_ra, sin_ra = (centre[0] / horizontal, centre[1] / horizontal) if horizontal > 0 else (1.0, 0.0)
    return np.array([-sin_ra, cos_ra, 0.0]), np.array([-centre[2] * cos_ra, -centre[2] * sin_ra, horizontal])


def gnomonic(vectors: Floats, centre: Floats) -> tuple[Floats, Floats]:
    """Tangent-plane coordinates east and north [deg] of unit vectors (n, 3) about `centre` (3,).

    Directions 90 degrees or more from the centre are not on the plane and become NaN.
    """
    east, north = east_north(centre)
    depth = vectors @ centre
    depth = np.where(depth > 1e-9, depth, np.nan)
    return np.degrees((vectors @ east) / depth), np.degrees((vectors @ north) / depth)


def from_gnomonic(east_deg: ArrayLike, north_deg: ArrayLike, centre: Floats) -> Floats:
    """Unit vectors (n, 3) of tangent-plane coordinates [deg] about `centre` (3,)."""
    east, north = east_north(centre)
    xi, eta = np.radians(east_deg), np.radians(north_deg)
    vectors = centre + xi[..., None] * east + eta[..., None] * north
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
