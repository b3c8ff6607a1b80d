"""A smooth function of position through scattered, noisy values: how two images of one sky are displaced or dimmed.

A Gaussian process of squared-exponential covariance in its reduced-rank form (Solin & Sarkka 2020, Stat. Comput. 30,
419): cosines over a rectangle wider than the image, each with the process's spectral density as its prior variance.
How strong the process is and how much the values scatter beyond their errors are found from the values themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from ztfpipe.methods.statistics import MAD_TO_SIGMA
from ztfpipe.model.difference import SmoothField

Floats = NDArray[np.float64]
_HIGHEST = 3.0
"""Frequencies [radian / correlation length] above this hold a hundredth of the spectral density of the lowest."""
_AMPLITUDES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Strengths tried, in units of the typical uncertainty of a mean over a correlation area."""
_CLIP = 4.0
_ROUNDS = 4
_SETTLED = 1e-3
"""Change of the scatter, in units of the typical error, that another round is not worth."""
_LEVERAGE_MAX = 0.99
_TRUST = 1e6
"""Prior variance of the mean in units of the values' variance: it is free."""


def fit_field(
    x_px: Floats, y_px: Floats, value: Floats, sigma: Floats, shape: tuple[int, int], *, scale_px: float
) -> SmoothField:
    """Fit values (n,) with errors `sigma` (n,) at positions (n,) on an image of `shape`.

    scale_px: correlation length: covariance exp(-r^2 / (2 scale^2)). Outliers beyond four sigma have no say. With fewer
    than ten values only their mean is fitted; without any the field is zero and its error not a number.
    """
    return fit_leaving_out(x_px, y_px, value, sigma, shape, scale_px=scale_px)[0]


def fit_leaving_out(
    x_px: Floats, y_px: Floats, value: Floats, sigma: Floats, shape: tuple[int, int], *, scale_px: float
) -> tuple[SmoothField, Floats]:
    """As `fit_field`, and at each position (n,) what the other values alone tell of the field there.

    A value pulls the field towards itself by its leverage h = weight times variance of the field: without it the field
    is (f - h value) / (1 - h), strength and scatter being what they are.
    """
    x_px, y_px, value, sigma = (np.asarray(v, np.float64) for v in (x_px, y_px, value, sigma))
    margin = float(scale_px)
    orders = [int(np.ceil(_HIGHEST / np.pi * (n + 2 * margin) / scale_px)) + 1 for n in shape]
    if len(value) < 10:
        orders = [1, 1]
    coefficients = np.zeros(orders)
    if len(value) == 0:
        return SmoothField(coefficients, margin, shape, 0.0, float("nan"), 0.0), np.zeros(0)
    density = _density(orders, shape, margin, scale_px)
    used = density.ravel() > density.max() * np.exp(-0.5 * _HIGHEST**2)
    basis = _basis(x_px, y_px, orders, shape, margin)[:, used]
    middle = np.median(value)
    deviation = value - middle
    scatter = MAD_TO_SIGMA * float(np.median(np.abs(deviation)))
    good = np.ones(len(value), bool)
    amplitude, error = 0.0, scatter
    for _ in range(_ROUNDS):
        weight = np.where(good, 1 / (sigma**2 + scatter**2), 0.0)
        found, variance, amplitude = _best(basis, deviation, weight, density.ravel()[used], shape, scale_px)
        residual = deviation - basis @ found
        error = float(np.sqrt(np.mean(variance)))
        # A value pulls the field towards itself: residuals are smaller than deviations by its leverage.
        leverage = np.clip(variance * weight, 0.0, 0.9)
        last, before = good, scatter
        scatter = _scatter(residual[good] / np.sqrt(1 - leverage[good]), sigma[good])
        good = np.abs(residual) < _CLIP * np.sqrt(sigma**2 + scatter**2 + error**2)
        if np.array_equal(good, last) and abs(scatter - before) <= _SETTLED * np.sqrt(np.mean(sigma**2) + scatter**2):
            break
    coefficients.ravel()[used] = found
    coefficients[0, 0] += middle
    own = np.minimum(variance * weight, _LEVERAGE_MAX)
    others = middle + (basis @ found - own * deviation) / (1 - own)
    return SmoothField(coefficients, margin, shape, scatter, error, amplitude), others


def constant_field(value: float, shape: tuple[int, int]) -> SmoothField:
    """The same value everywhere, known exactly."""
    return SmoothField(np.array([[float(value)]]), 0.0, shape, 0.0, 0.0, 0.0)


