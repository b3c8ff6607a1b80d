"""Zero points of many epochs relative to each other (Ofek et al. 2011, ApJ 740, 65, section 3 and appendix A).

The model is m = M_star + Z_epoch, with Z a constant or a low polynomial over the image. Means of stars are eliminated
from the normal equations, which leaves one equation per epoch, solved exactly and with its covariance. What clouds
leave beyond polynomials is learned afterwards (zero_point_structure.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from ztfpipe.methods.smooth_field import field_at
from ztfpipe.methods.statistics import MAD_TO_SIGMA
from ztfpipe.methods.time.grouping_nb import group, group_median_sigma
from ztfpipe.methods.time.relative_photometry_nb import surface_at, surface_normals
from ztfpipe.methods.time.zero_point_structure import learn_structure
from ztfpipe.model.difference import SmoothField

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
_SURFACE_TURNS, _SURFACE_CHANGE_MAG = 10, 2e-5
_LEAST_ERROR_MAG = 0.02
"""Errors are taken as at least this when it is asked what is absurd before anything is solved."""
N_TERMS_MAX = 15


@dataclass(frozen=True)
class Measurements:
    """Measurements (n,) of stars in epochs: indices, magnitudes and errors, places over the image from -1 to 1."""

    star: Indices
    epoch: Indices
    mag: Floats
    error_mag: Floats
    u: Floats
    v: Floats
    n_stars: int
    n_epochs: int

    def __len__(self) -> int:
        return self.mag.size

    def select(self, kept: NDArray[np.bool_]) -> Measurements:
        """Those that are kept; indices of stars and epochs stay as they are."""
        rows = np.flatnonzero(kept)
        parts = (getattr(self, name)[rows] for name in ("star", "epoch", "mag", "error_mag", "u", "v"))
        return Measurements(*parts, self.n_stars, self.n_epochs)


@dataclass(frozen=True)
class ZeroPoints:
    """The solution: what is to be added to magnitudes.

    correction_mag: (n_epochs, 15) coefficients of Legendre products over the image, the first the mean; zero where
    there is no solution. error_mag: (n_epochs,) of the mean, NaN there; rms_mag: (n_epochs,) robust scatter of the
    measurements about the solution; count: (n_epochs,) measurements used; calibrator: (n_stars,) whether a star was
    used in the end. structure: by epoch, what is to be taken off besides, as a function of the pixel [mag]; own_mag:
    by epoch, what of that each star (n_stars,) said itself.
    """

    correction_mag: Floats
    error_mag: Floats
    rms_mag: Floats
    count: Indices
    calibrator: NDArray[np.bool_]
    structure: Mapping[int, SmoothField] = field(default_factory=dict)
    own_mag: Mapping[int, Floats] = field(default_factory=dict)

    def at(self, epoch: Indices, u: Floats, v: Floats, star: Indices | None = None) -> Floats:
        """Corrections [mag] of measurements in epochs at places; star: which of the stars they are, if they are."""
        found = np.empty(len(epoch))
        surface_at(epoch, u, v, self.correction_mag, found)
        for number, left in self.structure.items():
            rows = np.flatnonzero(epoch == number)
            found[rows] -= field_at(left, *_pixels(u[rows], v[rows], left.shape))
            if star is not None:
                found[rows] += self.own_mag[number][star[rows]]
        return found

    @staticmethod
    def none(n_stars: int, n_epochs: int) -> ZeroPoints:
        """No correction."""
        unknown = np.full(n_epochs, np.nan)
        return ZeroPoints(
            np.zeros((n_epochs, N_TERMS_MAX)), unknown, unknown, np.zeros(n_epochs, np.int64), np.zeros(n_stars, bool)
        )


@dataclass(frozen=True)
class Linear:
    """A weighted least-squares solution of m = M + Z with sum(gauge Z) = 0; epochs that cannot be joined are NaN."""

    star_mag: Floats
    epoch_mag: Floats
    epoch_error_mag: Floats


def relative_zero_points(
    data: Measurements,
    good_epoch: NDArray[np.bool_],
    *,
    calibrators_max: int,
    calibrators_min: int,
    calibrator_seen_min: float,
    reject_sigma: float,
    rejections: int,
    scatter_floor_mag: float,
    surface_degree: int,
    surface_stars_per_term: int,
    structure_scale_px: float,
    shape: tuple[int, int],
) -> ZeroPoints:
    """Solve the zero points of all epochs from the least variable stars, leaving out what does not fit.

    data: clean measurements of bright stars; good_epoch: (n_epochs,) those whose mean correction is zero, which keeps
    the level of the absolute calibration (all, when none is good). Stars seen in less than `calibrator_seen_min` of
    the epochs, and the more variable ones, are no calibrators; at most `calibrators_max` are. Epochs with fewer than
    `calibrators_min` of them have no correction. shape: of the image, for structure. See config.Lightcurve for the
    other choices.
    """
    gauge = good_epoch if good_epoch.any() else np.ones(data.n_epochs, bool)
    level = replace(data, mag=data.mag - _median_zero_points(data)[data.epoch])
    # Stars chosen by their scatter about rough zero points are those whose noise happens to agree with them, so that
    # zero points from them are biased: they are chosen again about the first solution.
    for repeats in (min(rejections, 1), rejections):
        chosen = least_variable(level, calibrators_max, calibrator_seen_min, scatter_floor_mag, reject_sigma)
        if np.count_nonzero(chosen) < calibrators_min:
            return ZeroPoints.none(data.n_stars, data.n_epochs)
        among = chosen[data.star]
        found = _solve(
            data.select(among), _near_own_median(level.select(among), reject_sigma), gauge, repeats, calibrators_min,
            reject_sigma, scatter_floor_mag, surface_degree, surface_stars_per_term,
        )  # fmt: skip
        level = replace(data, mag=data.mag + found.at(data.epoch, data.u, data.v))
    if structure_scale_px <= 0:
        return found
    least = surface_stars_per_term * N_TERMS_MAX
    return _with_structure(found, level, scatter_floor_mag, shape, structure_scale_px, least)


def _with_structure(
    found: ZeroPoints, level: Measurements, floor_mag: float, shape: tuple[int, int], scale_px: float, least: int
) -> ZeroPoints:
    """The solution and what its calibrators, with it taken off, tell of structure."""
    used = level.select(found.calibrator[level.star] & (found.count[level.epoch] > 0))
    told = learn_structure(
        used.star, used.epoch, *_pixels(used.u, used.v, shape), used.mag, np.hypot(used.error_mag, floor_mag),
        n_stars=used.n_stars, n_epochs=used.n_epochs, shape=shape, scale_px=scale_px, least=least,
    )  # fmt: skip
    rms = found.rms_mag.copy()
    rms[list(told.fields)] = told.rms_mag[list(told.fields)]
    return replace(found, rms_mag=rms, structure=told.fields, own_mag=told.own_mag)


def _pixels(u: Floats, v: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Zero-based x and y of places from -1 to 1 over an image."""
    ny, nx = shape
    return (u + 1) * (nx - 1) / 2, (v + 1) * (ny - 1) / 2


