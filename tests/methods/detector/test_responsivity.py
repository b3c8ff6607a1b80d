"""Low-frequency maps from simulated star residuals."""

import numpy as np
import pytest

from ztfpipe.methods.detector.responsivity import responsivity_map

SHAPE = (770, 768)


def truth(x, y):
    """A response that varies by 3 % from corner to corner, with a bump."""
    u, v = 2 * x / SHAPE[1] - 1, 2 * y / SHAPE[0] - 1
    return 1 + 0.015 * u - 0.01 * v + 0.01 * np.exp(-((u - 0.3) ** 2 + (v + 0.2) ** 2) / 0.2)


def measure(n, seed=21, noise=0.03, outliers=0.02):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, SHAPE[1], n), rng.uniform(0, SHAPE[0], n)
    residual = -2.5 * np.log10(truth(x, y)) + rng.normal(0, noise, n)
    wrong = rng.random(n) < outliers
    residual[wrong] += rng.uniform(0.2, 1.0, wrong.sum())
    return responsivity_map(x, y, residual, np.full(n, noise), np.arange(n), SHAPE, cell_px=32, smooth_cells=1.0)


def test_three_percent_is_brought_below_three_permille():
    # 1000 stars a night, 100 nights: 170 residuals a cell, 2.3 mmag each before smoothing over 12 cells.
    response, _ = measure(100_000)
    y, x = np.mgrid[5 : SHAPE[0] : 10, 5 : SHAPE[1] : 10]
    true = truth(x, y)
    ratio = response[5::10, 5::10] / (true / np.median(true))
    assert np.std(true) > 0.008
    assert np.std(ratio) < 0.003
    assert np.median(ratio) == pytest.approx(1.0, abs=0.001)


def test_the_error_map_describes_the_error():
    flat = [measure(20_000, seed, outliers=0.0)[0] for seed in range(30, 42)]
    scatter = np.std([m[75:-75:50, 75:-75:50] for m in flat], axis=0, ddof=1).mean()
    _, error = measure(20_000, 29, outliers=0.0)
    # Mean over about 130 points, of which some 30 are independent, of a scatter from 12: good to 4 %; the smoothing's
    # effective area is approximate near the cells' edges, hence 20 %.
    assert scatter == pytest.approx(float(error[75:-75:50, 75:-75:50].mean()), rel=0.2)


def test_errors_that_come_back_at_each_visit_count_once():
    """Stars whose catalog is wrong by more than a visit's noise: five visits are hardly better than one."""
    n_stars, visits = 4000, 5
    maps, stated = [], []
    for seed in range(40, 52):
        rng = np.random.default_rng(seed)
        star = np.tile(np.arange(n_stars), visits)
        x, y = rng.uniform(0, SHAPE[1], n_stars)[star], rng.uniform(0, SHAPE[0], n_stars)[star]
        residual = rng.normal(0, 0.03, n_stars)[star] + rng.normal(0, 0.01, star.size)
        response, error = responsivity_map(
            x, y, residual, np.full(star.size, 0.0316), star, SHAPE, cell_px=32, smooth_cells=1.0
        )
        maps.append(response[75:-75:50, 75:-75:50])
        stated.append(error[75:-75:50, 75:-75:50].mean())
    # As above, 20 %; were visits independent, the statement would be low by sqrt(4.6).
    assert np.std(maps, axis=0, ddof=1).mean() == pytest.approx(np.mean(stated), rel=0.2)


def test_stars_that_see_nothing_give_a_flat_map():
    rng = np.random.default_rng(23)
    x, y = rng.uniform(0, 512, 500), rng.uniform(0, 520, 500)
    response, _ = responsivity_map(
        x, y, np.zeros(500), np.full(500, 0.01), np.arange(500), (520, 512), cell_px=64, smooth_cells=1.0
    )
    assert response.shape == (520, 512)
    assert np.allclose(response, 1.0, atol=1e-6)
