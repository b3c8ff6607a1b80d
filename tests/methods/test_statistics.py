import math

import numpy as np
import pytest

from ztfpipe.methods import statistics
from ztfpipe.methods.statistics_nb import TILE, exchange, sums_between


def test_order_statistics_known_values():
    # Two draws: +-1/sqrt(pi). Three: 3 / (2 sqrt(pi)), 0 in the middle (David & Nagaraja, table 3.2).
    assert statistics.normal_order_statistics(2) == pytest.approx([-(math.pi**-0.5), math.pi**-0.5], abs=1e-9)
    assert statistics.normal_order_statistics(3)[2] == pytest.approx(1.5 / math.sqrt(math.pi), abs=1e-9)
    assert statistics.normal_order_statistics(3)[1] == pytest.approx(0, abs=1e-9)


def test_percentile_position_is_that_of_numpy():
    values = np.sort(np.random.default_rng(1).normal(size=17))
    below, fraction = statistics.percentile_position(17, 1.0)
    expected = np.percentile(values, statistics.ONE_SIGMA_PERCENTILES[1])
    assert values[below] + fraction * (values[below + 1] - values[below]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [3, 5, 20, 21, 60])
def test_percentile_sigma_expected_against_draws(n):
    draws = np.random.default_rng(n).normal(size=(40_000, n))
    sigma = statistics.percentile_sigma(draws, axis=1)
    # The mean of 40,000 estimates is known to their scatter / 200; five of those.
    assert sigma.mean() == pytest.approx(statistics.percentile_sigma_expected(n), abs=5 * sigma.std() / 200)


def test_robust_ignores_outliers_and_not_a_number():
    rng = np.random.default_rng(2)
    values = rng.normal(10, 2, 100_000)
    values[:5000] = 1e6
    values[5000:6000] = np.nan
    found = statistics.robust(values)
    # 5 % of outliers on one side move the median by 0.063 sigma, and the percentile sigma by less than 10 %.
    assert found.median == pytest.approx(10, abs=0.2)
    assert found.sigma == pytest.approx(2, rel=0.12)
    assert found.count == 99_000
    assert math.isnan(statistics.robust([np.nan]).median)


def test_robust_image_leaves_masked_pixels_out():
    image = np.full((40, 50), 3, np.float32)
    mask = np.zeros(image.shape, np.uint16)
    image[:, :30], mask[:, :30] = 1e5, 4
    assert statistics.robust_image(image, mask) == statistics.Robust(3.0, 0.0, 800)


def test_sums_between_against_slow_twin():
    rng = np.random.default_rng(3)
    image = rng.normal(5, 3, (37, 53)).astype(np.float32)
    image[3, 4] = np.nan
    mask = (rng.random(image.shape) < 0.2).astype(np.uint16)
    low, high, centre = 0.0, 9.0, 4.5
    inside = (mask == 0) & (image >= low) & (image <= high)
    residual = (image[inside] - np.float32(centre)).astype(float)
    count, total, squares = sums_between(image, mask, low, high, centre)
    assert count == inside.sum()
    assert total == pytest.approx(residual.sum(), rel=1e-12, abs=1e-9)
    assert squares == pytest.approx((residual**2).sum(), rel=1e-12)


def test_clipped_mean_of_contaminated_image():
    rng = np.random.default_rng(4)
    image = rng.normal(100, 5, (500, 400)).astype(np.float32)
    image[rng.random(image.shape) < 0.01] += 500
    mask = np.zeros(image.shape, np.uint16)
    image[:, 0], mask[:, 0] = -1e4, 1
    found = statistics.clipped_mean(image, mask, clip_sigma=4)
    # 199,500 pixels of scatter 5: the mean is good to 0.011; five of those.
    assert found.mean == pytest.approx(100, abs=0.056)
    # 4-sigma clipping takes 0.06 % off the scatter; its own error is 0.16 %; five of those.
    assert found.sigma == pytest.approx(5, rel=0.01)
    # Of the 0.99 good pixels 6e-5 are clipped; the contaminated fraction is known to sqrt(0.01 / 199,500).
    assert found.clipped_fraction == pytest.approx(0.01, abs=5 * 2.3e-4)


def test_clipped_mean_of_constant_and_of_nothing():
    image = np.full((8, 8), 7, np.float32)
    assert statistics.clipped_mean(image, clip_sigma=4).mean == 7
    nothing = statistics.clipped_mean(np.full((8, 8), np.nan, np.float32), clip_sigma=4)
    assert nothing.count == 0
    assert math.isnan(nothing.mean)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 40])
def test_sorting_network_sorts(n):
    # All sequences of zeros and ones up to 8 places prove it (Knuth 5.3.4, theorem Z); random ones beyond.
    if n <= 8:
        values = np.array(np.meshgrid(*[[0, 1]] * n)).reshape(n, -1)
    else:
        values = np.random.default_rng(n).random((n, 300))
    sorted_values = values.copy()
    for i, j in statistics.sorting_network(n):
        assert i < j
        sorted_values[[i, j]] = np.sort(sorted_values[[i, j]], axis=0)
    np.testing.assert_array_equal(sorted_values, np.sort(values, axis=0))


@pytest.mark.parametrize("n", [2, 5, 17])
def test_exchange_orders_the_samples_of_each_pixel(n):
    tile = np.random.default_rng(n).normal(size=(n, TILE)).astype(np.float32)
    tile[0, 3] = np.inf  # an absent sample goes last
    expected = np.sort(tile, axis=0)
    exchange(tile, statistics.sorting_network(n))
    assert (tile == expected).all()