def field_at(field: SmoothField, x_px: Floats, y_px: Floats) -> Floats:
    """Values (n,) at positions (n,)."""
    x, y = np.asarray(x_px, np.float64), np.asarray(y_px, np.float64)
    along_y, along_x = (
        _cosines(v.ravel(), count, n, field.margin_px)
        for v, count, n in zip((y, x), field.coefficients.shape, field.shape, strict=True)
    )
    return ((along_y @ field.coefficients) * along_x).sum(axis=1).reshape(x.shape)


def field_on_grid(field: SmoothField, x_px: Floats, y_px: Floats) -> NDArray[np.float32]:
    """Values on the grid of columns `x_px` and rows `y_px`, float32 (rows, columns)."""
    ny, nx = field.shape
    along = [
        _cosines(np.asarray(v, np.float64), count, n, field.margin_px)
        for v, count, n in ((y_px, field.coefficients.shape[0], ny), (x_px, field.coefficients.shape[1], nx))
    ]
    first = (along[0] @ field.coefficients).astype(np.float32)
    return first @ along[1].T.astype(np.float32)


def _cosines(position: Floats, count: int, n: int, margin: float) -> Floats:
    phase = np.pi * (position + margin) / (n + 2 * margin)
    return np.cos(phase[:, None] * np.arange(count))


def _basis(x: Floats, y: Floats, orders, shape: tuple[int, int], margin: float) -> Floats:
    """Products of cosines (n, J I)."""
    along_y, along_x = _cosines(y, orders[0], shape[0], margin), _cosines(x, orders[1], shape[1], margin)
    return (along_y[:, :, None] * along_x[:, None, :]).reshape(len(x), orders[0] * orders[1])


def _density(orders, shape: tuple[int, int], margin: float, scale_px: float) -> Floats:
    """Prior variance of each coefficient of a process of unit variance, (J, I)."""
    one = []
    for count, n in zip(orders, shape, strict=True):
        k = np.pi * np.arange(count) / (n + 2 * margin) * scale_px
        part = np.exp(-0.5 * k**2) * np.where(np.arange(count) == 0, 1.0, 2.0)
        one.append(part / part.sum() * 2.0)
    # A cosine squared is one half on average: coefficients add up to the variance of the process.
    return one[0][:, None] * one[1][None, :]


def _best(basis, deviation, weight, density, shape, scale_px) -> tuple[Floats, Floats, float]:
    """Coefficients, variance of the field at the values, and the amplitude of highest marginal likelihood."""
    weighted = basis * weight[:, None]
    gram, right = weighted.T @ basis, weighted.T @ deviation
    in_one_area = max(len(deviation) * 2 * np.pi * scale_px**2 / (shape[0] * shape[1]), 1.0)
    unit = 1 / np.sqrt(np.mean(weight) * in_one_area)
    free = _TRUST * float(np.mean(deviation**2) + unit**2)
    best = None
    for factor in _AMPLITUDES:
        prior = np.maximum(density * (factor * unit) ** 2, 1e-12 * unit**2)
        prior[0] = free
        root = np.sqrt(prior)
        # With c = root b the matrix is the unit one plus what the data add: well conditioned for any prior.
        matrix = np.eye(len(prior)) + root[:, None] * gram * root
        lower = np.linalg.cholesky(matrix)
        half = solve_triangular(lower, root * right, lower=True, check_finite=False)
        likelihood = 0.5 * half @ half - np.log(np.diagonal(lower)).sum()
        if best is None or likelihood > best[0]:
            best = (likelihood, factor * unit, root, lower, half)
    _, amplitude, root, lower, half = best
    found = root * solve_triangular(lower, half, lower=True, trans=1, check_finite=False)
    spread = solve_triangular(lower, (basis * root).T, lower=True, check_finite=False)
    return found, (spread**2).sum(axis=0), float(amplitude)


def _scatter(residual: Floats, sigma: Floats) -> float:
    """The extra scatter of highest likelihood for residuals (n,) with errors sigma (n,)."""
    if len(residual) < 3:
        return 0.0
    largest = float(np.std(residual)) + 1e-12
    tried = np.concatenate([[0.0], largest * np.geomspace(0.02, 1.5, 60)])
    variance = sigma[:, None] ** 2 + tried**2
    cost = (np.log(variance) + residual[:, None] ** 2 / variance).sum(axis=0)
    return float(tried[np.argmin(cost)])
