"""Which measurement is which true source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


def brightest_first(
    true_px: NDArray, flux: NDArray, found_px: NDArray, radius_px: NDArray | float = 1.2
) -> NDArray[np.intp]:
    """The measurement of each true source, (n,): brightest first, each takes the nearest not taken; -1 for none.

    true_px, found_px: (n, 2) and (m, 2); flux: (n,), NaN for a source that takes no part; radius_px: one, or (n,).
    """
    tree = cKDTree(found_px)
    taken = np.zeros(len(found_px), bool)
    out = np.full(len(true_px), -1)
    radius = np.broadcast_to(radius_px, len(true_px))
    for source in np.argsort(-flux):
        if np.isnan(flux[source]):
            break
        _, near = tree.query(true_px[source], k=6, distance_upper_bound=radius[source])
        free = [n for n in near if n < len(taken) and not taken[n]]
        if free:
            out[source], taken[free[0]] = free[0], True
    return out
