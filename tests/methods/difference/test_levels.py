"""A smooth level of a difference is taken off S_corr, fluxes and image; noise and sources stay."""

from dataclasses import replace

import numpy as np
import pytest

from ztfpipe.methods.difference.levels import levelled
from ztfpipe.methods.difference.zogy import subtract

SHAPE, SIGMA = (600, 600), 10.0


@pytest.fixture(scope="module")
def difference_of(psf_of, drawn, exposed):
    """A function of a background [DN] -> difference with it in the science image, a source of 1,500 DN in it too."""

    def make(background):
        rng = np.random.default_rng(7)
        psf = psf_of(2.4, SHAPE)
        science = exposed(drawn(psf, 300.0, 300.0, 1500.0) + background, SIGMA, psf, rng)
        return subtract(science, exposed(np.zeros(SHAPE), SIGMA / 4, psf, rng))

    return make


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_a_smooth_background_is_gone_from_all_three(difference_of, slope):
    ramp = 1.0 + slope * np.indices(SHAPE)[1] / SHAPE[1]
    without, given = difference_of(0.0), difference_of(ramp)
    inner = (slice(40, -40), slice(40, -40))
    assert given.scorr[inner].mean() > 0.2
    made = levelled(given)
    # 360,000 pixels of which 13 see the same noise: the mean to 0.006, by medians a quarter more; at the ends of a
    # slope the smooth function lags by a tenth of it.
    for name, unit in (("scorr", 1.0), ("flux_adu", made.flux_sigma_adu.mean()), ("image_adu", SIGMA)):
        off = getattr(made, name)[inner].mean()
        assert abs(off) < 0.035 * unit, name
    halves = [made.scorr[40:-40, part].mean() for part in (slice(40, 300), slice(300, -40))]
    assert np.abs(halves).max() < 0.06
    # The source stands above it as it would without a background; the slope was counted as noise when S_corr was made
    # one sigma wide, a tenth of a sigma added in quadrature.
    assert made.scorr[300, 300] == pytest.approx(without.scorr[300, 300], rel=0.01)


def test_noise_alone_is_left_as_it_is(difference_of):
    given = difference_of(0.0)
    assert np.abs(levelled(given).scorr - given.scorr).max() < 0.06


def test_without_empty_sky_nothing_is_done(difference_of):
    given = difference_of(0.0)
    masked = replace(given, bad=np.ones(SHAPE, bool))
    assert levelled(masked) is masked
