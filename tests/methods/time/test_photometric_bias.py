"""Biases of magnitudes with place and brightness, found again from what was put in."""

import numpy as np
import pytest

from ztfpipe.methods.time.photometric_bias import fit_bias

CHOICES = {"degree": 4, "stars_min": 200, "bin_mag": 0.5, "bin_stars_min": 20, "clip_sigma": 4.0}


def test_edges_and_bright_stars_are_found_again():
    rng = np.random.default_rng(1)
    n = 3000
    u, v, mag = rng.uniform(-1, 1, n), rng.uniform(-1, 1, n), rng.uniform(13.5, 19, n)
    place, bright = 0.03 * (u**4 + v**2), 0.013 * np.maximum(17.5 - mag, 0) / 4
    residual = place + bright + rng.normal(0, 0.02, n) + np.where(rng.random(n) < 0.03, 0.5, 0.0)
    found = fit_bias(u, v, mag, residual, **CHOICES)
    left = place + bright - found.at(u, v, mag)
    # 15 terms and 11 bins of 3,000 stars of 0.02 mag, medians: 0.02 sqrt((15 + 1.6 x 11) / 3000) = 2.1 mmag;
    # and half a bin of the line's kink. The clip leaves none of the outliers.
    assert np.sqrt(np.mean(left**2)) < 0.004
    assert np.std(place + bright) > 0.009


def test_too_few_stars_give_none():
    u = np.linspace(-1, 1, 100)
    assert fit_bias(u, u, u + 16, u, **CHOICES) is None


def test_no_bias_is_found_where_there_is_none_and_the_level_is_kept():
    rng = np.random.default_rng(2)
    u, v, mag = rng.uniform(-1, 1, 2000), rng.uniform(-1, 1, 2000), rng.uniform(14, 18, 2000)
    found = fit_bias(u, v, mag, np.full(2000, 0.01) + rng.normal(0, 1e-6, 2000), **CHOICES)
    # 1e-6 of noise; sums of 2,000 doubles are exact beside it.
    assert found.at(u, v, mag) == pytest.approx(0.01, abs=2e-6)
