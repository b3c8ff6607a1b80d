"""Periods that were put in, and none where there is none."""

import numpy as np
import pytest

from ztfpipe.methods.time.periodogram import periodogram

SPAN_D, SIGMA = 400.0, 0.03


def curves(amplitude: float, period: float, n: int = 150, seed: int = 1):
    """Light curves in two filters of other means, at nights' times."""
    rng = np.random.default_rng(seed)
    time = np.sort(np.floor(rng.uniform(0, SPAN_D, n)) + rng.normal(0.3, 0.08, n))
    curve = rng.integers(0, 2, n)
    mag = 17.0 + curve + amplitude * np.sin(2 * np.pi * time / period) + rng.normal(0, SIGMA, n)
    return time, mag, np.full(n, SIGMA), curve


@pytest.mark.parametrize("period", [0.56, 7.3, 61.0])
def test_the_period_of_a_sine_is_found(period):
    found = periodogram(*curves(0.3, period))
    # Sigma of the frequency is sqrt(6/n) / (pi span) (sigma / amplitude) [Montgomery & O'Donoghue 1999], here 2e-5 per
    # day, less than a step of the grid, a tenth of 1 / span: within one step.
    assert abs(1 / found.period_d - 1 / period) < 0.1 / SPAN_D
    assert found.false_alarm < 1e-10
    assert found.power.max() > 0.9


def test_noise_has_no_period_and_few_measurements_none_either():
    assert periodogram(*curves(0.0, 1.0)).false_alarm > 0.01
    assert periodogram(*curves(0.3, 1.0, n=9)) is None
    assert periodogram(np.zeros(20), np.zeros(20), np.ones(20), np.zeros(20, int)) is None
    assert periodogram(*(np.zeros(0) for _ in range(4))) is None
