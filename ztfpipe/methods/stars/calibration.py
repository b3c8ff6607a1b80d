"""Photometric calibration of an image: zero point and colour term, structure of the zero point, limiting magnitude."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.errors import Unusable
from ztfpipe.methods.statistics import MAD_TO_SIGMA

_CLIP = 3.0
_CLIPPED_VARIANCE = 0.97334
"""Variance of a unit Gaussian cut at 3 sigma."""


@dataclass(frozen=True)
class ZeroPoint:
    """m_cal - m_inst = zero_point + colour_coefficient x colour (system paper 3.5.2; MAGZP, CLRCOEFF and their errors).

    covariance_mag2: of the two (ZPCLRCOV). rms_mag: of the residuals of the calibrators used, weighted as in the fit.
    intrinsic_mag: scatter beyond the stated errors, part of each calibrator's weight. used: (n,) which calibrators
    survived; residual_mag: (n,) of all.
    """

    zero_point_mag: float
    colour_coefficient: float
    sigma_zero_point_mag: float
    sigma_colour_coefficient: float
    covariance_mag2: float
    rms_mag: float
    intrinsic_mag: float
    used: NDArray[np.bool_]
    residual_mag: NDArray[np.float64]

    @property
    def count(self) -> int:
        """How many calibrators the fit rests on (NMATCHES)."""
        return int(np.count_nonzero(self.used))


@dataclass(frozen=True)
class ZeroPointStructure:
    """Zero-point residuals over a grid of cells.

    offset_mag, sigma_mag: (cells, cells), [y, x], NaN where a cell has fewer than three calibrators. rms_mag: of the
    cells' offsets beyond their noise. chi2_per_cell: one for a uniform zero point.
    """

    offset_mag: NDArray[np.float64]
    sigma_mag: NDArray[np.float64]
    rms_mag: float
    chi2_per_cell: float


def fit_zero_point(
    instrumental_mag: NDArray,
    sigma_instrumental_mag: NDArray,
    calibrator_mag: NDArray,
    sigma_calibrator_mag: NDArray,
    colour_mag: NDArray,
    *,
    sigma_colour_mag: NDArray | float = 0.0,
    fit_colour: bool = True,
    min_count: int = 5,
) -> ZeroPoint:
    """Robust weighted fit of zero point and colour coefficient; all arrays (n,).

    Weights are 1 / (stated variance + intrinsic variance); the intrinsic scatter is the one that makes chi^2 equal to
    the degrees of freedom (less what clipping at 3 sigma takes out), and residuals beyond 3 sigma are left out, until
    neither changes. The start is a fit of least absolute deviations, so that a third of the calibrators may be wrong.
    Without a spread of colours, or with fit_colour=False, the coefficient is 0.

    Raises Unusable when fewer than `min_count` calibrators are finite or left.
    """
    difference = np.asarray(calibrator_mag, float) - np.asarray(instrumental_mag, float)
    colour = np.asarray(colour_mag, float)
    variance = np.asarray(sigma_instrumental_mag, float) ** 2 + np.asarray(sigma_calibrator_mag, float) ** 2
    colour_variance = np.broadcast_to(np.asarray(sigma_colour_mag, float) ** 2, colour.shape)
    finite = np.isfinite(difference) & np.isfinite(colour) & np.isfinite(variance) & (variance > 0)
    if finite.sum() < min_count:
        raise Unusable("zero point", "too few calibrators", calibrators=int(finite.sum()))
    fit_colour = fit_colour and np.ptp(colour[finite]) > 0.05
    columns = np.column_stack([np.ones_like(colour), colour if fit_colour else np.zeros_like(colour)])
    zero_point, slope = _least_absolute(columns[finite], difference[finite], fit_colour)
    used, intrinsic = finite, 0.0
    for attempt in range(50):
        stated = variance + slope**2 * colour_variance
        residual = difference - columns @ [zero_point, slope]
        intrinsic = _intrinsic_scatter(residual[used], stated[used], 1 + fit_colour)
        total = stated + intrinsic**2
        limit = total
        if attempt == 0:
            # The intrinsic scatter of all calibrators has swallowed the outliers: a robust width stands in for it.
            limit = np.median(np.abs(residual[finite]) / np.sqrt(stated[finite])) ** 2 * MAD_TO_SIGMA**2 * stated
            limit = np.maximum(limit, stated)
        keep = finite & (residual**2 < _CLIP**2 * limit)
        if keep.sum() < min_count:
            raise Unusable("zero point", "too few calibrators agree", calibrators=int(keep.sum()))
        matrix, right = _normal(columns[keep], difference[keep], 1 / total[keep], fit_colour)
        step = np.linalg.solve(matrix, right) - [zero_point, slope]
        zero_point, slope = zero_point + step[0], slope + step[1]
        if np.array_equal(keep, used) and abs(step[0]) < 1e-7:
            break
        used = keep
    covariance = np.linalg.inv(matrix)
    if not fit_colour:
        covariance[1, 1] = 0.0
    residual = difference - columns @ [zero_point, slope]
    weights = 1 / total[used]
    return ZeroPoint(
        float(zero_point), float(slope), float(np.sqrt(covariance[0, 0])), float(np.sqrt(covariance[1, 1])),
        float(covariance[0, 1]), float(np.sqrt(np.sum(weights * residual[used] ** 2) / np.sum(weights))),
        float(intrinsic), used, residual,
    )  # fmt: skip


def zero_point_structure(
    fit: ZeroPoint,
    sigma_mag: NDArray,
    x_px: NDArray,
    y_px: NDArray,
    shape: tuple[int, int],
    *,
    cells: int = 4,
) -> ZeroPointStructure:
    """Zero-point residuals by cell, to tell a uniform night from structured clouds.

    sigma_mag: (n,) stated uncertainty of each calibrator's residual. All calibrators are looked at, also those the fit
    clipped, since clouds clip their own evidence away; each cell's offset is a median.
    """
    ny, nx = shape
    offset, sigma = np.full((2, cells, cells), np.nan)
    row = np.clip((cells * np.asarray(y_px) / ny).astype(int), 0, cells - 1)
    column = np.clip((cells * np.asarray(x_px) / nx).astype(int), 0, cells - 1)
    good = np.isfinite(fit.residual_mag)
    error = np.sqrt(np.asarray(sigma_mag) ** 2 + min(fit.intrinsic_mag, 0.02) ** 2)
    for j in range(cells):
        for i in range(cells):
            here = good & (row == j) & (column == i)
            if here.sum() >= 3:
                offset[j, i] = np.median(fit.residual_mag[here])
                # sqrt(pi / 2) for the median; the root of the mean inverse variance stands for the typical error.
                typical = 1 / np.sqrt(np.mean(1 / error[here] ** 2))
                sigma[j, i] = np.sqrt(np.pi / 2) * typical / np.sqrt(here.sum())
    seen = np.isfinite(offset)
    if seen.sum() < 2:
        return ZeroPointStructure(offset, sigma, np.nan, np.nan)
    weights = 1 / sigma[seen] ** 2
    departure = offset[seen] - np.sum(weights * offset[seen]) / np.sum(weights)
    chi2 = float(np.sum(weights * departure**2) / (seen.sum() - 1))
    excess = np.mean(departure**2) - np.mean(sigma[seen] ** 2)
    return ZeroPointStructure(offset, sigma, float(np.sqrt(max(excess, 0.0))), chi2)


def limiting_magnitude(
    flux_adu: NDArray, sigma_flux_adu: NDArray, zero_point_mag: float, *, scatter_mag: float = 0.2
) -> float:
    """The magnitude at which a star's magnitude scatters by `scatter_mag` (0.2 mag: MAGLIM).

    The catalog ends where S/N does: near the edge it holds only stars that noise made brighter, and their measured
    S/N says nothing of the limit. Their uncertainties do: sigma^2 = a + b flux is fitted to them (robustly, so that
    stars with blended or masked pixels do not count) and solved for sigma / flux = scatter / 1.0857.

    Raises Unusable with fewer than ten stars.
    """
    flux, variance = np.asarray(flux_adu, float), np.asarray(sigma_flux_adu, float) ** 2
    good = np.isfinite(flux) & np.isfinite(variance) & (flux > 0) & (variance > 0)
    if good.sum() < 10:
        raise Unusable("limiting magnitude", "too few stars", stars=int(good.sum()))
    flux, variance = flux[good], variance[good]
    # Stars up to 30 times the faintest decide: what is far brighter tells of the gain, not of the background.
    near = flux <= max(30 * np.quantile(flux, 0.02), np.sort(flux)[9])
    flux, variance = flux[near], variance[near]
    columns = np.column_stack([np.ones_like(flux), flux])
    weights = 1 / variance
    for _ in range(20):
        scaled = columns * weights[:, None]
        a, b = np.linalg.lstsq(scaled, variance * weights, rcond=None)[0]
        if b < 0 or np.ptp(flux) == 0:
            a, b = float(np.median(variance)), 0.0
            break
        relative = variance / np.maximum(a + b * flux, 1e-30) - 1
        spread = MAD_TO_SIGMA * np.median(np.abs(relative)) + 1e-12
        weights = 1 / variance / (1 + (relative / (2 * spread)) ** 2)
    k = scatter_mag * np.log(10) / 2.5
    limit = (b + np.sqrt(b**2 + 4 * k**2 * max(a, 0.0))) / (2 * k**2)
    return float(zero_point_mag - 2.5 * np.log10(limit))


def _normal(columns: NDArray, values: NDArray, weights: NDArray, fit_colour: bool) -> tuple[NDArray, NDArray]:
    matrix = columns.T @ (columns * weights[:, None])
    if not fit_colour:
        matrix[1, 1] = 1.0
    return matrix, columns.T @ (values * weights)


def _least_absolute(columns: NDArray, values: NDArray, fit_colour: bool) -> tuple[float, float]:
    """Straight line of least absolute deviations by reweighted least squares."""
    solution = np.array([np.median(values), 0.0])
    floor = 1e-3
    for _ in range(30):
        weights = 1 / np.maximum(np.abs(values - columns @ solution), floor)
        matrix, right = _normal(columns, values, weights, fit_colour)
        solution = np.linalg.solve(matrix, right)
    return float(solution[0]), float(solution[1])


def _intrinsic_scatter(residual: NDArray, variance: NDArray, parameters: int) -> float:
    """The s >= 0 with sum r^2 / (variance + s^2) = expected, by bisection in s^2."""
    expected = _CLIPPED_VARIANCE * max(len(residual) - parameters, 1)
    if np.sum(residual**2 / variance) <= expected:
        return 0.0
    low, high = 0.0, float(np.max(residual**2))
    for _ in range(60):
        middle = (low + high) / 2
        if np.sum(residual**2 / (variance + middle)) > expected:
            low = middle
        else:
            high = middle
    return float(np.sqrt(high))
