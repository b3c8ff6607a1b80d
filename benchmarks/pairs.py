"""Which measurement is which true source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.science_scenes import Exposure
from ztfpipe.model.science import ScienceImage

MATCH_PX, ALONE_PX = 0.7, 8.0
ONE_FWHM = 1.2
"""Nearer than this many FWHM no single image tells two sources apart: their light is no error of the fit."""


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


@dataclass(frozen=True)
class Pairs:
    """Unflagged catalog entries and the constant stars within MATCH_PX that they are: rows of both, each (n,).

    alone: whether no other star of a hundredth of its light is within ALONE_PX, and no other source at all within
    ONE_FWHM that gives more than half the uncertainty of its flux.
    """

    ours: NDArray[np.intp]
    true: NDArray[np.intp]
    alone: NDArray[np.bool_]


def constant_stars(exposure: Exposure, made: ScienceImage) -> Pairs:
    """Pair the PSF catalog with the constant stars of the truth."""
    stars, catalog = exposure.tables["stars"], made.psf_catalog
    others = pd.concat([exposure.tables[name] for name in ("stars", "galaxies", "transients", "asteroids")])
    places, flux = np.c_[others.x_px, others.y_px], others.flux_e.to_numpy()
    distance, nearest = cKDTree(places[: len(stars)]).query(np.c_[catalog.x_px, catalog.y_px])
    paired = (distance < MATCH_PX) & (catalog.flags == 0) & (stars.kind.to_numpy()[nearest] == 0)
    ours, true = np.flatnonzero(paired), nearest[paired]
    around, index = cKDTree(places).query(places[true], k=10, distance_upper_bound=ALONE_PX)
    light = np.where(index == true[:, None], 0.0, np.append(flux, 0.0)[index])
    near = around < ONE_FWHM * made.seeing_px
    uncertainty_e = catalog.flux_error_adu[ours] / exposure.adu_per_e
    disturbed = (light > 0.01 * flux[true][:, None]) | (near & (light > 0.5 * uncertainty_e[:, None]))
    return Pairs(ours, true, ~disturbed.any(axis=1))
