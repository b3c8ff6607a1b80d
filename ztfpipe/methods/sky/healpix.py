"""HEALPix pixels (nested order): those of directions, those a cone may touch, and partitions of a catalog.

Source: Gorski et al. 2005 (ApJ 622, 759), section 4.1 for the nested numbering, equations 2 to 9 for the centres.
"""

from __future__ import annotations

from collections.abc import Mapping

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


def pixels_of(order: int, ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.int64]:
    """Nested pixels (n,) of directions, at resolution nside = 2^order, order up to 29. Source: as above."""
    ra, dec = np.asarray(ra_deg, np.float64), np.asarray(dec_deg, np.float64)
    nside = 1 << order
    z, quarters = np.sin(np.radians(dec)), (ra % 360.0) / 90.0
    face, column, row = _in_belt(nside, z, quarters)
    cap = np.abs(z) > 2.0 / 3.0
    for whole, part in zip((face, column, row), _in_cap(nside, dec, quarters), strict=True):
        whole[cap] = part[cap]
    return face * nside * nside + _between_zeros(column) + 2 * _between_zeros(row)


def _in_belt(nside: int, z: NDArray, quarters: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Face, column and row of directions between the polar caps: lines of equal column and row are straight in z."""
    falling = np.floor(nside * (0.5 + quarters - 0.75 * z)).astype(np.int64)
    rising = np.floor(nside * (0.5 + quarters + 0.75 * z)).astype(np.int64)
    down, up = falling // nside, rising // nside
    face = np.where(down == up, (down & 3) + 4, np.where(down < up, down & 3, (up & 3) + 8))
    return face, rising & (nside - 1), nside - 1 - (falling & (nside - 1))


def _in_cap(nside: int, dec_deg: NDArray, quarters: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Face, column and row of directions in the polar caps, where pixels shrink towards the pole."""
    quarter = np.minimum(quarters.astype(np.int64), 3)
    # sqrt(3 (1 - abs(z))), from the distance to the pole so that it keeps its digits there.
    reach = nside * np.sqrt(6.0) * np.sin(np.radians(90.0 - np.abs(dec_deg)) / 2)
    within = quarters - quarter
    west = np.minimum((within * reach).astype(np.int64), nside - 1)
    east = np.minimum(((1.0 - within) * reach).astype(np.int64), nside - 1)
    north = dec_deg >= 0
    face = np.where(north, quarter, quarter + 8)
    return face, np.where(north, nside - 1 - east, west), np.where(north, nside - 1 - west, east)


def _between_zeros(value: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bits of a number with a zero after each: those of even place."""
    out = np.zeros_like(value)
    for bit in range(30):
        out |= ((value >> bit) & 1) << (2 * bit)
    return out


def partitions(order: int, count: Mapping[int, int], rows_max: int) -> list[tuple[int, int]]:
    """Pixels (order, pixel) of the lowest orders that hold no more than rows_max rows each, and all of the rows, in
    order of the sky; a pixel of the highest order may hold more.

    count: rows in each pixel of the highest order; those without rows may be missing.
    """
    levels = [dict(count)]
    for _ in range(order):
        above: dict[int, int] = {}
        for pixel, rows in levels[0].items():
            above[pixel >> 2] = above.get(pixel >> 2, 0) + rows
        levels.insert(0, above)
    found, stack = [], [(0, pixel) for pixel in sorted(levels[0], reverse=True)]
    while stack:
        level, pixel = stack.pop()
        rows = levels[level].get(pixel, 0)
        if rows and (rows <= rows_max or level == order):
            found.append((level, pixel))
        elif rows:
            stack += [(level + 1, 4 * pixel + child) for child in (3, 2, 1, 0)]
    return found
