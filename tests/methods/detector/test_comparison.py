import math

import numpy as np
import pytest

from ztfpipe.methods.detector.comparison import level_change_sigma, pattern_change


def test_pattern_that_only_has_noise_changes_by_one_sigma():
    rng = np.random.default_rng(1)
    pattern = rng.normal(0, 5, (400, 400))
    one, two = (np.float32(pattern + 0.3 * rng.standard_normal(pattern.shape)) for _ in range(2))
    noise = np.full(pattern.shape, 0.3, np.float32)
    mask = np.zeros(pattern.shape, np.uint16)
    same = pattern_change(one, noise, two, noise, mask)
    # 160,000 pixels: a percentile sigma good to 0.25 %.
    assert same.sigma == pytest.approx(1, abs=0.0125)
    # Medians of 2500 pixels of scatter 0.42 scatter by 0.011; the range of 64 of them is some 4.7 of that.
    assert same.block_change < 0.1
    two[:50, :50] += 7
    mask[100, :] = 1
    two[100, :] = 1e6
    assert pattern_change(one, noise, two, noise, mask).block_change == pytest.approx(7, abs=0.1)


def test_level_change():
    assert level_change_sigma(10, 0.3, 8, 0.4) == pytest.approx(4)
    assert math.isnan(level_change_sigma(10, 0, 8, 0))
