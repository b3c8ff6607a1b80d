"""Which rows of a list sorted by declination lie in a region, or near positions, without looking at the others.

Sorted by declination a list is searched by bisection; what is left to test is a band as high as the region. For lists
of a degree or so this is all the index that is needed. Source: the zones of Gray, Nieto-Santisteban & Szalay 2006
(MSR-TR-2006-52), with one zone per row.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from ztfpipe.errors import BadKey
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.model.regions import Box, Polygon, Region
from ztfpipe.model.skycatalogs import Cone

POLYGON_REACH_DEG = 80.0
"""Farthest corner of a polygon from its middle: its tangent plane holds no more than a hemisphere."""
_MARGIN_DEG = 1e-9
"""Joined to bands of declination: bisection may not lose what rounding moves across a limit."""
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def separation_deg(ra1_deg: ArrayLike, dec1_deg: ArrayLike, ra2_deg: ArrayLike, dec2_deg: ArrayLike) -> Floats:
    """Angles between directions [deg], by haversines: as good for small angles as for large ones."""
    ra1, dec1, ra2, dec2 = (np.radians(np.asarray(one, np.float64)) for one in (ra1_deg, dec1_deg, ra2_deg, dec2_deg))
    half = np.sin((dec1 - dec2) / 2) ** 2 + np.cos(dec1) * np.cos(dec2) * np.sin((ra1 - ra2) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


@singledispatch
def cap_of(region: Region) -> Cone:
    """A cone that holds all of a region. BadKey for a polygon that is too large."""
    return region


@cap_of.register
def _(region: Box) -> Cone:
    ra, dec = (region.ra_min_deg + region.width_deg / 2) % 360, (region.dec_min_deg + region.dec_max_deg) / 2
    if region.width_deg > 180:
        return Cone(ra, dec, 180.0)
    # Within a quarter turn of its middle the farthest point of a box is a corner.
    decs = [region.dec_min_deg, region.dec_max_deg]
    return Cone(ra, dec, float(separation_deg(ra, dec, region.ra_max_deg, decs).max()) + _MARGIN_DEG)


@cap_of.register
def _(region: Polygon) -> Cone:
    x, y, z = unit_vectors(region.ra_deg, region.dec_deg).sum(axis=0)
    ra, dec = np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))
    reach = separation_deg(ra, dec, region.ra_deg, region.dec_deg).max()
    if reach > POLYGON_REACH_DEG:
        raise BadKey("polygon", region, f"within {POLYGON_REACH_DEG:g} deg of its middle")
    return Cone(float(ra), float(dec), float(reach) + _MARGIN_DEG)


@singledispatch
def inside(region: Region, ra_deg: Floats, dec_deg: Floats) -> NDArray[np.bool_]:
    """Which directions (n,) a region holds."""
    return separation_deg(ra_deg, dec_deg, region.ra_deg, region.dec_deg) <= region.radius_deg


@inside.register
def _(region: Box, ra_deg: Floats, dec_deg: Floats) -> NDArray[np.bool_]:
    east = (ra_deg - region.ra_min_deg) % 360 <= region.width_deg
    return east & (dec_deg >= region.dec_min_deg) & (dec_deg <= region.dec_max_deg)


@inside.register
def _(region: Polygon, ra_deg: Floats, dec_deg: Floats) -> NDArray[np.bool_]:
    middle = cap_of(region)
    x, y, front = _tangent_plane(middle, ra_deg, dec_deg)
    xs, ys, _ = _tangent_plane(middle, np.array(region.ra_deg), np.array(region.dec_deg))
    odd = np.zeros(np.shape(x), bool)
    # Arcs of great circles are straight lines of the tangent plane; a ray to the east crosses an odd number of them.
    for x1, y1, x2, y2 in zip(xs, ys, np.roll(xs, -1), np.roll(ys, -1), strict=True):
        if y1 != y2:
            odd ^= ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return odd & front


def _tangent_plane(middle: Cone, ra_deg: Floats, dec_deg: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Gnomonic coordinates about a direction, and whether a direction is on its side of the sphere."""
    ra, dec, dec0 = np.radians(ra_deg - middle.ra_deg), np.radians(dec_deg), np.radians(middle.dec_deg)
    depth = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra)
    front = depth > np.cos(np.radians(89.0))
    safe = np.where(front, depth, 1.0)
    x = np.cos(dec) * np.sin(ra) / safe
    return x, (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra)) / safe, front


