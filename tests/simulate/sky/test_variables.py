"""Variable stars vary as their numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from ztfpipe.simulate.sky.variables import AMPLITUDE_BY_FILTER, KINDS, draw_kinds, draw_parameters, variation_mag

PERIODIC = ("rrlyrae", "eclipsing", "rotating", "mira")


def _curve(kind, period, amplitude, times, code="zg"):
    one = np.ones(1)
    numbers = np.full(1, KINDS.index(kind), np.int8), period * one, amplitude * one, 0.3 * one, np.array([7])
    return np.array([variation_mag(*numbers, jd, code)[0] for jd in times])


@pytest.mark.parametrize("kind", PERIODIC)
def test_period_and_amplitude(kind):
    times = 2458200.0 + np.linspace(0, 0.5, 2000, endpoint=False)
    curve = _curve(kind, 0.5, 0.8, times)
    np.testing.assert_allclose(curve, _curve(kind, 0.5, 0.8, times + 3 * 0.5), atol=1e-5)
    # The rotating one's two waves add to 1.0 of the amplitude to 6 %; the others' shapes have unit range exactly.
    assert np.ptp(curve) == pytest.approx(0.8, rel=0.07)
    if kind in ("rrlyrae", "rotating", "mira"):
        # Zero mean, or the skew of the Mira: mean of sin(p + 0.4 sin p) = -J1-like term below 0.1 of the half range.
        assert abs(curve.mean()) < 0.1 * 0.8
    red = _curve(kind, 0.5, 0.8, times, "zi")
    assert np.ptp(red) / np.ptp(curve) == pytest.approx(AMPLITUDE_BY_FILTER[kind]["zi"], rel=1e-6)


def test_stochastic_is_a_damped_random_walk():
    n, tau = 3000, 50.0
    kinds = np.full(n, KINDS.index("stochastic"), np.int8)
    numbers = kinds, np.full(n, tau), np.full(n, 0.2), np.zeros(n), np.arange(n)
    start = variation_mag(*numbers, 2458000.0, "zg")
    # Variance of a variance of n Gaussian values: sqrt(2 / n) = 2.6 %; 4 sigma. Half of that for the rms.
    assert start.std() == pytest.approx(0.2, rel=4 * 0.5 * (2 / n) ** 0.5)
    for lag in (5.0, 50.0, 150.0):
        later = variation_mag(*numbers, 2458000.0 + lag, "zg")
        correlation = np.corrcoef(start, later)[0, 1]
        # Correlation exp(-lag / tau); its error (1 - rho^2) / sqrt(n); 0.01 for the cut of the spectrum.
        expected = np.exp(-lag / tau)
        assert correlation == pytest.approx(expected, abs=4 * (1 - expected**2) / n**0.5 + 0.01)


def test_drawing_keeps_to_the_ranges():
    rng = np.random.default_rng(1)
    kinds = draw_kinds(rng, 100000, {"rrlyrae": 0.1, "mira": 0.2})
    # Binomial: sqrt(0.1 * 0.9 / 1e5) = 0.001.
    assert (kinds == KINDS.index("rrlyrae")).mean() == pytest.approx(0.1, abs=0.004)
    assert (kinds == KINDS.index("mira")).mean() == pytest.approx(0.2, abs=0.005)
    assert (kinds == 0).mean() == pytest.approx(0.7, abs=0.006)
    period, amplitude, phase = draw_parameters(rng, kinds)
    assert np.all(amplitude[kinds == 0] == 0)
    assert period[kinds == KINDS.index("mira")].min() >= 120
    assert 0 <= phase.min() < phase.max() < 1
    assert np.all(variation_mag(kinds * 0, period, amplitude, phase, np.arange(100000), 2458000.0, "zr") == 0)
