"""Quality of a quadrant as read out, before anything is subtracted: levels, scatter, saturation, overscan drift."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

DIGITISER_TOP_ADU = 65535
_QUANTILES = (0.158655, 0.5, 0.841345)
"""Median and the two points one sigma from it in a normal distribution."""


def raw_quality(
    image: NDArray[np.uint16], overscan: NDArray[np.uint16], *, columns: slice, degree: int = 2
) -> dict[str, float]:
    """Measure a quadrant and its overscan.

    image: (ny, nx) [DN]; overscan: (ny, n_overscan) [DN]; columns: those of the overscan without trailed signal;
    degree: of the polynomial along rows, second order in the system paper (Masci et al. 2019, section 3.3). Returns,
    in DN unless said otherwise: median_adu, sigma_adu (half the central 68.3 % range), saturated_fraction (pixels at
    the top of the digitiser), overscan_adu, overscan_sigma_adu, overscan_slope_adu (change of the fitted level from
    first row to last), overscan_residual_rms_adu and overscan_residual_max_adu (of row means from the polynomial), and
    overscan_max_adu (of all its pixels; 0 says that the overscan is dead).
    """
    used = overscan[:, columns]
    low, median, high = grouped_quantiles(image, _QUANTILES)
    over_low, level, over_high = grouped_quantiles(used, _QUANTILES)
    rows = np.arange(used.shape[0], dtype=np.float64)
    means = used.mean(axis=1, dtype=np.float64)
    fit = Polynomial.fit(rows, means, deg=min(degree, rows.size - 1))
    residual = means - fit(rows)
    return {
        "median_adu": median,
        "sigma_adu": (high - low) / 2,
        "saturated_fraction": float(np.count_nonzero(image == DIGITISER_TOP_ADU) / image.size),
        "overscan_adu": level,
        "overscan_sigma_adu": (over_high - over_low) / 2,
        "overscan_slope_adu": float(fit(rows[-1]) - fit(rows[0])),
        "overscan_residual_rms_adu": float(np.sqrt(np.mean(residual**2))),
        "overscan_residual_max_adu": float(np.abs(residual).max()),
        "overscan_max_adu": int(overscan.max()),
    }


def grouped_quantiles(pixels: NDArray[np.uint16], quantiles: tuple[float, ...]) -> tuple[float, ...]:
    """Quantiles of 16-bit counts [DN] from their histogram, interpolated within one count.

    A count n stands for values spread evenly from n - 0.5 to n + 0.5, so that the scatter of a few counts is not
    rounded to half counts.
    """
    histogram = np.bincount(pixels.ravel(), minlength=DIGITISER_TOP_ADU + 1)
    edges = np.arange(-0.5, DIGITISER_TOP_ADU + 1, dtype=np.float64)
    cumulative = np.concatenate(([0], np.cumsum(histogram)))
    first = int(np.searchsorted(cumulative, 0, side="right")) - 1
    last = int(np.searchsorted(cumulative, pixels.size, side="left"))
    inside = slice(first, last + 1)
    return tuple(float(np.interp(q * pixels.size, cumulative[inside], edges[inside])) for q in quantiles)
