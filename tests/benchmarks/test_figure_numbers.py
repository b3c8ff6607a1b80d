import numpy as np
import pytest

from benchmarks.figure_data import Epoch
from benchmarks.figure_numbers import Repeated, flux_rms_bins, limit_from, repeated, rms_by_magnitude, robust_rms


def epoch(star, mag, calibrated_mag, offset_mas=None, snr=100.0):
    n = len(star)
    return Epoch(
        code="zr", ccdid=1, qid=1, airmass=1.0, limiting_mag=21.0, star=np.asarray(star), mag=np.asarray(mag, float),
        calibrated_mag=np.asarray(calibrated_mag, float), stated_error=np.full(n, 0.01), snr=np.full(n, snr),
        offset_mas=np.zeros((2, n)) if offset_mas is None else offset_mas, alone=np.ones(n, bool),
        calibrator_mag=np.full(n, np.nan),
    )  # fmt: skip


def test_robust_rms_is_the_sigma_of_a_gaussian_with_outliers():
    offset = np.random.default_rng(1).normal(0, [[30.0], [50.0]], (2, 20_000))
    offset[:, :20] = 1e4
    found = robust_rms(epoch(np.arange(20_000), np.full(20_000, 17.0), np.full(20_000, 17.0), offset))
    # Half the distance of those two quantiles of n Gaussian values scatters by 0.96 sigma / sqrt(n), 0.7 %; 4 of that.
    assert found == pytest.approx([30.0, 50.0], rel=0.03)


def test_too_few_stars_have_no_rms():
    assert np.isnan(robust_rms(epoch(np.arange(9), np.full(9, 17.0), np.full(9, 17.0)))).all()


def test_magnitude_bins_need_twenty_stars():
    mag = np.repeat([14.1, 15.1, 16.1], [30, 5, 20])
    middle, rms, count = rms_by_magnitude(epoch(np.arange(55), mag, mag))
    assert middle.tolist() == [14.25, 16.25]
    assert count.tolist() == [30, 20]
    assert rms.shape == (2, 2)


def test_repeatability_of_stars_matched_by_name_and_seen_often():
    """Two stars of five epochs, in another order each time, fluxes 1 +- 0.1 by turns; a third is seen only twice."""
    epochs = []
    for k in range(5):
        change = 2.5 * np.log10(1.1) * (-1) ** k
        star, mag = ([7, 3], [15.0, 18.0]) if k % 2 else ([3, 7], [18.0, 15.0])
        extra = ([9], [16.0]) if k < 2 else ([], [])
        epochs.append(epoch(star + extra[0], mag + extra[1], np.array(mag + extra[1]) + change))
    found = repeated(epochs, "zr")
    fluxes = np.array([1 / 1.1, 1.1, 1 / 1.1, 1.1, 1 / 1.1])
    expected = fluxes.std(ddof=1) / fluxes.mean()
    assert found.mag.tolist() == [18.0, 15.0]
    assert found.flux_rms == pytest.approx([expected, expected], rel=1e-12)
    assert found.bright_rms() == pytest.approx(expected, rel=1e-12)
    assert found.epochs == 5


def test_limit_is_where_the_scatter_under_the_sky_reaches_a_fifth():
    mag = np.repeat(np.arange(14.25, 21.0, 0.5), 12)
    scatter = 0.2 * 10 ** (0.4 * (mag - 20.6))
    scatter[mag > 20] = 0.12  # of the faintest only those whose noise was kind are found
    middle, rms = flux_rms_bins(Repeated(mag, scatter, 5))
    assert limit_from(middle, rms) == pytest.approx(20.6, abs=1e-9)
