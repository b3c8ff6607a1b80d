"""Empty sky: a crowd of sources moves neither the level nor the width that noise alone has."""

import numpy as np
import pytest

from ztfpipe.methods.difference.empty_sky import empty_sky
from ztfpipe.methods.difference.levels import levelled
from ztfpipe.methods.difference.zogy import subtract

SHAPE, SIGMA, FLUX = (600, 600), 10.0, 450.0
"""The flux has a signal-to-noise ratio of some 12."""
GRID = np.arange(15, 590, 30)
X, Y = (one.ravel().astype(float) for one in np.meshgrid(GRID, GRID))


@pytest.fixture(scope="module")
def difference_of(psf_of, drawn, exposed):
    """A function of the flux of 400 sources, a thousand in a megapixel -> difference, the very same noise."""

    def make(flux):
        rng = np.random.default_rng(7)
        psf = psf_of(2.4, SHAPE)
        light = drawn(psf, X, Y, np.full(X.size, flux)) if flux else np.zeros(SHAPE)
        return subtract(exposed(light, SIGMA, psf, rng), exposed(np.zeros(SHAPE), SIGMA / 4, psf, rng))

    return make


def away_from_sources(reach_px=12):
    y, x = np.indices(SHAPE)
    return np.minimum.reduce([np.hypot(x - a, y - b) for a, b in zip(X, Y, strict=True)]) > reach_px


def test_a_thousand_sources_in_a_megapixel_change_neither_level_nor_width(difference_of):
    without, crowded = difference_of(0.0), difference_of(FLUX)
    # Of fifty pixels that a source lights, 400 light a twentieth: it would be 1.06 with all of them. Wings beyond four
    # pixels, below a fifth of a sigma, are left.
    assert crowded.scale == pytest.approx(without.scale, rel=0.01)
    away = away_from_sources()
    # By the median of all pixels the level would be six hundredths of a sigma too high.
    assert abs((levelled(crowded).scorr - levelled(without).scorr)[away].mean()) < 0.015


def test_noise_alone_is_nearly_all_empty_sky_whatever_its_width(difference_of):
    without = difference_of(0.0)
    for width in (1.0, 3.0):
        empty = empty_sky(without.scorr * np.float32(width), without.flux_sigma_adu, without.bad)
        # Beyond four sigma there is 6e-5 of a Gaussian, in peaks of ten pixels or so that cost 144 each.
        assert empty.mean() > 0.985


def test_around_a_source_there_is_none_and_bad_or_noisy_pixels_are_none(difference_of):
    crowded = difference_of(FLUX)
    bad, noise = crowded.bad.copy(), crowded.flux_sigma_adu.copy()
    bad[100:120], noise[300:320] = True, 1.5 * noise[300:320]
    empty = empty_sky(crowded.scorr, noise, bad)
    assert not empty[100:120].any()
    assert not empty[300:320].any()
    assert not empty[~away_from_sources(4)].any()
    assert empty[away_from_sources(14) & ~bad & (noise < 1.2 * np.median(noise))].mean() > 0.985


def test_where_peaks_are_the_rule_all_quiet_pixels_must_do():
    scorr = np.zeros((60, 60), np.float32)
    scorr[::2] = 1.0
    scorr[::8, ::8] = 50.0
    good = np.zeros(scorr.shape, bool)
    assert empty_sky(scorr, np.ones_like(scorr), good).all()
