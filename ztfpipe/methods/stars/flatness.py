"""Flatness of an image's throughput, from residuals of its stars against a photometric catalog."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.statistics import robust

CELLS = 3
CELL_STARS_MIN = 3
CELLS_MIN = 5


@dataclass(frozen=True)
class Flatness:
    """rms_mag: percentile sigma of all residuals; range_mag: greatest less least median of the cells; NaN when fewer
    than CELLS_MIN cells have CELL_STARS_MIN stars. count: of stars; cells_mag: (3, 3) medians, [y, x], NaN if empty."""

    rms_mag: float
    range_mag: float
    count: int
    cells_mag: NDArray[np.float64]


def throughput_flatness(
    residual_mag: NDArray, x_px: NDArray, y_px: NDArray, shape: tuple[int, int], *, cells: int = CELLS
) -> Flatness:
    """Spatial variation of a zero point: the two figures by which the survey finds suspect images.

    residual_mag: (n,) catalog less calibrated magnitude, NaN left out; x_px, y_px: (n,) zero-based; shape: (ny, nx) of
    the image. All stars count, those that a fit of the zero point clipped as well: clouds clip their own evidence away.
    Source: Masci, ZTF Science Data System: Progress and Plans (2019-09-03), "Suspect reference images" and "Flatness
    Criterion".
    """
    ny, nx = shape
    residual = np.asarray(residual_mag, np.float64)
    row = np.clip((cells * (np.asarray(y_px) + 0.5) / ny).astype(int), 0, cells - 1)
    column = np.clip((cells * (np.asarray(x_px) + 0.5) / nx).astype(int), 0, cells - 1)
    good = np.isfinite(residual)
    medians = np.full((cells, cells), np.nan)
    for j in range(cells):
        for i in range(cells):
            here = residual[good & (row == j) & (column == i)]
            if len(here) >= CELL_STARS_MIN:
                medians[j, i] = np.median(here)
    known = medians[np.isfinite(medians)]
    scatter = robust(residual)
    if known.size < CELLS_MIN:
        return Flatness(np.nan, np.nan, scatter.count, medians)
    return Flatness(scatter.sigma, float(np.ptp(known)), scatter.count, medians)
