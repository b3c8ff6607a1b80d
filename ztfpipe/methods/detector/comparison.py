"""Comparison of a calibration master with an earlier one, before it is used."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.statistics import robust_image

GRID = 8
"""Blocks along each side in which the smooth part of the change is looked at."""


@dataclass(frozen=True)
class PatternChange:
    """How the pixels of two masters differ.

    sigma: robust scatter of the pixels' differences in units of their uncertainties, 1 when nothing but noise changed;
    block_change: largest minus smallest median difference of GRID x GRID blocks, in the masters' unit.
    """

    sigma: float
    block_change: float


def pattern_change(
    mean: NDArray[np.float32],
    uncertainty: NDArray[np.float32],
    earlier_mean: NDArray[np.float32],
    earlier_uncertainty: NDArray[np.float32],
    mask: NDArray[np.uint16],
) -> PatternChange:
    """Compare two masters, all (ny, nx) in one unit, where mask is 0."""
    difference = mean - earlier_mean
    # A typical uncertainty: that of a single pixel, from 20 samples, would add its own scatter to the ratio.
    noise = math.hypot(robust_image(uncertainty, mask).median, robust_image(earlier_uncertainty, mask).median)
    blocks = [
        robust_image(part, own).median
        for rows, own_rows in zip(np.array_split(difference, GRID), np.array_split(mask, GRID), strict=True)
        for part, own in zip(np.array_split(rows, GRID, axis=1), np.array_split(own_rows, GRID, axis=1), strict=True)
    ]
    scatter = robust_image(difference, mask).sigma
    return PatternChange(scatter / noise if noise > 0 else math.nan, float(np.nanmax(blocks) - np.nanmin(blocks)))


def level_change_sigma(level: float, uncertainty: float, earlier_level: float, earlier_uncertainty: float) -> float:
    """Change of a level in units of the uncertainties of both; NaN when these are unknown or zero."""
    noise = math.hypot(uncertainty, earlier_uncertainty)
    return (level - earlier_level) / noise if noise > 0 else math.nan
