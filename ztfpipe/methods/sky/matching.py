"""Cross-matching of catalogs, in a plane or on the sphere, one-to-one, and proper motion to an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from ztfpipe.methods.sky.matching_nb import near_pairs, take_nearest_first

_MAS_PER_RADIAN = np.degrees(1.0) * 3.6e6


@dataclass(frozen=True)
class Pairs:
    """Matched rows: index into the first and the second catalog, and the distance, in order of the first catalog."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.float64]

    def __len__(self) -> int:
        return self.first.size


def match_plane(x1: ArrayLike, y1: ArrayLike, x2: ArrayLike, y2: ArrayLike, radius: float) -> Pairs:
    """One-to-one pairs within `radius`, nearest pairs first, of positions in one plane and unit (pixels, say).

    A row with a position that is not finite matches nothing.
    """
    return _match(np.column_stack([x1, y1]), np.column_stack([x2, y2]), radius)


def match_cells(x1: ArrayLike, y1: ArrayLike, x2: ArrayLike, y2: ArrayLike, radius: float) -> Pairs:
    """The same as `match_plane`, for catalogs that are spread evenly: by cells instead of trees, ten times faster.

    Memory grows with the area of the second catalog in units of radius**2, so this is not for a small radius on a wide
    plane.
    """
    x1, y1, x2, y2 = (np.ascontiguousarray(one, np.float64) for one in (x1, y1, x2, y2))
    rows = np.flatnonzero(np.isfinite(x2) & np.isfinite(y2))
    nothing = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    if rows.size == 0 or x1.size == 0:
        return nothing
    cell = 2.0 * radius
    x0, y0 = x2[rows].min(), y2[rows].min()
    column, row = ((x2[rows] - x0) // cell).astype(np.int64), ((y2[rows] - y0) // cell).astype(np.int64)
    columns, n_rows = int(column.max()) + 1, int(row.max()) + 1
    index = row * columns + column
    members = rows[np.argsort(index, kind="stable")]
    start = np.concatenate([[0], np.cumsum(np.bincount(index, minlength=columns * n_rows))])
    size = 2 * max(x1.size, rows.size)
    while True:
        first, second, squared = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size)
        count = near_pairs(
            x1, y1, x2, y2, start, members, x0, y0, cell, columns, n_rows, radius, first, second, squared
        )  # fmt: skip
        if count <= size:
            break
        size = count
    order = np.lexsort((second[:count], first[:count], squared[:count]))
    first, second = first[:count][order], second[:count][order]
    kept = take_nearest_first(first, second, x1.size, x2.size)
    by_first = np.argsort(first[kept], kind="stable")
    return Pairs(first[kept][by_first], second[kept][by_first], np.sqrt(squared[:count][order][kept][by_first]))


def match_sky(
    ra1_deg: ArrayLike, dec1_deg: ArrayLike, ra2_deg: ArrayLike, dec2_deg: ArrayLike, radius_arcsec: float
) -> Pairs:
    """One-to-one pairs within `radius_arcsec` on the sphere, nearest pairs first; the distance is in arcsec."""
    chord = 2.0 * np.sin(np.radians(radius_arcsec / 3600.0) / 2.0)
    pairs = _match(unit_vectors(ra1_deg, dec1_deg), unit_vectors(ra2_deg, dec2_deg), chord)
    separation = np.degrees(2.0 * np.arcsin(np.minimum(pairs.distance / 2.0, 1.0))) * 3600.0
    return Pairs(pairs.first, pairs.second, separation)


def unit_vectors(ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.float64]:
    """Cartesian unit vectors, (n, 3)."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def move_to_epoch(
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
    pm_ra_mas_yr: ArrayLike,
    pm_dec_mas_yr: ArrayLike,
    years: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions [deg] after `years` of proper motion (pm_ra includes cos dec); one that is not finite counts as none.

    Uniform motion along the tangent of the sphere. Radial velocity is left out, and parallax too: beyond 100 pc it is
    less than 10 mas, a third of the astrometric floor, and the nearest stars are few enough to be clipped.
    """
    ra, dec = np.radians(np.asarray(ra_deg, np.float64)), np.radians(np.asarray(dec_deg, np.float64))
    along_ra = np.nan_to_num(np.asarray(pm_ra_mas_yr, np.float64), posinf=0.0, neginf=0.0) * (years / _MAS_PER_RADIAN)
    along_dec = np.nan_to_num(np.asarray(pm_dec_mas_yr, np.float64), posinf=0.0, neginf=0.0) * (years / _MAS_PER_RADIAN)
    depth = np.cos(dec) - along_dec * np.sin(dec)
    new_ra = ra + np.arctan2(along_ra, depth)
    new_dec = np.arctan2(np.sin(dec) + along_dec * np.cos(dec), np.hypot(along_ra, depth))
    return np.degrees(new_ra) % 360.0, np.degrees(new_dec)


def _match(points1: NDArray[np.float64], points2: NDArray[np.float64], radius: float) -> Pairs:
    rows1 = np.flatnonzero(np.isfinite(points1).all(axis=1))
    rows2 = np.flatnonzero(np.isfinite(points2).all(axis=1))
    if rows1.size == 0 or rows2.size == 0:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    tree1, tree2 = KDTree(points1[rows1]), KDTree(points2[rows2])
    near = tree1.sparse_distance_matrix(tree2, radius, output_type="ndarray")
    # Ties are broken by row, so that the answer does not depend on the tree's order.
    near = near[np.lexsort((near["j"], near["i"], near["v"]))]
    kept = near[take_nearest_first(near["i"], near["j"], rows1.size, rows2.size)]
    kept = kept[np.argsort(kept["i"], kind="stable")]
    return Pairs(rows1[kept["i"]], rows2[kept["j"]], kept["v"].astype(np.float64))
