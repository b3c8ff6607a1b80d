"""Relative zero points against a dense twin and against truth."""

from dataclasses import replace

import numpy as np
import pytest

from ztfpipe.methods.time.relative_photometry import (
    Measurements,
    ZeroPoints,
    _fitting,
    least_variable,
    relative_zero_points,
    solve_linear,
)
from ztfpipe.methods.time.relative_photometry_nb import basis, surface_at, surface_normals

SHAPE = (3000, 3100)
CHOICES = {
    "calibrators_max": 300,
    "calibrators_min": 10,
    "calibrator_seen_min": 0.5,
    "reject_sigma": 4.0,
    "rejections": 3,
    "scatter_floor_mag": 0.003,
    "surface_degree": 0,
    "surface_stars_per_term": 10,
    "structure_scale_px": 0.0,
    "shape": SHAPE,
}


def measured(rng, zero, n_stars=200, seen=0.9, error=0.01, surface=None, variable=()):
    """Measurements of stars in epochs with zero points `zero` and perhaps a slope along u."""
    star, epoch = (one.ravel() for one in np.meshgrid(np.arange(n_stars), np.arange(len(zero))))
    kept = rng.random(star.size) < seen
    star, epoch = star[kept], epoch[kept]
    place = rng.uniform(-1, 1, (2, n_stars))
    mag = np.linspace(14, 18, n_stars)
    m = mag[star] + zero[epoch] + rng.normal(0, error, star.size)
    if surface is not None:
        m += surface[epoch] * place[0][star]
    for one in variable:
        m[star == one] += 0.3 * np.sin(epoch[star == one])
    return mag, Measurements(star, epoch, m, np.full(m.size, error), place[0][star], place[1][star], n_stars, len(zero))


def dense(data, weight, gauge):
    """The same equations written out: one column per star and epoch, and one that fixes the gauge."""
    n = data.n_stars + data.n_epochs
    a = np.zeros((len(data) + 1, n))
    rows = np.arange(len(data))
    a[rows, data.star], a[rows, data.n_stars + data.epoch] = 1.0, 1.0
    w = np.append(weight, 1e12)
    a[-1, data.n_stars :] = gauge / gauge.sum()
    normal = a.T @ (w[:, None] * a)
    found = np.linalg.solve(normal, a.T @ (w * np.append(data.mag, 0.0)))
    error = np.sqrt(np.diag(np.linalg.inv(normal)))
    return found[: data.n_stars], found[data.n_stars :], error[data.n_stars :]


def test_the_linear_solution_is_that_of_the_dense_equations():
    rng = np.random.default_rng(1)
    _, data = measured(rng, rng.normal(0, 0.05, 12), n_stars=30, seen=0.6)
    weight, gauge = rng.uniform(1e3, 1e4, len(data)), np.arange(12) % 3 > 0
    star, epoch, error = dense(data, weight, gauge)
    found = solve_linear(data, weight, gauge)
    # Double precision through a matrix of condition 1e9 (the gauge's weight).
    assert found.epoch_mag == pytest.approx(epoch, abs=1e-7)
    assert found.star_mag == pytest.approx(star, abs=1e-7)
    assert found.epoch_error_mag == pytest.approx(error, rel=1e-4)
    assert found.epoch_mag[gauge].mean() == pytest.approx(0, abs=1e-12)


def test_epochs_that_share_no_star_with_the_others_have_no_solution():
    rng = np.random.default_rng(2)
    _, data = measured(rng, np.zeros(6), n_stars=20, seen=1.0)
    apart = (data.epoch >= 4) == (data.star >= 10)
    found = solve_linear(data.select(apart), np.ones(apart.sum()), np.ones(6, bool))
    assert np.isfinite(found.epoch_mag).tolist() == [True] * 4 + [False] * 2


