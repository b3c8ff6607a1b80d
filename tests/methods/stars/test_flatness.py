"""Flatness: cells against a direct computation, clouds seen, too few stars said."""

import numpy as np
import pytest

from ztfpipe.methods.stars.flatness import CELL_STARS_MIN, throughput_flatness

SHAPE = (300, 600)


def stars(n=900, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, SHAPE[1] - 1, n), rng.uniform(0, SHAPE[0] - 1, n), rng.normal(0, 0.02, n)


def test_cells_are_medians_of_their_stars():
    x, y, residual = stars()
    found = throughput_flatness(residual, x, y, SHAPE)
    for j in range(3):
        for i in range(3):
            # Cells reach from pixel edge to pixel edge: 100 rows, 200 columns.
            here = (np.abs(y - (100 * j + 49.5)) <= 50) & (np.abs(x - (200 * i + 99.5)) <= 100)
            assert found.cells_mag[j, i] == pytest.approx(np.median(residual[here]))
    assert found.range_mag == pytest.approx(np.ptp(found.cells_mag))
    # The percentile sigma of 900 values is good to 1.25 / sqrt(900) of itself, 4 %: three of those.
    assert found.rms_mag == pytest.approx(0.02, rel=0.13)


def test_half_a_cloud_is_seen_though_the_zero_point_is_right_on_average():
    x, y, residual = stars()
    cloudy = residual + np.where(x < 300, 0.05, -0.05)
    # A median of 100 stars is good to 1.25 x 0.02 / 10 = 2.5 mmag.
    assert throughput_flatness(cloudy, x, y, SHAPE).range_mag == pytest.approx(0.1, abs=0.015)
    assert throughput_flatness(residual, x, y, SHAPE).range_mag < 0.015


def test_too_few_stars_are_no_flatness():
    x, y, residual = stars(8)
    found = throughput_flatness(residual, x, y, SHAPE)
    assert np.isnan(found.range_mag)
    assert np.isnan(found.rms_mag)
    one_corner = throughput_flatness(
        np.zeros(CELL_STARS_MIN), np.zeros(CELL_STARS_MIN), np.zeros(CELL_STARS_MIN), SHAPE
    )
    assert np.isfinite(one_corner.cells_mag).sum() == 1
    x, y, residual = stars()
    residual[::2] = np.nan
    assert throughput_flatness(residual, x, y, SHAPE).count == 450
