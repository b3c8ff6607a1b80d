import numpy as np
import pytest

from ztfpipe.methods.detector.overscan import fit_overscan, row_means

USED = slice(20, 30)


def overscan_image(level, sigma=1.5, seed=1):
    """Integers about `level` (ny,) with noise, and a trail in the first columns that must not be used."""
    rng = np.random.default_rng(seed)
    pixels = level[:, None] + sigma * rng.standard_normal((level.size, 30))
    pixels[:, :20] += 200 * np.exp(-np.arange(20) / 3)
    return np.round(pixels).astype(np.uint16)


def test_exact_polynomial_is_found_exactly():
    # Whole numbers without noise that lie on a parabola: the fit has nothing to average.
    level = 1000 + np.arange(-10.0, 11.0) ** 2
    fit = fit_overscan(np.repeat(level[:, None], 30, axis=1).astype(np.uint16), USED)
    assert fit.row_level_adu == pytest.approx(level, abs=1e-8)
    assert fit.residual_rms_adu == pytest.approx(0, abs=1e-8)
    assert fit.rows_used == 21


def test_noisy_drift_is_found_within_its_error():
    y = np.linspace(-1, 1, 3080)
    level = 1000 + 4 * y - 3 * y**2
    fit = fit_overscan(overscan_image(level), USED)
    # Row means scatter by sqrt(1.5^2 + 1/12) / sqrt(10) = 0.48; a parabola through 3080 of them is known to
    # 0.48 * sqrt(3 / 3080) = 0.015 on average and three times that at the ends; five of those.
    assert np.abs(fit.row_level_adu - level).max() < 5 * 0.045
    assert fit.level_adu == pytest.approx(level.mean(), abs=5 * 0.48 / np.sqrt(3080))
    assert fit.residual_rms_adu == pytest.approx(0.48, rel=5 / np.sqrt(2 * 3080))
    assert fit.reason == ""


def test_cosmic_rays_and_bad_rows_do_not_matter():
    level = np.full(1000, 1000.0)
    clean = overscan_image(level)
    dirty = clean.copy()
    dirty[::50, 24] += 3000
    dirty[400:430] += 500
    fit = fit_overscan(dirty, USED)
    expected = fit_overscan(clean, USED)
    # What is left out is 3 % of the data: the fit moves by less than its own error at the ends, 3 x 0.48 / sqrt(1000).
    assert np.abs(fit.row_level_adu - expected.row_level_adu).max() < 0.05
    assert 960 <= fit.rows_used <= 970


def test_columns_with_trailed_signal_are_not_used():
    level = np.full(500, 1000.0)
    trail = fit_overscan(overscan_image(level), slice(0, 10)).level_adu
    assert trail > 1010
    assert fit_overscan(overscan_image(level), USED).level_adu == pytest.approx(1000, abs=5 * 0.48 / np.sqrt(500))


def test_row_means_against_slow_twin():
    rng = np.random.default_rng(5)
    overscan = np.round(rng.normal(500, 2, (60, 30))).astype(np.uint16)
    overscan[7, 25] = 4000
    means, count, sigma = row_means(overscan, USED)
    for y in range(60):
        row = overscan[y, USED].astype(float)
        good = np.abs(row - np.median(row)) <= 6 * sigma
        assert means[y] == pytest.approx(row[good].mean(), rel=1e-14)
        assert count[y] == good.sum()
    assert count[7] == 9


@pytest.mark.parametrize("overscan", [np.zeros((100, 30)), np.tile([[0], [60000]], (50, 30))])
def test_useless_overscan_gives_a_reason(overscan):
    fit = fit_overscan(overscan.astype(np.uint16), USED, degree=0)
    if overscan.any():
        # Two halves that disagree have a scatter as large as their distance: the fit stands but shows it.
        assert fit.residual_rms_adu > 1e4
    else:
        assert fit.reason == "all overscan pixels are zero"
        assert np.isnan(fit.row_level_adu).all()
