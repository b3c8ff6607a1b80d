"""Raw quality: what is put into a quadrant is measured back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ztfpipe.methods.detector.raw_quality import grouped_quantiles, raw_quality


def quadrant(rng, *, rows=400, level=1100.0, drift=(0.0, 0.0), sky=300.0, noise=6.0):
    u = np.linspace(-1, 1, rows)[:, np.newaxis]
    bias = level + drift[0] * u + drift[1] * u**2
    image = np.rint(bias + sky + rng.normal(0, noise, (rows, 300))).astype(np.uint16)
    overscan = np.rint(bias + rng.normal(0, noise, (rows, 30))).astype(np.uint16)
    return image, overscan


def test_levels_scatter_and_drift():
    image, overscan = quadrant(np.random.default_rng(1), drift=(4.0, 3.0))
    measured = raw_quality(image, overscan, columns=slice(20, 30))
    # Level: 4000 samples of sigma 6, a median good to 1.25 * 6 / 63 = 0.12 DN; the drift's own median is -0.6 + 1100.
    assert measured["overscan_slope_adu"] == pytest.approx(8.0, abs=5 * 6 / np.sqrt(10 * 400) * 6)
    # Row means of 10 pixels scatter by 6 / sqrt(10) = 1.90 DN about the true polynomial, known to 1 / sqrt(800).
    assert measured["overscan_residual_rms_adu"] == pytest.approx(6 / np.sqrt(10), rel=5 / np.sqrt(800))
    # The image: 120000 samples; the drift of the bias widens sigma 6 to sqrt(36 + var(4u + 3u^2)).
    u = np.linspace(-1, 1, 400)
    assert measured["sigma_adu"] == pytest.approx(np.sqrt(36 + np.var(4 * u + 3 * u**2)), rel=0.02)
    assert measured["saturated_fraction"] == 0
    assert measured["overscan_max_adu"] == overscan.max()


def test_only_the_given_columns_count():
    image, overscan = quadrant(np.random.default_rng(2))
    clean = raw_quality(image, overscan, columns=slice(20, 30))
    overscan[:, :20] += 500
    trailed = raw_quality(image, overscan, columns=slice(20, 30))
    assert {**trailed, "overscan_max_adu": 0} == {**clean, "overscan_max_adu": 0}


def test_saturated_fraction():
    image, overscan = quadrant(np.random.default_rng(3))
    image[:100] = 65535
    image[100:200] = 65534
    assert raw_quality(image, overscan, columns=slice(20, 30))["saturated_fraction"] == 0.25


def test_dead_overscan():
    image, overscan = quadrant(np.random.default_rng(4))
    measured = raw_quality(image, np.zeros_like(overscan), columns=slice(20, 30))
    assert measured["overscan_max_adu"] == measured["overscan_residual_max_adu"] == 0


def test_scatter_of_few_counts_is_not_rounded():
    """A bias may scatter by less than two counts; half counts would not do for comparing nights."""
    rng = np.random.default_rng(5)
    pixels = np.rint(1000.3 + rng.normal(0, 1.5, (500, 500))).astype(np.uint16)
    low, median, high = grouped_quantiles(pixels, (0.158655, 0.5, 0.841345))
    # Spreading counts evenly widens sigma by 1/12 in quadrature: sqrt(2.25 + 2/12) = 1.554; 250000 samples give it to
    # 0.2 %. Linear interpolation within a count costs some 0.01.
    assert (high - low) / 2 == pytest.approx(np.sqrt(1.5**2 + 2 / 12), abs=0.03)
    assert median == pytest.approx(1000.3, abs=0.03)


@settings(deadline=None)
@given(
    arrays.arrays(np.uint16, st.integers(1, 60), elements=st.integers(0, 65535)), st.sampled_from([0.1, 0.158655, 0.5])
)
def test_grouped_quantile_against_its_definition(pixels, fraction):
    """Slow twin: the point below which lies this fraction, each count spread evenly over one unit."""
    [found] = grouped_quantiles(pixels, (fraction,))
    below = np.clip(found - (pixels.astype(float) - 0.5), 0, 1).sum()
    assert below == pytest.approx(fraction * pixels.size, abs=1e-6)