def _solve(
    used: Measurements,
    kept: NDArray[np.bool_],
    gauge: NDArray[np.bool_],
    rejections: int,
    calibrators_min: int,
    reject_sigma: float,
    scatter_floor_mag: float,
    surface_degree: int,
    surface_stars_per_term: int,
) -> ZeroPoints:
    """Solve from measurements of calibrators, beginning with those `kept`, and repeat without what is off."""
    sigma = np.hypot(used.error_mag, scatter_floor_mag)
    coefficients = np.zeros((used.n_epochs, N_TERMS_MAX))
    surface, excess = np.zeros(len(used)), np.zeros(used.n_epochs)
    for turn in range(rejections + 1):
        weight = _weights(used, sigma, kept, calibrators_min)
        linear = solve_linear(replace(used, mag=used.mag - surface), weight, gauge)
        star, epoch = linear.star_mag, np.nan_to_num(linear.epoch_mag)
        weight = np.where(np.isfinite(linear.epoch_mag[used.epoch]), weight, 0.0)
        residual = used.mag - surface - star[used.star] - epoch[used.epoch]
        if surface_degree > 0:
            star, coefficients, surface, excess = _fit_surfaces(
                used, weight, star, epoch, coefficients, gauge, surface_degree, surface_stars_per_term
            )
            residual = used.mag - surface - star[used.star] - epoch[used.epoch]
        if turn < rejections:
            kept = _fitting(used, residual, sigma, weight > 0, reject_sigma)
    coefficients[:, 0] += epoch
    return _result(used, residual, weight, linear, coefficients, excess)


