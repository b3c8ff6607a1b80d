"""DAOPHOT II's form of a point-spread function: evaluated as DAOPHOT does, and made from the pipeline's own model.

Source: Stetson 1987 (PASP 99, 191) for the idea; the rules of evaluation are those of DAOPHOT II (its manual, and what
its routines PROFIL, BICUBC and USEPSF do): the analytic profile is integrated over a pixel with one to four
Gauss-Legendre points an axis, more where it is high; tables half a pixel apart are interpolated by cubics whose slopes
are central differences; their weights are Legendre polynomials of position scaled to -1..1 over the frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from ztfpipe.methods.stars.psf import sample
from ztfpipe.model.daophot import ORDER_BY_TABLES, PARAMETER_COUNT, DaophotPsf
from ztfpipe.model.stars import PsfModel

Floats = NDArray[np.float64]

_LEGENDRE_NODES = [np.polynomial.legendre.leggauss(n) for n in (1, 2, 3, 4)]
_POINTS_BY_HEIGHT = (1e-10, 1e-4, 0.0022, 0.046)
"""DAOPHOT uses 0, 1, 2, 3 or 4 points an axis where the profile at the pixel's centre lies between these."""
_MOFFAT_BETA = {"MOFFAT15": 1.5, "MOFFAT25": 2.5, "MOFFAT35": 3.5}
_FINE_STEP_PX = 0.125
_TERM_COUNT = {order: count for count, order in ORDER_BY_TABLES.items()}
_TERM_NORM = np.array([1, 1 / 3, 1 / 3, 1 / 5, 1 / 9, 1 / 5, 1 / 7, 1 / 15, 1 / 15, 1 / 7])
"""Mean square of each term over the frame."""


def from_model(
    psf: PsfModel, *, function: str = "GAUSSIAN", order: int = 2, radius_px: int | None = None, flux_adu: float = 1e6
) -> DaophotPsf:
    """The DAOPHOT form of a PSF model.

    function: name of the analytic profile, fitted to the model at the frame's centre. order: largest degree in position
    of the tables, 0 to 2 for every DAOPHOT II, 3 for its later editions; never more than the model's. radius_px: of the
    tables, at most and by default the model's. flux_adu: flux of the star the profile is given for.

    The tables are not samples but the least-squares solution that makes DAOPHOT's own interpolation come closest to the
    model, over all offsets and (for lower orders than the model's) over the frame.
    """
    order = min(order, psf.order)
    radius = psf.radius_px if radius_px is None else min(radius_px, psf.radius_px)
    ny, nx = psf.shape
    centre = ((nx - 1) / 2, (ny - 1) / 2)
    parameters, height = _fit_profile(psf, centre, function, radius)
    side = 4 * radius + 3
    fine = np.arange(-radius, radius + _FINE_STEP_PX / 2, _FINE_STEP_PX)
    inverse = np.linalg.pinv(_interpolation_matrix(fine, side))
    dx, dy = np.meshgrid(fine, fine)
    analytic = height * _analytic(function, parameters, dx, dy)
    tables = np.stack([inverse @ part @ inverse.T for part in _expansion(psf, order, fine)])
    tables[0] -= inverse @ analytic @ inverse.T
    return DaophotPsf(
        function=function,
        parameters=parameters,
        height_adu=height * flux_adu,
        psf_mag=25 - 2.5 * math.log10(flux_adu),
        centre_px=centre,
        tables=tables * flux_adu,
    )


