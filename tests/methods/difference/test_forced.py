"""Forced photometry at fixed places: unbiased at nought and below, its errors right at any brightness."""

import math

import numpy as np
import pytest

from tests.alerts_scene import FWHM_PX, GAIN, NOISE_ADU, gaussian
from ztfpipe.methods.difference.forced import APERTURE_PX, SIZE_PX, forced_flux, psf_at, shifted, surrounding_noise
from ztfpipe.model.difference import PsfTiles

HALF = np.indices((25, 25)) - 12
PSF = gaussian(HALF[1], HALF[0]).astype(np.float32)
SETTINGS = {"gain_e_per_adu": GAIN, "fwhm_px": FWHM_PX, "radius_fwhm": 2.0}
N = 400


def square(rng, flux, dx=0.0, dy=0.0):
    """Noise with a source of a flux [DN] whose photons are counted; a negative source is the difference of two."""
    y, x = np.indices((SIZE_PX, SIZE_PX)) - SIZE_PX // 2
    light = flux * gaussian(x - dx, y - dy)
    photons = np.sign(flux) * rng.poisson(np.abs(light) * GAIN) / GAIN
    return (rng.normal(0, NOISE_ADU, light.shape) + photons).astype(np.float32)


@pytest.mark.parametrize("flux", [0.0, 50.0, 1000.0, 30000.0])
def test_pulls_are_normal_at_any_brightness(flux):
    rng = np.random.default_rng(1)
    offsets = rng.uniform(-0.5, 0.5, (N, 2))
    found = [forced_flux(square(rng, flux, *d), PSF, *d, **SETTINGS) for d in offsets]
    pulls = np.array([(one.flux_adu - flux) / one.sigma_adu for one in found])
    # Of 400 the mean scatters by 0.05 and the width by 0.035.
    assert abs(pulls.mean()) < 4 * 0.05
    assert pulls.std() == pytest.approx(1, abs=4 * 0.035)
    if flux <= 1000:
        # Pixels brighter than that see the PSF's shift, good to 0.6 % of the peak. The mean of some 200 pixels' squares
        # scatters by 0.1, that of 400 squares of pixels by 0.005.
        assert np.mean([one.chi2 for one in found]) == pytest.approx(1, abs=0.03)
    assert all(one.warnings == () for one in found)


def test_what_became_fainter_has_a_negative_flux():
    rng = np.random.default_rng(2)
    found = [forced_flux(square(rng, -500.0), PSF, 0, 0, **SETTINGS) for _ in range(100)]
    error = np.std([one.flux_adu for one in found]) / 10
    assert np.mean([one.flux_adu for one in found]) == pytest.approx(-500, abs=4 * error)


def test_the_aperture_gives_the_whole_flux_and_knows_its_error():
    rng = np.random.default_rng(3)
    found = [forced_flux(square(rng, 2000.0, 0.3, -0.2), PSF, 0.3, -0.2, **SETTINGS) for _ in range(N)]
    inside = 1 - math.exp(-0.5 * (APERTURE_PX / 2 / (FWHM_PX / 2.3548)) ** 2)
    # The aperture's edge cuts pixels in 5 x 5 pieces.
    assert found[0].aperture_correction == pytest.approx(1 / inside, abs=1e-3)
    total = np.array([one.aperture_adu for one in found])
    assert total.mean() == pytest.approx(2000, abs=4 * total.std() / np.sqrt(N))
    pulls = (total - 2000) / [one.sigma_aperture_adu for one in found]
    assert pulls.std() == pytest.approx(1, abs=4 * 0.035)


def test_a_psf_that_changes_evenly_over_the_image_is_known_everywhere():
    rng = np.random.default_rng(6)
    base, along_y, along_x = rng.normal(size=(3, 5, 5))
    y, x = np.array([100.0, 300.0, 520.0]), np.array([50.0, 90.0])
    tiles = base + y[:, None, None, None] * along_y + x[None, :, None, None] * along_x
    for place in ((100.0, 50.0), (310.5, 77.0), (0.0, 140.0), (600.0, 0.0)):
        expected = base + place[0] * along_y + place[1] * along_x
        # Single precision of numbers of order a thousand.
        assert psf_at(PsfTiles(tiles, y, x), place[1], place[0]) == pytest.approx(expected, abs=1e-3)
    one = PsfTiles(tiles[:1, :1], y[:1], x[:1])
    assert psf_at(one, 500.0, 500.0) == pytest.approx(tiles[0, 0].astype(np.float32))


def test_a_shift_is_the_function_at_other_places():
    for dx, dy in ((0.0, 0.0), (0.5, -0.5), (-0.31, 0.17)):
        exact = gaussian(HALF[1] - dx, HALF[0] - dy)
        # At a FWHM of 2.4 px a Gaussian has exp(-(pi sigma)^2 / 2) = 0.006 of its transform at the highest frequency
        # that pixels know: that is what is folded back.
        assert np.abs(shifted(PSF, dx, dy) - exact).max() < 0.006 * exact.max()


def test_masked_pixels_count_for_nothing_and_too_many_of_them_forbid_a_flux():
    rng = np.random.default_rng(4)
    partly = square(rng, 1000.0)
    partly[:, SIZE_PX // 2 + 2 :] = np.nan
    one = forced_flux(partly, PSF, 0, 0, **SETTINGS)
    assert one.warnings == ("partly masked",)
    assert one.flux_adu == pytest.approx(1000, abs=5 * one.sigma_adu)
    mostly = square(rng, 1000.0)
    mostly[:, SIZE_PX // 2 :] = np.nan
    one = forced_flux(mostly, PSF, 0, 0, **SETTINGS)
    assert one.warnings == ("masked",)
    assert np.isnan([one.flux_adu, one.sigma_adu, one.aperture_adu]).all()
    everything = forced_flux(np.full_like(partly, np.nan), PSF, 0, 0, **SETTINGS)
    assert everything.warnings == ("masked",)


def test_the_noise_is_that_around_and_a_bright_source_is_none_of_it():
    rng = np.random.default_rng(5)
    widths = [surrounding_noise(square(rng, 1e5), 0, 0, 4.8) for _ in range(50)]
    # 1,600 pixels: a percentile sigma is good to 2.7 %, the mean of fifty to 0.4 %.
    assert np.mean(widths) == pytest.approx(NOISE_ADU, rel=4 * 0.004)
