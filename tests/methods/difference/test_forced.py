"""Forced photometry at fixed places: unbiased at nought and below, its errors right at any brightness."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.alerts_scene import FWHM_PX, GAIN, NOISE_ADU, gaussian
from ztfpipe.methods.difference.forced import APERTURE_PX, SIZE_PX, forced_flux, psf_at, shifted, surrounding_noise
from ztfpipe.methods.difference.zogy import subtract
from ztfpipe.model.difference import DifferencePsf

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
    found = [forced_flux(square(rng, flux, *d), shifted(PSF, *d), *d, **SETTINGS) for d in offsets]
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
    psf = shifted(PSF, 0.3, -0.2)
    found = [forced_flux(square(rng, 2000.0, 0.3, -0.2), psf, 0.3, -0.2, **SETTINGS) for _ in range(N)]
    inside = 1 - math.exp(-0.5 * (APERTURE_PX / 2 / (FWHM_PX / 2.3548)) ** 2)
    # The aperture's edge cuts pixels in 5 x 5 pieces.
    assert found[0].aperture_correction == pytest.approx(1 / inside, abs=1e-3)
    total = np.array([one.aperture_adu for one in found])
    assert total.mean() == pytest.approx(2000, abs=4 * total.std() / np.sqrt(N))
    pulls = (total - 2000) / [one.sigma_aperture_adu for one in found]
    assert pulls.std() == pytest.approx(1, abs=4 * 0.035)


def test_the_psf_is_that_of_the_place_between_the_pixels_and_anywhere_in_its_tile(psf_of, drawn, exposed):
    shape, half = (150, 170), SIZE_PX // 2
    narrow, wide = (psf_of(fwhm, shape).coefficients for fwhm in (1.9, 2.3))
    varying = replace(psf_of(2.1, shape), order=1, coefficients=np.concatenate([
        (narrow + wide) / 2, (wide - narrow) / 2, np.zeros_like(narrow)
    ]))  # fmt: skip
    nothing, still = np.zeros(shape, np.float32), psf_of(2.0, shape)
    for place in ((84.0, 75.0), (56.2, 50.4), (57.31, 98.5), (140.47, 120.1)):
        new = subtract(
            exposed(drawn(varying, *place, 1000.0), 4.0, varying), exposed(nothing, 2.0, still), tile_px=60,
            calibrate=False,
        )  # fmt: skip
        assert len(new.tiling.boxes) == 9
        column, row = (int(np.floor(one + 0.5)) for one in place)
        around = new.image_adu[row - half : row + half + 1, column - half : column + half + 1]
        where = DifferencePsf(new.psf[4], new.science_psf, new.filters, new.tiling)
        psf = psf_at(where, *place)
        middle = len(psf) // 2
        box = slice(half - middle, half + middle + 1)
        # What the filters hold beyond a stamp, and rounding.
        assert np.abs(around[box, box] - 1000 * psf).max() < 2e-3 * 1000 * psf.max()


def test_where_only_one_psf_is_known_it_is_shifted():
    known = DifferencePsf(PSF)
    assert psf_at(known, 500.0, 7.0) == pytest.approx(PSF, abs=1e-7)
    assert psf_at(known, 499.7, 7.25) == pytest.approx(shifted(PSF, -0.3, 0.25), abs=1e-7)


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