def evaluate(psf: DaophotPsf, dx_px: ArrayLike, dy_px: ArrayLike, x_px: float, y_px: float) -> Floats:
    """Counts per pixel [DN] at offsets (any shape) from a star of `psf.psf_mag` at zero-based (x, y).

    Zero beyond the tables' reach, where DAOPHOT never looks.
    """
    dx, dy = np.broadcast_arrays(np.asarray(dx_px, np.float64), np.asarray(dy_px, np.float64))
    value = psf.height_adu * _analytic(psf.function, psf.parameters, dx, dy)
    if len(psf.tables):
        terms = _position_terms(len(psf.tables), x_px / psf.centre_px[0] - 1, y_px / psf.centre_px[1] - 1)
        table = np.tensordot(terms, psf.tables, 1)
        column, x_weights = _interpolation(dx, psf.side)
        row, y_weights = _interpolation(dy, psf.side)
        for j in range(4):
            for i in range(4):
                value = value + y_weights[j] * x_weights[i] * table[row + j, column + i]
    inside = np.maximum(np.abs(dx), np.abs(dy)) <= psf.radius_px
    return np.where(inside, value, 0.0)


def stamp(psf: DaophotPsf, x_px: float, y_px: float, half_px: int = 12) -> NDArray[np.float32]:
    """The profile of a star at (x, y), centred on the middle pixel of a float32 (2 half + 1)^2 stamp whose sum is 1."""
    offsets = np.arange(-half_px, half_px + 1)
    values = evaluate(psf, offsets[None, :], offsets[:, None], x_px, y_px)
    return (values / values.sum()).astype(np.float32)


def _position_terms(count: int, u: float, v: float) -> Floats:
    """Weights of the tables at a position scaled to -1..1: products of Legendre polynomials, in DAOPHOT's order."""
    u2, v2 = 1.5 * u**2 - 0.5, 1.5 * v**2 - 0.5
    terms = [1.0, u, v, u2, u * v, v2, u * (5 * u2 - 2) / 3, u2 * v, u * v2, v * (5 * v2 - 2) / 3]
    return np.array(terms[:count])


def _expansion(psf: PsfModel, order: int, offsets_px: Floats) -> Floats:
    """The model on the grid of offsets as coefficients of the position terms: (terms, n, n).

    Projection over the frame by Gauss-Legendre quadrature, exact up to sixth-degree models.
    """
    count = _TERM_COUNT[order]
    nodes, weights = np.polynomial.legendre.leggauss(5)
    ny, nx = psf.shape
    out = np.zeros((count, len(offsets_px), len(offsets_px)))
    for v, weight_v in zip(nodes, weights, strict=True):
        for u, weight_u in zip(nodes, weights, strict=True):
            value = sample(psf, (u + 1) * (nx - 1) / 2, (v + 1) * (ny - 1) / 2, offsets_px)
            terms = _position_terms(count, u, v) / _TERM_NORM[:count]
            out += weight_u * weight_v / 4 * terms[:, None, None] * value
    return out


