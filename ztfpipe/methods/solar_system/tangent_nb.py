"""Kernels of the tangent plane at a direction. Twins stand in tests/methods/solar_system/test_linking.py."""

from __future__ import annotations

import numpy as np
from numba import njit

ARCSEC_PER_RADIAN = 206264.80624709636


@njit(cache=True)
def axes(centre):
    """Unit vectors east and north (3,) at a direction (3,); at a pole east is that of right ascension 0."""
    length = np.sqrt(centre[0] * centre[0] + centre[1] * centre[1])
    east = (0.0, 1.0, 0.0) if length < 1e-12 else (-centre[1] / length, centre[0] / length, 0.0)
    north = (-centre[2] * east[1], centre[2] * east[0], centre[0] * east[1] - centre[1] * east[0])
    return east, north


@njit(cache=True)
def along(axis, vector):
    """Component of a vector along an axis."""
    return axis[0] * vector[0] + axis[1] * vector[1] + axis[2] * vector[2]


@njit(cache=True)
def tangent(centre, vector):
    """Gnomonic offsets east and north [arcsec] of a unit vector (3,) from another."""
    east, north = axes(centre)
    scale = ARCSEC_PER_RADIAN / along(centre, vector)
    return along(east, vector) * scale, along(north, vector) * scale


@njit(cache=True)
def parallactic(centre, observer):
    """What a parallax of 1 / au adds to the offsets east and north [arcsec]: minus the observer's place (3,) [au]."""
    east, north = axes(centre)
    return -along(east, observer) * ARCSEC_PER_RADIAN, -along(north, observer) * ARCSEC_PER_RADIAN


@njit(cache=True)
def direction(centre, x_arcsec, y_arcsec):
    """Right ascension and declination [deg] at offsets from a direction: the inverse of `tangent`."""
    east, north = axes(centre)
    u, v = x_arcsec / ARCSEC_PER_RADIAN, y_arcsec / ARCSEC_PER_RADIAN
    x = centre[0] + u * east[0] + v * north[0]
    y = centre[1] + u * east[1] + v * north[1]
    z = centre[2] + u * east[2] + v * north[2]
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.sqrt(x * x + y * y)))


def warm() -> None:
    """Compile the kernels of this module."""
    centre, vector = np.array([1.0, 0.0, 0.0]), np.array([1.0, 1e-5, 0.0])
    axes(centre)
    along(centre, vector)
    tangent(centre, vector)
    parallactic(centre, vector)
    direction(centre, 1.0, 1.0)
