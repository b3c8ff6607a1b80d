"""The archive's sense of a limiting magnitude: the median at S/N five, and what noise alone does to it."""

import numpy as np
import pytest

from ztfpipe.errors import Unusable
from ztfpipe.methods.stars.archive_limit import archive_limiting_magnitude, median_near_five
from ztfpipe.methods.stars.detection import detect, gaussian_filter
from ztfpipe.methods.stars.photometry import find_and_fit
from ztfpipe.methods.stars.psf import noise_area
from ztfpipe.methods.stars.psf_fit import fit_psf

GAIN, ZERO_POINT, SKY_ADU = 6.2, 26.0, 150.0


def test_only_entries_of_stated_significance_near_five_count():
    flux = np.array([100.0, 45.1, 50.0, 54.9, 44.0, 56.0, 70.0, 50.0, 50.0])
    sigma = np.full(9, 10.0)
    sigma[6:] = 14.0, np.nan, -10.0
    # 70 / 14 is five as well: the median of 45.1, 50, 54.9 and 70.
    assert median_near_five(flux, sigma, 25.0) == pytest.approx(25 - 2.5 * np.log10((50 + 54.9) / 2))


def test_fewer_than_three_entries_have_no_median():
    with pytest.raises(Unusable, match="too few entries"):
        median_near_five(np.array([50.0, 51.0, 10.0]), np.full(3, 10.0), 25.0)


def _beyond_five(sky, star_field, fwhm_px):
    """By how much the limit is fainter than a flux of five times its error, the best fit's [mag]."""
    rng = np.random.default_rng(3)
    model = sky.Sky((450, 450), fwhm_px, variation=0.0)
    image, weight, *_ = star_field(rng, model, 60, (2e4, 1e5), sky_adu=SKY_ADU)
    found = detect(image, weight, gaussian_filter(fwhm_px), threshold=5)
    psf = fit_psf(image, weight, found, gain_e_per_adu=GAIN, fwhm_px=fwhm_px, max_order=0)
    stars, residual, background = find_and_fit(image, weight, psf, gain_e_per_adu=GAIN)
    found_mag = archive_limiting_magnitude(
        image - background, residual, weight, psf, stars, ZERO_POINT, gain_e_per_adu=GAIN
    )
    variance = noise_area(psf, 225.0, 225.0) / np.median(weight)
    # flux = 5 sigma, sigma^2 = variance + flux / gain
    photons = 25 / GAIN
    flux = (photons + np.sqrt(photons**2 + 100 * variance)) / 2
    return found_mag - (ZERO_POINT - 2.5 * np.log10(flux))


def test_noise_of_small_chi_moves_the_limit_the_more_the_fewer_pixels_a_star_has(sky, star_field):
    """Of frequent noise, what has S/N five has a small chi. Six pixels have chi to 30 %, half of it in the uncertainty,
    and thirty pixels to half that: the sharper image's limit is deeper beyond what sharpness itself gives."""
    sharp, wide = (_beyond_five(sky, star_field, fwhm_px) for fwhm_px in (1.6, 3.6))
    # Fifty entries and more, whose magnitudes at given S/N scatter by 0.2: medians to 0.03.
    assert sharp > 0.1
    assert sharp - wide > 0.1