def _interpolation(offset_px: Floats, side: int) -> tuple[NDArray[np.intp], Floats]:
    """First of the four table entries around each offset, and their weights (4, ...): a cubic of central slopes."""
    place = np.clip(2 * offset_px + (side - 1) // 2, 1, side - 2)
    cell = np.minimum(np.floor(place).astype(np.intp), side - 3)
    t = place - cell
    weights = np.stack(
        [
            ((2 - t) * t - 1) * t / 2,
            (t * (3 * t - 5) * t + 2) / 2,
            ((4 - 3 * t) * t + 1) * t / 2,
            (t - 1) * t * t / 2,
        ]
    )
    return cell - 1, weights


def _interpolation_matrix(offset_px: Floats, side: int) -> Floats:
    """The interpolation along one axis as a matrix (offsets, entries)."""
    first, weights = _interpolation(offset_px, side)
    matrix = np.zeros((len(offset_px), side))
    for k in range(4):
        matrix[np.arange(len(offset_px)), first + k] += weights[k]
    return matrix


def _analytic(function: str, parameters: tuple[float, ...], dx: Floats, dy: Floats) -> Floats:
    """The analytic profile integrated over pixels at offsets (any shape), with as many points as DAOPHOT."""
    if function == "GAUSSIAN":
        p1, p2 = parameters
        return _gaussian_over_pixel(dx, p1) * _gaussian_over_pixel(dy, p2) / (p1 * p2)
    density = _density(function, parameters)
    height = density(dx, dy) / (_MOFFAT_BETA.get(function, 2.0) - 1)
    points = np.searchsorted(_POINTS_BY_HEIGHT, height, side="right")
    out = np.zeros(dx.shape)
    for count in range(1, 5):
        here = points == count
        nodes, weights = _LEGENDRE_NODES[count - 1]
        x = dx[here][:, None, None] + nodes / 2
        y = dy[here][:, None, None] + nodes[:, None] / 2
        out[here] = np.einsum("nji,j,i->n", density(x, y), weights / 2, weights / 2)
    return out


def _gaussian_over_pixel(offset: Floats, half_width: float) -> Floats:
    """A one-dimensional Gaussian of that half-width at half maximum, integrated over a pixel."""
    height = np.exp(-math.log(2) * (offset / half_width) ** 2)
    points = np.searchsorted(_POINTS_BY_HEIGHT, height, side="right")
    out = np.zeros(offset.shape)
    for count in range(1, 5):
        here = points == count
        nodes, weights = _LEGENDRE_NODES[count - 1]
        out[here] = np.exp(-math.log(2) * ((offset[here][:, None] + nodes / 2) / half_width) ** 2) @ (weights / 2)
    return out


def _density(function: str, parameters: tuple[float, ...]) -> Callable[[Floats, Floats], Floats]:
    """The analytic profile at a point, as DAOPHOT II defines it (half-widths at half maximum first)."""
    p1, p2, *rest = parameters
    beta = _MOFFAT_BETA.get(function)

    def value(x: Floats, y: Floats) -> Floats:
        square = (x / p1) ** 2 + (y / p2) ** 2
        if beta is not None:
            return (beta - 1) / (p1 * p2) * (1 + (2 ** (1 / beta) - 1) * (square + x * y * rest[0])) ** -beta
        if function == "LORENTZ":
            return 1 / (1 + square + x * y * rest[0])
        tilt = rest[2] if function == "PENNY2" else 0.0
        core = np.exp(-math.log(2) * (square + x * y * rest[1]))
        return rest[0] * core + (1 - rest[0]) / (1 + square + x * y * tilt)

    return value


def _fit_profile(
    psf: PsfModel, centre: tuple[float, float], function: str, radius: int
) -> tuple[tuple[float, ...], float]:
    """Parameters and height (for unit flux) of the analytic profile closest to the model at the centre of the frame."""
    reach = min(radius, math.ceil(2 * psf.fwhm_px))
    offsets = np.arange(-reach, reach + 0.125, 0.25)
    dx, dy = np.meshgrid(offsets, offsets)
    target = sample(psf, *centre, offsets)
    start = [psf.fwhm_px / 2, psf.fwhm_px / 2, *([0.75, 0.0, 0.0] if "PENNY" in function else [0.0])]
    start = start[: PARAMETER_COUNT[function]]

    def height(parameters: Floats) -> tuple[Floats, float]:
        shape = _analytic(function, tuple(parameters), dx, dy)
        return shape, float(np.vdot(shape, target) / np.vdot(shape, shape))

    def misfit(parameters: Floats) -> Floats:
        shape, scale = height(parameters)
        return (scale * shape - target).ravel()

    low = [0.2 * psf.fwhm_px] * 2 + [0.0 if "PENNY" in function else -0.5, -0.5, -0.5]
    high = [2.0 * psf.fwhm_px] * 2 + [1.0 if "PENNY" in function else 0.5, 0.5, 0.5]
    fit = least_squares(misfit, start, bounds=(low[: len(start)], high[: len(start)]))
    # As the file keeps them, so that the tables take up what rounding leaves.
    parameters = tuple(float(f"{value:.6E}") for value in fit.x)
    return parameters, float(f"{height(np.array(parameters))[1]:.8E}")
