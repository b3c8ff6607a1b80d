"""The whole sky in one picture: the Hammer-Aitoff projection, and galactic coordinates.

Source: Calabretta & Greisen 2002 (A&A 395, 1077), section 5.3.4, equations 106 to 109; the galactic system of the
Hipparcos catalogue (ESA SP-1200, volume 1, equation 1.5.11).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ztfpipe.methods.sky.matching import unit_vectors

Floats = NDArray[np.float64]
GALACTIC_FROM_ICRS = np.array(
    [
        [-0.0548755604, -0.8734370902, -0.4838350155],
        [+0.4941094279, -0.4448296300, +0.7469822445],
        [-0.8676661490, -0.1980763734, +0.4559837762],
    ]
)
"""Rotation of unit vectors."""
ECLIPTIC_POLE = np.array([0.0, -0.397776969, 0.917482143])
"""Unit vector of the north pole of the ecliptic of J2000, whose obliquity is 84381.406 arcsec."""
HALF_WIDTH, HALF_HEIGHT = 360.0 * np.sqrt(2) / np.pi, 180.0 * np.sqrt(2) / np.pi
"""Half axes of the ellipse of the whole sky [deg]."""


def aitoff(longitude_deg: ArrayLike, latitude_deg: ArrayLike, centre_deg: float = 0.0) -> tuple[Floats, Floats]:
    """Plane coordinates (x to larger longitude, y to the north) [deg] of directions; `centre_deg` is in the middle."""
    around = np.radians((np.asarray(longitude_deg, float) - centre_deg + 180.0) % 360.0 - 180.0) / 2
    up = np.radians(latitude_deg)
    gamma = np.degrees(np.sqrt(2 / (1 + np.cos(up) * np.cos(around))))
    return 2 * gamma * np.cos(up) * np.sin(around), gamma * np.sin(up)


def aitoff_inverse(x_deg: ArrayLike, y_deg: ArrayLike, centre_deg: float = 0.0) -> tuple[Floats, Floats]:
    """Longitude (0 to 360) and latitude [deg] of plane coordinates [deg]; NaN beyond the sky's ellipse."""
    x, y = np.radians(x_deg), np.radians(y_deg)
    square = 1 - (x / 4) ** 2 - (y / 2) ** 2
    z = np.sqrt(np.where(square >= 0.5, square, np.nan))
    longitude = centre_deg + 2 * np.degrees(np.arctan2(z * x / 2, 2 * z * z - 1))
    return longitude % 360.0, np.degrees(np.arcsin(np.clip(y * z, -1, 1)))


def icrs_of(vectors: Floats, *, galactic: bool) -> tuple[Floats, Floats]:
    """Right ascension (0 to 360) and declination [deg] of unit vectors (..., 3), which may be galactic."""
    x, y, z = np.moveaxis(vectors @ GALACTIC_FROM_ICRS if galactic else vectors, -1, 0)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


def great_circle(pole: Floats, centre_deg: float, step_deg: float = 1.0) -> tuple[Floats, Floats]:
    """Longitude and latitude [deg] of the great circle about a unit vector `pole`, from one border of an all-sky image
    to the other: each longitude once, so that the pole may not lie on the equator of the coordinates."""
    longitude = centre_deg + np.arange(-180 + 1e-3, 180, step_deg)
    around = np.radians(longitude)
    latitude = np.degrees(np.arctan2(-(pole[0] * np.cos(around) + pole[1] * np.sin(around)), pole[2]))
    return longitude % 360.0, latitude


def sky_grid(width_px: int, *, centre_deg: float, galactic: bool) -> tuple[Floats, Floats]:
    """Right ascension and declination (height, width) [deg] of the pixels of an all-sky image, height = width / 2.

    NaN beyond the sky. Longitude increases to the left, latitude upwards: row 0 is the lowest. galactic: whether these
    are galactic ones.
    """
    height_px = width_px // 2
    x = -((np.arange(width_px) + 0.5) / width_px * 2 - 1) * HALF_WIDTH
    y = ((np.arange(height_px) + 0.5) / height_px * 2 - 1) * HALF_HEIGHT
    longitude, latitude = aitoff_inverse(*np.meshgrid(x, y), centre_deg)
    vectors = unit_vectors(longitude.ravel(), latitude.ravel()).reshape(*longitude.shape, 3)
    return icrs_of(vectors, galactic=galactic)