def test_zero_points_and_their_errors_against_truth():
    pulls = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        zero = rng.normal(0, 0.05, 10)
        _, data = measured(rng, zero, variable=(3, 50, 120))
        found = relative_zero_points(data, np.ones(10, bool), **CHOICES)
        pulls.append((found.correction_mag[:, 0] + zero - zero.mean()) / found.error_mag)
        assert not found.calibrator[[3, 50, 120]].any()
    # 120 pulls of which 108 are free: their RMS is 0.95 with a sigma of 0.07, and errors count a floor of 0.003
    # beside 0.01 (4 % more); a factor of 1.25 is beyond 3.5 sigma on either side.
    assert 0.7 < np.std(pulls) < 1.2


def test_a_slope_over_the_image_is_found():
    rng = np.random.default_rng(5)
    slope = rng.normal(0, 0.03, 20)
    _, data = measured(rng, rng.normal(0, 0.05, 20), n_stars=400, surface=slope)
    found = relative_zero_points(data, np.ones(20, bool), **CHOICES | {"surface_degree": 2})
    # 360 stars of 0.01 mag with <u^2> = 1/3 tell a slope to 0.0009; 5 sigma of 20 epochs.
    assert -found.correction_mag[:, 1] == pytest.approx(slope - slope.mean(), abs=0.0045)
    flat = relative_zero_points(data, np.ones(20, bool), **CHOICES)
    assert np.median(found.rms_mag) < 0.012 < np.median(flat.rms_mag)


def test_an_epoch_with_few_stars_has_no_correction_and_bad_epochs_do_not_set_the_level():
    rng = np.random.default_rng(6)
    zero = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.8])
    _, data = measured(rng, zero)
    data = data.select((data.epoch != 0) | (data.star < 5))
    found = relative_zero_points(data, np.array([True] * 5 + [False]), **CHOICES)
    assert np.isnan(found.error_mag[0])
    assert not found.correction_mag[0].any()
    # 180 stars of 0.01 mag: 0.0008, and 0.0009 with the others' mean.
    assert found.correction_mag[5, 0] == pytest.approx(-0.8, abs=0.005)
    assert found.correction_mag[1:5, 0].mean() == pytest.approx(0, abs=1e-12)


def test_too_few_stars_give_no_correction():
    rng = np.random.default_rng(7)
    _, data = measured(rng, np.zeros(6), n_stars=5)
    found = relative_zero_points(data, np.ones(6, bool), **CHOICES)
    assert not found.correction_mag.any()
    assert np.isnan(found.error_mag).all()
    none = Measurements(*(np.zeros(0, int),) * 2, *(np.zeros(0),) * 4, 0, 3)
    assert relative_zero_points(none, np.ones(3, bool), **CHOICES).count.tolist() == [0, 0, 0]


def test_the_steadiest_stars_are_calibrators():
    rng = np.random.default_rng(8)
    _, data = measured(rng, np.zeros(30), n_stars=100, variable=range(10))
    chosen = least_variable(data, 40, 0.5, 0.003, 4.0)
    assert chosen.sum() == 40
    assert not chosen[:10].any()


def test_legendre_products_are_orthogonal_and_of_mean_zero():
    nodes, weights = np.polynomial.legendre.leggauss(9)
    out, products = np.empty(15), []
    for u in nodes:
        for v in nodes:
            assert basis(u, v, 4, out) == 15
            products.append(out.copy())
    w = np.outer(weights, weights).ravel() / 4
    gram = np.array(products).T @ (w[:, None] * np.array(products))
    # Sums of 81 terms of order 1.
    assert gram - np.diag(np.diag(gram)) == pytest.approx(0, abs=1e-13)
    assert gram[0, 0] == pytest.approx(1)


