"""Efficiency against magnitude: the curve is found again with honest errors, and noise alone predicts what is found."""

import numpy as np
import pytest

from ztfpipe.methods.difference.efficiency import chance, fit_logistic, pull


def sources(rng, count, half, width, plateau):
    mag = rng.uniform(half - 2.5, half + 1.2, count)
    return mag, rng.uniform(size=count) < plateau / (1 + np.exp((mag - half) / width))


def test_curve_is_found_again_within_its_errors():
    half, pulls, errors = 20.3, [], []
    for seed in range(40):
        fit = fit_logistic(*sources(np.random.default_rng(seed), 400, half, 0.2, 0.95))
        assert fit.converged
        pulls.append((fit.half_mag - half) / fit.half_error_mag)
        errors.append(fit.half_error_mag)
    # Of 40 pulls of width one the mean scatters by 0.16 and the width by 0.11: four and three sigma.
    assert abs(np.mean(pulls)) < 0.64
    assert np.std(pulls) == pytest.approx(1.0, abs=0.35)
    # Some 90 sources lie on the step, 0.5 mag each way; each tells its place to 2 x 0.2 mag.
    assert np.median(errors) == pytest.approx(0.4 / np.sqrt(90), rel=0.5)


def test_a_clean_step_has_an_error_that_is_a_number():
    mag = np.linspace(18, 22, 60)
    fit = fit_logistic(mag, mag < 20.3)
    assert fit.converged
    # The step lies between two sources 0.07 mag apart; the width assumed beforehand adds to that.
    assert fit.half_mag == pytest.approx(20.3, abs=0.1)
    assert 0.01 < fit.half_error_mag < 0.2


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_a_step_there_is_no_limit(share):
    rng = np.random.default_rng(1)
    fit = fit_logistic(rng.uniform(18, 22, 100), np.full(100, bool(share)))
    assert not fit.converged
    assert np.isnan(fit.half_mag)


def test_chance_and_pull_are_those_of_independent_trials():
    snr = np.array([3.0, 5.0, 7.0])
    np.testing.assert_allclose(chance(snr, 5.0), [0.02275, 0.5, 0.97725], atol=1e-5)
    rng = np.random.default_rng(2)
    expected = chance(rng.uniform(3, 8, 300), 5.0)
    pulls = [pull(rng.uniform(size=300) < expected, expected) for _ in range(200)]
    # 200 pulls: mean to 0.07, width to 0.05; four sigma.
    assert abs(np.mean(pulls)) < 0.28
    assert np.std(pulls) == pytest.approx(1.0, abs=0.2)
    assert np.isnan(pull(np.zeros(0, bool), np.zeros(0)))