def solve_linear(data: Measurements, weight: Floats, gauge: NDArray[np.bool_]) -> Linear:
    """Weighted least squares of m = M + Z, exactly: means of stars are eliminated, (W_z - A' W_m^-1 A) Z = b is solved.

    weight: (n,) 0 for what is left out; gauge: (n_epochs,) the epochs whose mean Z is zero. Epochs that share no star
    with the largest group of epochs are NaN, as are stars without weight. Errors are those of Z in this gauge.
    """
    n_stars, n_epochs = data.n_stars, data.n_epochs
    rows = np.flatnonzero(weight > 0)
    of_star, of_epoch, weight = data.star[rows], data.epoch[rows], weight[rows]
    light_of = weight * data.mag[rows]
    seen = np.flatnonzero(np.bincount(of_star, minlength=n_stars))
    column = np.zeros(n_stars, np.int64)
    column[seen] = np.arange(seen.size)
    column = column[of_star]
    table = np.zeros((n_epochs, seen.size))
    table[of_epoch, column] = weight
    linked = (table > 0).astype(np.float32)
    groups = connected_components((linked @ linked.T) > 0, directed=False)[1]
    has = table.any(axis=1)
    unknown = np.full(n_epochs, np.nan)
    if not has.any():
        return Linear(np.full(n_stars, np.nan), unknown, unknown)
    joined = np.flatnonzero(has & (groups == np.bincount(groups[has]).argmax()))
    per_star = table[joined].sum(axis=0)
    with np.errstate(divide="ignore"):
        inverse = np.where(per_star > 0, 1.0 / per_star, 0.0)
    is_joined = np.zeros(n_epochs, bool)
    is_joined[joined] = True
    light = np.bincount(column, light_of * is_joined[of_epoch], seen.size)
    a = table[joined]
    right = np.bincount(of_epoch, light_of, n_epochs)[joined] - a @ (inverse * light)
    normal = np.diag(a.sum(axis=1)) - (a * inverse) @ a.T
    # The constant, of which the measurements know nothing, gets an equation of its own.
    scale = np.trace(normal) / joined.size**2
    factor = scipy.linalg.cho_factor(normal + scale)
    z = scipy.linalg.cho_solve(factor, right)
    covariance = scipy.linalg.cho_solve(factor, np.eye(joined.size))
    share = (
        gauge[joined] / max(gauge[joined].sum(), 1) if gauge[joined].any() else np.full(joined.size, 1 / joined.size)
    )
    z = z - share @ z
    towards = covariance @ share
    variance = np.diag(covariance) - 2 * towards + share @ towards
    star = np.full(n_stars, np.nan)
    star[seen] = np.where(per_star > 0, inverse * (light - z @ a), np.nan)
    epoch, error = unknown.copy(), unknown.copy()
    epoch[joined], error[joined] = z, np.sqrt(np.maximum(variance, 0.0))
    return Linear(star, epoch, error)


def least_variable(
    data: Measurements, number: int, seen_min: float, floor_mag: float, reject_sigma: float
) -> NDArray[np.bool_]:
    """Which stars (n_stars,) are calibrators, by magnitudes with zero points taken off: seen often
    enough, not more variable than their errors say they may be compared with stars of their kind, and of those the
    `number` with the least scatter."""
    start, members = _by(data.star, data.n_stars)
    count = np.diff(start)
    epochs = np.count_nonzero(np.bincount(data.epoch, minlength=data.n_epochs))
    median, sigma = group_median_sigma(data.mag, start, members)
    error = group_median_sigma(np.hypot(data.error_mag, floor_mag), start, members)[0]
    often = (count >= max(seen_min * epochs, 3)) & np.isfinite(median)
    if not often.any():
        return often
    ratio = sigma / error
    middle = np.median(ratio[often])
    spread = MAD_TO_SIGMA * np.median(np.abs(ratio[often] - middle))
    steady = np.flatnonzero(often & (ratio <= middle + reject_sigma * max(spread, 0.05 * middle)))
    best = steady[np.argsort(sigma[steady], kind="stable")[:number]]
    chosen = np.zeros(data.n_stars, bool)
    chosen[best] = True
    return chosen


def _median_zero_points(data: Measurements) -> Floats:
    """Rough zero points (n_epochs,): medians over stars of what is left of medians over epochs, twice."""
    by_star, by_epoch = _by(data.star, data.n_stars), _by(data.epoch, data.n_epochs)
    zero = np.zeros(data.n_epochs)
    for _ in range(2):
        star = group_median_sigma(data.mag - zero[data.epoch], *by_star)[0]
        zero = np.nan_to_num(group_median_sigma(data.mag - star[data.star], *by_epoch)[0])
    return zero


def _near_own_median(level: Measurements, reject_sigma: float) -> NDArray[np.bool_]:
    """Measurements not absurdly far from the median of their star."""
    off = np.abs(level.mag - group_median_sigma(level.mag, *_by(level.star, level.n_stars))[0][level.star])
    return off < 3 * reject_sigma * np.maximum(level.error_mag, _LEAST_ERROR_MAG)


def _weights(data: Measurements, sigma: Floats, kept: NDArray[np.bool_], calibrators_min: int) -> Floats:
    """1 / sigma^2 of what is kept, 0 in epochs with too few stars."""
    enough = np.bincount(data.epoch[kept], minlength=data.n_epochs) >= calibrators_min
    return np.where(kept & enough[data.epoch], sigma**-2.0, 0.0)


