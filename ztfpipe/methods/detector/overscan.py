"""The floating bias: level of each row from the overscan, as a smooth polynomial (system paper 3.3).

The level of a row is the mean of its overscan columns without outliers. A mean, not a median: ten integers have a
median in steps of half a DN, and the level is wanted to hundredths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from ztfpipe.methods.statistics import robust

Floats = NDArray[np.float64]
PIXEL_CLIP_SIGMA = 6.0
"""An overscan pixel further than this from its row's median is a cosmic ray or a spike, not noise."""
DIGITISATION_SIGMA_ADU = 12**-0.5
"""Scatter of rounding to whole DN: no scale is taken to be smaller."""
ITERATIONS_MAX = 10


@dataclass(frozen=True)
class OverscanFit:
    """The floating bias of one quadrant.

    row_level_adu: float64 (ny,), the polynomial at each row [DN]; coefficients_adu: Legendre coefficients [DN] in rows
    scaled to -1..1; level_adu: mean of row_level_adu; pixel_sigma_adu: robust scatter of the overscan pixels within
    their rows; residual_rms_adu: scatter of the rows' means about the polynomial; rows_used of rows_total. reason: why
    the overscan cannot be used (the numbers are then NaN), or empty.
    """

    row_level_adu: Floats
    coefficients_adu: Floats
    level_adu: float
    pixel_sigma_adu: float
    residual_rms_adu: float
    rows_used: int
    rows_total: int
    reason: str = ""

    def metrics(self) -> dict[str, float]:
        """The numbers of this fit for a QA record."""
        return {
            "overscan_level_adu": self.level_adu,
            "overscan_pixel_sigma_adu": self.pixel_sigma_adu,
            "overscan_residual_rms_adu": self.residual_rms_adu,
            "overscan_rows_used": self.rows_used,
            **{f"overscan_c{i}_adu": float(value) for i, value in enumerate(self.coefficients_adu)},
        }


def row_means(overscan: NDArray[np.uint16], columns: slice) -> tuple[Floats, Floats, float]:
    """Level of each row [DN] (ny,), number of pixels in it (ny,), and robust scatter of pixels within rows [DN].

    overscan: uint16 (ny, n) [DN]; columns: those that carry no trailed signal. Pixels further than PIXEL_CLIP_SIGMA
    from the median of their row are left out.
    """
    used = overscan[:, columns].astype(np.float64)
    residual = used - np.median(used, axis=1, keepdims=True)
    sigma = max(robust(residual).sigma, DIGITISATION_SIGMA_ADU)
    good = np.abs(residual) <= PIXEL_CLIP_SIGMA * sigma
    count = good.sum(axis=1)
    means = np.where(good, used, 0.0).sum(axis=1) / count
    return means, count.astype(np.float64), sigma


def fit_overscan(
    overscan: NDArray[np.uint16], columns: slice, *, degree: int = 2, clip_sigma: float = 4.0
) -> OverscanFit:
    """Fit the floating bias of a quadrant: a polynomial of `degree` along the rows of its overscan.

    overscan: uint16 (ny, n) [DN]; columns: see `row_means`. Rows further than `clip_sigma` robust sigma from the
    polynomial are left out, until no row changes. An overscan that holds nothing (all pixels zero, or not numbers), or
    whose rows do not agree, gives a fit with a `reason`. Source: system paper 3.3.
    """
    if not overscan[:, columns].any():
        return _no_fit(overscan.shape[0], degree, 0, "all overscan pixels are zero")
    if not np.isfinite(overscan[:, columns]).all():
        return _no_fit(overscan.shape[0], degree, 0, "overscan pixels are not numbers")
    means, count, pixel_sigma = row_means(overscan, columns)
    ny = means.size
    basis = legendre.legvander(np.linspace(-1, 1, ny), degree)
    good = np.ones(ny, bool)
    for _ in range(ITERATIONS_MAX):
        weighted = basis[good] * count[good, None]
        coefficients = np.linalg.solve(weighted.T @ basis[good], weighted.T @ means[good])
        residual = means - basis @ coefficients
        # The rows' own scatter, but never less than what the digitiser alone makes of it.
        scatter = max(robust(residual[good]).sigma, DIGITISATION_SIGMA_ADU / np.sqrt(count.max()))
        kept = np.abs(residual) <= clip_sigma * scatter
        if kept.sum() < max(ny / 2, degree + 1):
            return _no_fit(ny, degree, int(kept.sum()), "the overscan rows do not agree on a level")
        if np.array_equal(kept, good):
            break
        good = kept
    level = basis @ coefficients
    return OverscanFit(
        row_level_adu=level,
        coefficients_adu=coefficients,
        level_adu=float(level.mean()),
        pixel_sigma_adu=pixel_sigma,
        residual_rms_adu=float(np.sqrt(np.mean(residual[good] ** 2))),
        rows_used=int(good.sum()),
        rows_total=ny,
    )


def _no_fit(rows: int, degree: int, rows_used: int, reason: str) -> OverscanFit:
    nothing = np.full(rows, np.nan)
    return OverscanFit(nothing, np.full(degree + 1, np.nan), np.nan, np.nan, np.nan, rows_used, rows, reason)