def test_surface_kernels_against_a_design_matrix():
    rng = np.random.default_rng(9)
    epoch, u, v, weight, value = rng.integers(0, 3, 50), *rng.uniform(-1, 1, (2, 50)), *rng.uniform(1, 2, (2, 50))
    design = np.empty((50, 15))
    for i in range(50):
        basis(u[i], v[i], 4, design[i])
    matrix, vector = np.zeros((3, 6, 6)), np.zeros((3, 6))
    surface_normals(epoch, u, v, weight, value, 2, matrix, vector)
    for e in range(3):
        part = design[epoch == e, :6]
        assert matrix[e] == pytest.approx(part.T @ (weight[epoch == e, None] * part), rel=1e-12)
        assert vector[e] == pytest.approx(part.T @ (weight * value)[epoch == e], rel=1e-12)
    coefficients, out = rng.normal(size=(3, 15)), np.empty(50)
    surface_at(epoch, u, v, coefficients, out)
    assert out == pytest.approx(np.sum(design * coefficients[epoch], axis=1), rel=1e-12)
    assert ZeroPoints.none(2, 3).at(epoch, u, v).tolist() == [0.0] * 50


def test_outliers_are_told_in_units_of_their_own_errors():
    rng = np.random.default_rng(9)
    _, data = measured(rng, np.zeros(40), n_stars=60, seen=1.0)
    sigma = np.where(data.star < 30, 0.005, 0.05)
    residual = sigma * np.clip(rng.normal(size=len(data)), -2.5, 2.5)
    residual[[7, 8]] = 0.08
    sigma[7], sigma[8] = 0.005, 0.05  # sixteen sigma, and not even two
    kept = _fitting(data, residual, sigma, np.ones(len(data), bool), 4.0)
    # Scatters of 40 and 60 values are known to a tenth, so that 2.5 sigma stay within 4, and sixteen do not.
    assert np.flatnonzero(~kept).tolist() == [7]


def clouds(u, v):
    """Structure [mag] that no polynomial of low degree follows: waves of 1,100 pixels."""
    return 0.03 * np.sin(2 * np.pi * 1.4 * u) * np.cos(2 * np.pi * 1.4 * v + 0.5)


def cloudy(rng, varied=None):
    """Twelve epochs, two of them through clouds, in the first of which one star is brighter by a tenth."""
    mag, data = measured(rng, rng.normal(0, 0.02, 12), n_stars=900, seen=1.0, error=0.005)
    m = data.mag + np.isin(data.epoch, (3, 8)) * clouds(data.u, data.v)
    if varied is not None:
        m[(data.star == varied) & (data.epoch == 3)] -= 0.1
    return mag, replace(data, mag=m)


def test_what_clouds_leave_beyond_a_polynomial_is_learned_and_only_there():
    choices = {**CHOICES, "calibrators_max": 600, "surface_degree": 2, "structure_scale_px": 180.0}
    mag, data = cloudy(np.random.default_rng(11))
    found = relative_zero_points(data, np.ones(12, bool), **choices)
    assert sorted(found.structure) == [3, 8]
    left = data.mag + found.at(data.epoch, data.u, data.v, data.star) - mag[data.star]
    through = np.isin(data.epoch, (3, 8))
    # Sixty calibrators of 5 mmag share a wave's area of 1,100 px squared with three lengths of 180 px across: the field
    # is known to some 3 mmag, and is 15 mmag strong. Errors of 5 mmag come on top.
    assert left[~through].std() == pytest.approx(0.005, rel=0.05)
    assert left[through].std() < np.hypot(0.005, 0.005)
    assert found.rms_mag[[3, 8]].max() < 0.008


def test_a_star_is_not_corrected_by_its_own_light():
    choices = {
        **CHOICES,
        "calibrators_max": 600,
        "surface_degree": 2,
        "structure_scale_px": 180.0,
        "reject_sigma": 50.0,
    }
    plain, varied = (cloudy(np.random.default_rng(12), star) for star in (None, 100))
    mags = []
    for _, data in (plain, varied):
        found = relative_zero_points(data, np.ones(12, bool), **choices)
        mags.append(data.mag + found.at(data.epoch, data.u, data.v, data.star))
    here = (plain[1].star == 100) & (plain[1].epoch == 3)
    # The tenth moves the zero point by a sixth of a mmag; what the field owes to noise changes with its strength.
    assert mags[0][here] - mags[1][here] == pytest.approx(0.1, abs=0.004)
