"""Smooth functions through scattered values."""

import numpy as np
import pytest

from ztfpipe.methods.smooth_field import constant_field, field_at, field_on_grid, fit_field, fit_leaving_out

SHAPE = (900, 1000)


def wave(x, y):
    return 0.05 * np.sin(x / 160) * np.cos(y / 190) + 0.3


def test_a_smooth_function_is_found_with_the_error_it_claims():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 1000, 600), rng.uniform(0, 900, 600)
    sigma = rng.uniform(0.01, 0.05, 600)
    value = wave(x, y) + sigma * rng.standard_normal(600) + 0.01 * rng.standard_normal(600)
    value[:12] += 3.0
    field = fit_field(x, y, value, sigma, SHAPE, scale_px=170.0)
    xs, ys = (grid.ravel() for grid in np.meshgrid(np.linspace(50, 950, 20), np.linspace(50, 850, 20)))
    error = field_at(field, xs, ys) - wave(xs, ys)
    # About 25 independent cells: the claim is checked to 30 per cent; scatter is known to 1 / sqrt(2 * 600) of the
    # total, 0.03, hence to 0.002 or so of 0.01.
    assert error.std() == pytest.approx(field.error, rel=0.5)
    assert field.error < 0.008
    assert field.scatter == pytest.approx(0.01, abs=0.006)


def test_noise_alone_makes_a_flat_field():
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 1000, 400), rng.uniform(0, 900, 400)
    field = fit_field(x, y, 2.0 + 0.1 * rng.standard_normal(400), np.full(400, 0.1), SHAPE, scale_px=170.0)
    grid = field_on_grid(field, np.arange(0, 1000, 50), np.arange(0, 900, 50))
    # A mean of 400 has an error of 0.005: five sigma, and as much for the weak field that noise may still suggest.
    assert np.abs(grid - 2.0).max() < 0.05
    assert field.scatter < 0.04


def test_grid_and_points_agree():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 1000, 200), rng.uniform(0, 900, 200)
    field = fit_field(x, y, wave(x, y), np.full(200, 0.001), SHAPE, scale_px=200.0)
    columns, rows = np.array([0.0, 300.0, 999.0]), np.array([0.0, 899.0])
    points = field_at(field, *np.meshgrid(columns, rows))
    assert field_at(field, np.empty(0), np.empty(0)).shape == (0,)
    # The grid is single precision.
    assert field_on_grid(field, columns, rows) == pytest.approx(points, abs=1e-5)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_few_values_give_their_mean(count):
    rng = np.random.default_rng(4)
    x, y = rng.uniform(0, 900, (2, count))
    field = fit_field(x, y, np.full(count, 1.5), np.full(count, 0.1), SHAPE, scale_px=200.0)
    expected = 1.5 if count else 0.0
    assert field_at(field, np.array([10.0, 700.0]), np.array([20.0, 800.0])) == pytest.approx(expected, abs=1e-6)


def test_a_constant_is_constant():
    assert field_at(constant_field(0.7, SHAPE), np.array([5.0]), np.array([800.0])) == pytest.approx(0.7)


def test_what_the_others_tell_is_a_fit_without_the_value():
    rng = np.random.default_rng(6)
    x, y = rng.uniform(0, 1000, 300), rng.uniform(0, 900, 300)
    sigma = rng.uniform(0.005, 0.02, 300)
    value = wave(x, y) + sigma * rng.standard_normal(300)
    field, others = fit_leaving_out(x, y, value, sigma, SHAPE, scale_px=170.0)
    for k in range(0, 300, 60):
        rest = np.arange(300) != k
        alone = fit_field(x[rest], y[rest], value[rest], sigma[rest], SHAPE, scale_px=170.0)
        # Strength and scatter are found anew without it: that moves the field by a small part of its error.
        assert others[k] == pytest.approx(field_at(alone, x[k : k + 1], y[k : k + 1])[0], abs=0.3 * field.error)
