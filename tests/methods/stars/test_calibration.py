"""Zero point and colour term by their pulls; limiting magnitude by the scatter of simulated magnitudes."""

import numpy as np
import pytest

from ztfpipe.errors import Unusable
from ztfpipe.methods.stars.calibration import fit_zero_point, limiting_magnitude, zero_point_structure

ZERO_POINT, COEFFICIENT = 26.3, -0.06


def calibrators(rng, count, *, wrong=0.1, intrinsic=0.0):
    """Arguments of fit_zero_point: stars of 3 to 30 mmag beside calibrators of 10, some of them wrong by 0.3 mag."""
    colour = rng.normal(0.6, 0.25, count)
    sigma, sigma_cal = rng.uniform(0.003, 0.03, count), np.full(count, 0.01)
    difference = ZERO_POINT + COEFFICIENT * colour
    difference += rng.normal(size=count) * np.sqrt(sigma**2 + sigma_cal**2 + intrinsic**2)
    bad = rng.uniform(size=count) < wrong
    difference[bad] += rng.normal(0.3, 0.5, bad.sum())
    instrumental = rng.uniform(-12, -8, count)
    return instrumental, sigma, instrumental + difference, sigma_cal, colour


@pytest.mark.parametrize(
    ("count", "wrong", "intrinsic"), [(300, 0.0, 0.0), (300, 0.1, 0.0), (300, 0.1, 0.02), (30, 0.1, 0.02)]
)
def test_pulls_are_unit_gaussian(count, wrong, intrinsic):
    rng = np.random.default_rng(1)
    trials = 300
    pull, at_mean_colour = np.empty((trials, 2)), np.empty(trials)
    for t in range(trials):
        fit = fit_zero_point(*calibrators(rng, count, wrong=wrong, intrinsic=intrinsic))
        pull[t] = (
            (fit.zero_point_mag - ZERO_POINT) / fit.sigma_zero_point_mag,
            (fit.colour_coefficient - COEFFICIENT) / fit.sigma_colour_coefficient,
        )
        at_mean_colour[t] = fit.zero_point_mag - ZERO_POINT + 0.6 * (fit.colour_coefficient - COEFFICIENT)
    # 300 trials: mean to 0.06, deviation to 0.04. Of 30 calibrators the weights themselves are uncertain: Student's t
    # of some 20 degrees of freedom has a deviation of 1.05; and outliers of less than 3 sigma stay in: together 10 %.
    assert np.all(np.abs(pull.mean(axis=0)) < 0.25)
    assert np.all(np.abs(pull.std(axis=0) - 1) < 0.2)
    # The bars: 2 mmag with 300 calibrators, 7 with 30.
    assert np.sqrt(np.mean(at_mean_colour**2)) < (0.002 if count == 300 else 0.007)


def test_covariance_is_that_of_the_trials():
    rng = np.random.default_rng(2)
    fits = [fit_zero_point(*calibrators(rng, 100, wrong=0.0)) for _ in range(400)]
    seen = np.cov([f.zero_point_mag for f in fits], [f.colour_coefficient for f in fits])
    stated = np.mean([f.covariance_mag2 for f in fits])
    # Off-diagonal of a sample covariance of 400: relative error sqrt((1 + 1 / rho^2) / 400), 7 % at rho = -0.9.
    assert seen[0, 1] == pytest.approx(stated, rel=0.3)
    assert fits[0].covariance_mag2 < 0


def test_a_third_of_wrong_calibrators_does_no_harm():
    rng = np.random.default_rng(3)
    fit = fit_zero_point(*calibrators(rng, 300, wrong=0.33))
    assert fit.zero_point_mag == pytest.approx(ZERO_POINT, abs=5 * fit.sigma_zero_point_mag)
    assert fit.count < 270
    assert fit.rms_mag < 0.03


def test_intrinsic_scatter_is_found():
    rng = np.random.default_rng(4)
    fit = fit_zero_point(*calibrators(rng, 2000, wrong=0.0, intrinsic=0.03))
    # Scatter of n values is known to 1 / sqrt(2 n) = 1.6 % of the total, and it is most of it.
    assert fit.intrinsic_mag == pytest.approx(0.03, rel=0.1)