def rows_inside(region: Region, ra_deg: Floats, dec_deg: Floats) -> Rows:
    """Rows of a list in ascending order of dec_deg that a region holds."""
    if isinstance(region, Box):
        low, high = region.dec_min_deg, region.dec_max_deg
    else:
        cap = cap_of(region)
        low, high = cap.dec_deg - cap.radius_deg, cap.dec_deg + cap.radius_deg
    first, end = np.searchsorted(dec_deg, [low - _MARGIN_DEG, high + _MARGIN_DEG])
    return first + np.flatnonzero(inside(region, ra_deg[first:end], dec_deg[first:end]))


def rows_near(
    ra_deg: Floats, dec_deg: Floats, at_ra_deg: Floats, at_dec_deg: Floats, radius_deg: float
) -> tuple[Rows, Rows, Floats]:
    """Pairs of positions (at) and rows of a list in ascending order of dec_deg that are at most radius_deg apart.

    Returns index of the position, row, and distance [deg], by position and distance.
    """
    first = np.searchsorted(dec_deg, at_dec_deg - radius_deg - _MARGIN_DEG)
    end = np.searchsorted(dec_deg, at_dec_deg + radius_deg + _MARGIN_DEG)
    position, row = spread(first, end - first)
    distance = separation_deg(ra_deg[row], dec_deg[row], at_ra_deg[position], at_dec_deg[position])
    near = distance <= radius_deg
    position, row, distance = position[near], row[near], distance[near]
    order = np.lexsort((distance, position))
    return position[order], row[order], distance[order]


def spread(first: Rows, count: Rows) -> tuple[Rows, Rows]:
    """Runs of rows laid end to end: number of the run, and row, of each."""
    run = np.repeat(np.arange(first.size), count)
    begin = np.cumsum(count) - count
    return run, np.arange(run.size) - begin[run] + np.asarray(first)[run]


class Caps:
    """Cones with a tree over them, that are asked which of them others touch."""

    def __init__(self, direction: Floats, radius_deg: Floats) -> None:
        self._radius_deg, self._largest_deg = radius_deg, float(radius_deg.max(initial=0.0))
        self._tree = KDTree(direction, balanced_tree=False, compact_nodes=False)
        self._direction = direction

    def touching(self, direction: Floats, radius_deg: Floats) -> tuple[Rows, Rows]:
        """Pairs of other cones (n, 3), (n,) and these that may touch: index of the other, index of this."""
        if not len(self._direction):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        found = self._tree.query_ball_point(direction, _chord(radius_deg + self._largest_deg))
        other = np.repeat(np.arange(len(found)), [len(one) for one in found])
        this = np.fromiter((k for one in found for k in one), np.int64, other.size)
        apart = np.linalg.norm(direction[other] - self._direction[this], axis=1)
        near = apart <= _chord(radius_deg[other] + self._radius_deg[this])
        return other[near], this[near]


def stars_of(ra_deg: Floats, dec_deg: Floats, radius_deg: float) -> Rows:
    """Number of the star (n,) that each position belongs to: positions are of one star when a chain of steps of at
    most radius_deg joins them. Stars are numbered from 0 in order of their first position."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = KDTree(unit_vectors(ra_deg, dec_deg)).query_pairs(_chord(radius_deg), output_type="ndarray")
    n = np.size(ra_deg)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    label = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _chord(angle_deg: ArrayLike) -> Floats:
    return 2 * np.sin(np.radians(np.minimum(angle_deg, 180.0)) / 2) + 1e-12
