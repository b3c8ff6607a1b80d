"""Which HEALPix pixels (nested order) a cone may touch: enough to find the partitions of a catalog.

Source: Gorski et al. 2005 (ApJ 622, 759), section 4.1 for the nested numbering, equations 2 to 9 for the centres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.model.skycatalogs import Cone

_RING_OF_FACE = np.repeat([2, 3, 4], 4)
_COLUMN_OF_FACE = np.array([1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7])
_REACH = 1.1
"""Farthest corner of a pixel from its centre, in units of the root of its area; it tends to 1.045, at the poles."""


def pixel_centres(order: int, pixels: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors (n, 3) of the centres of nested pixels of resolution nside = 2^order."""
    pixels = np.asarray(pixels, np.int64)
    nside = 1 << order
    face, within = np.divmod(pixels, nside * nside)
    # The centre of pixel (column, row) of a face, counted in half pixels from the face's southern corner.
    column, row = _odd_bits_out(within), _odd_bits_out(within >> 1)
    ring = _RING_OF_FACE[face] * nside - column - row - 1
    per_quarter = np.minimum(np.minimum(ring, 4 * nside - ring), nside)
    cap = per_quarter < nside
    z = np.where(
        cap,
        np.sign(2 * nside - ring) * (1 - per_quarter**2 / (3.0 * nside**2)),
        (2 * nside - ring) * 2.0 / (3.0 * nside),
    )
    # Longitude: a face's axis, and the pixel's place east of it in units of its ring's spacing.
    east = _COLUMN_OF_FACE[face] * per_quarter + column - row
    phi = east * np.pi / (4.0 * per_quarter)
    radius = np.sqrt(np.maximum(0.0, 1.0 - z**2))
    return np.stack([radius * np.cos(phi), radius * np.sin(phi), z], axis=-1)


def pixels_near(order: int, pixels: ArrayLike, cone: Cone) -> NDArray[np.bool_]:
    """Which of these pixels a cone may touch: all that it does, and a few beyond."""
    reach = _REACH * np.sqrt(4 * np.pi / (12 * 4.0**order))
    direction = unit_vectors([cone.ra_deg], [cone.dec_deg])[0]
    chord = np.linalg.norm(pixel_centres(order, pixels) - direction, axis=-1)
    angle = 2 * np.arcsin(np.minimum(chord / 2, 1.0))
    return angle <= np.radians(cone.radius_deg) + reach


def _odd_bits_out(value: NDArray[np.int64]) -> NDArray[np.int64]:
    """The even-numbered bits of a number, pressed together."""
    out = np.zeros_like(value)
    for bit in range(30):
        out |= ((value >> (2 * bit)) & 1) << bit
    return out


def pixel_of(order: int, vectors: ArrayLike) -> NDArray[np.int64]:
    """Nested pixel, of resolution nside = 2^order, in which each unit vector (..., 3) lies.

    Source: Gorski et al. 2005, section 4.1, solved for the pixel: along the two diagonals of a face.
    """
    vectors = np.asarray(vectors, np.float64)
    nside = 1 << order
    z = vectors[..., 2]
    turn = np.arctan2(vectors[..., 1], vectors[..., 0]) / (np.pi / 2) % 4.0
    # The equatorial belt: lines of constant pixel row and column are straight in z and longitude.
    rising = np.floor(nside * (0.5 + turn - 0.75 * z)).astype(np.int64)
    falling = np.floor(nside * (0.5 + turn + 0.75 * z)).astype(np.int64)
    face_r, face_f = rising >> order, falling >> order
    belt_face = np.where(face_r == face_f, face_r & 3 | 4, np.where(face_r < face_f, face_r & 3, (face_f & 3) + 8))
    belt_column, belt_row = falling & (nside - 1), nside - 1 - (rising & (nside - 1))
    # The caps: within a quarter, by the distance from the pole.
    quarter = np.minimum(turn.astype(np.int64), 3)
    along = turn - quarter
    reach = nside * np.sqrt(3.0 * np.maximum(0.0, 1.0 - np.abs(z)))
    first = np.clip((along * reach).astype(np.int64), 0, nside - 1)
    second = np.clip(((1.0 - along) * reach).astype(np.int64), 0, nside - 1)
    north = z > 0
    cap_column, cap_row = np.where(north, nside - 1 - second, first), np.where(north, nside - 1 - first, second)
    cap = np.abs(z) > 2 / 3
    face = np.where(cap, np.where(north, quarter, quarter + 8), belt_face)
    column, row = np.where(cap, cap_column, belt_column), np.where(cap, cap_row, belt_row)
    return face * nside * nside + _odd_bits_in(column) + (_odd_bits_in(row) << 1)


def _odd_bits_in(value: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bits of a number, spread over the even-numbered ones."""
    out = np.zeros_like(value)
    for bit in range(30):
        out |= ((value >> bit) & 1) << (2 * bit)
    return out