def test_one_colour_or_none_wanted_gives_no_coefficient():
    rng = np.random.default_rng(5)
    instrumental, sigma, magnitude, sigma_cal, _ = calibrators(rng, 50, wrong=0.0)
    same = fit_zero_point(instrumental, sigma, magnitude, sigma_cal, np.full(50, 0.6))
    assert (same.colour_coefficient, same.sigma_colour_coefficient, same.covariance_mag2) == (0, 0, 0)
    # All of one colour: what is fitted is the zero point for that colour; the spread of true colours adds scatter.
    assert same.zero_point_mag == pytest.approx(ZERO_POINT + 0.6 * COEFFICIENT, abs=0.02)


def test_colour_errors_are_part_of_the_weights():
    rng = np.random.default_rng(6)
    inputs = calibrators(rng, 100, wrong=0.0)
    sure, unsure = fit_zero_point(*inputs), fit_zero_point(*inputs, sigma_colour_mag=0.5)
    assert unsure.sigma_zero_point_mag > sure.sigma_zero_point_mag


def test_too_few_calibrators():
    rng = np.random.default_rng(7)
    with pytest.raises(Unusable, match="too few calibrators"):
        fit_zero_point(*calibrators(rng, 4))
    instrumental, sigma, magnitude, sigma_cal, colour = calibrators(rng, 20)
    magnitude[3:] = np.nan
    with pytest.raises(Unusable, match="calibrators=3"):
        fit_zero_point(instrumental, sigma, magnitude, sigma_cal, colour)


@pytest.mark.parametrize("cloud_mag", [0.0, 0.1])
def test_structured_clouds_show(cloud_mag):
    rng = np.random.default_rng(8)
    instrumental, sigma, magnitude, sigma_cal, colour = calibrators(rng, 600, wrong=0.05)
    x, y = rng.uniform(0, 3072, 600), rng.uniform(0, 3080, 600)
    instrumental = instrumental + cloud_mag * np.where(x > 1536, 1, 0)
    fit = fit_zero_point(instrumental, sigma, magnitude, sigma_cal, colour)
    structure = zero_point_structure(fit, np.hypot(sigma, sigma_cal), x, y, (3080, 3072))
    if cloud_mag:
        # Two levels 0.1 apart: 0.05 rms.
        assert structure.rms_mag == pytest.approx(0.05, rel=0.2)
        assert structure.chi2_per_cell > 20
    else:
        # chi^2 of 15 degrees of freedom: 1 +- 0.37, and outliers widen the medians a little.
        assert structure.chi2_per_cell < 2.5
        assert structure.rms_mag < 0.006


def test_structure_of_few_calibrators_is_unknown():
    rng = np.random.default_rng(9)
    inputs = calibrators(rng, 6, wrong=0.0)
    fit = fit_zero_point(*inputs)
    structure = zero_point_structure(fit, inputs[1], np.arange(6) * 500.0, np.arange(6) * 500.0, (3080, 3072))
    assert np.isnan(structure.rms_mag)


@pytest.mark.parametrize("edge", [4.6, 5.5, 7.0])
def test_limiting_magnitude_is_where_magnitudes_scatter(edge):
    rng = np.random.default_rng(10)
    gain, noise = 6.2, 13.0
    # Number counts rise by 10^0.3 per magnitude to below the limit, so that noise moves most stars up.
    true = 20 * rng.uniform(size=40_000) ** (-0.4 / 0.3)
    flux = true + rng.normal(size=len(true)) * np.sqrt(noise**2 + true / gain)
    sigma = np.sqrt(noise**2 + flux.clip(0) / gain) * rng.uniform(0.97, 1.1, len(true))
    seen = flux > edge * sigma
    limit = limiting_magnitude(flux[seen], sigma[seen], ZERO_POINT)
    # Where does the magnitude of a star of known flux scatter by 0.2 mag, in 1.0857 sigma / flux?
    trial = np.linspace(30, 200, 2000)
    scatter = 1.0857 * np.sqrt(noise**2 + trial / gain) / trial
    truth = ZERO_POINT - 2.5 * np.log10(trial[np.argmin(np.abs(scatter - 0.2))])
    # The bar is 0.1; stated errors are high by 3.5 % on average, 0.04 mag.
    assert limit == pytest.approx(truth, abs=0.07)


def test_limiting_magnitude_of_an_empty_field_is_unusable():
    with pytest.raises(Unusable, match="too few stars"):
        limiting_magnitude(np.ones(5), np.ones(5), 26.0)