def _fit_surfaces(
    data: Measurements,
    weight: Floats,
    star: Floats,
    epoch: Floats,
    coefficients: Floats,
    gauge: NDArray[np.bool_],
    degree: int,
    stars_per_term: int,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Means of stars, coefficients (n_epochs, 15) and surface (n,) that fit best beside zero points `epoch`, by turns;
    and (n_epochs,) the variance that the surface adds to the mean correction.

    Coefficients of the gauge epochs have mean zero: a pattern that all epochs share is the stars' own. The first
    coefficients are what the surfaces add to the zero points; the surface given back has them in it.
    """
    count = np.bincount(data.epoch[weight > 0], minlength=data.n_epochs)
    sums = np.bincount(data.star, weight, data.n_stars)
    base = data.mag - epoch[data.epoch]
    surface = np.empty(len(data))
    star = np.nan_to_num(star)
    surface_at(data.epoch, data.u, data.v, coefficients, surface)
    for _ in range(_SURFACE_TURNS):
        before = star
        coefficients, excess = _epoch_surfaces(data, weight, base - star[data.star], count, degree, stars_per_term)
        solved = gauge & (count > 0)
        if solved.any():
            coefficients -= np.where((count > 0)[:, None], coefficients[solved].mean(axis=0), 0.0)
        surface_at(data.epoch, data.u, data.v, coefficients, surface)
        with np.errstate(invalid="ignore"):
            star = np.bincount(data.star, weight * (base - surface), data.n_stars) / sums
        star = np.nan_to_num(star)
        if np.max(np.abs(star - before)) < _SURFACE_CHANGE_MAG:
            break
    return star, coefficients, surface, excess


def _epoch_surfaces(
    data: Measurements, weight: Floats, left: Floats, count: Indices, degree: int, stars_per_term: int
) -> tuple[Floats, Floats]:
    """Coefficients (n_epochs, 15) of the surface of each epoch, of the highest degree that its stars allow; and the
    variance that the other terms add to the first."""
    found, excess = np.zeros((data.n_epochs, N_TERMS_MAX)), np.zeros(data.n_epochs)
    terms = (degree + 1) * (degree + 2) // 2
    matrix, vector = np.zeros((data.n_epochs, terms, terms)), np.zeros((data.n_epochs, terms))
    surface_normals(data.epoch, data.u, data.v, weight, left, degree, matrix, vector)
    for d in range(degree + 1):
        k, above = (d + 1) * (d + 2) // 2, (d + 2) * (d + 3) // 2
        fits = (count >= stars_per_term * k) if d else (count > 0)
        if d < degree:
            fits &= count < stars_per_term * above
        if fits.any():
            # Terms come in order of degree, so a lower degree is a corner of the equations.
            found[fits, :k] = np.linalg.solve(matrix[fits, :k, :k], vector[fits, :k, None])[..., 0]
            excess[fits] = np.linalg.inv(matrix[fits, :k, :k])[:, 0, 0] - 1.0 / matrix[fits, 0, 0]
    return found, excess


def _fitting(
    data: Measurements, residual: Floats, sigma: Floats, used: NDArray[np.bool_], reject_sigma: float
) -> NDArray[np.bool_]:
    """Measurements near the solution, in units of their errors times the scatter that the epoch and the star show."""
    pull = residual / sigma
    rows = np.flatnonzero(used).astype(np.int32)
    epoch_spread, star_spread = (
        np.nan_to_num(group_median_sigma(pull, *group(index, rows, n))[1], nan=1.0)
        for index, n in ((data.epoch, data.n_epochs), (data.star, data.n_stars))
    )
    wide = np.maximum(np.maximum(epoch_spread[data.epoch], star_spread[data.star]), 1.0)
    seen = np.bincount(data.star[rows], minlength=data.n_stars) > 0
    typical = np.median(star_spread[seen]) if rows.size else 1.0
    steady = star_spread[data.star] < 3 * max(typical, 1.0)
    return (np.abs(pull) < reject_sigma * wide) & steady


def _result(
    data: Measurements, residual: Floats, weight: Floats, linear: Linear, coefficients: Floats, excess: Floats
) -> ZeroPoints:
    solved = np.isfinite(linear.epoch_mag)
    rows = np.flatnonzero(weight > 0).astype(np.int32)
    rms = group_median_sigma(residual, *group(data.epoch, rows, data.n_epochs))[1]
    calibrator = np.bincount(data.star[rows], minlength=data.n_stars) > 0
    pull2 = float(np.sum(weight * residual**2)) / max(rows.size - calibrator.sum() - solved.sum(), 1)
    return ZeroPoints(
        correction_mag=np.where(solved[:, None], -coefficients, 0.0),
        error_mag=np.sqrt((linear.epoch_error_mag**2 + excess) * max(pull2, 1.0)),
        rms_mag=np.where(solved, rms, np.nan),
        count=np.bincount(data.epoch[rows], minlength=data.n_epochs),
        calibrator=calibrator,
    )


def _by(index: Indices, n: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    return group(index, np.arange(index.size, dtype=np.int32), n)
