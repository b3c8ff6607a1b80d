"""The first idea of the seeing."""

import numpy as np
import pytest
from scipy.special import erf

from ztfpipe.methods.stars.seeing import first_fwhm
from ztfpipe.model.stars import Detections


def field(fwhm_px, n=60, galaxies=0, seed=41):
    """Pixel-integrated Gaussian stars on a grid, some replaced by sources three times as wide."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 5, (330, 330))
    grid = [(30.0 + 34 * i, 30.0 + 34 * j) for i in range(9) for j in range(9)][:n]
    x, y = np.array(grid).T + rng.uniform(-0.5, 0.5, (2, n))
    edges = np.arange(331) - 0.5
    for k in range(n):
        sigma = fwhm_px / 2.3548 * (3 if k < galaxies else 1)
        column = np.diff(0.5 * erf((edges - x[k]) / (np.sqrt(2) * sigma)))
        row = np.diff(0.5 * erf((edges - y[k]) / (np.sqrt(2) * sigma)))
        image += 20_000 * np.outer(row, column)
    flux = np.full(n, 20_000.0)
    return image.astype(np.float32), Detections(x, y, flux, np.full(n, 500.0))


@pytest.mark.parametrize("fwhm_px", [1.5, 2.2, 4.0])
def test_the_width_of_stars_is_found(fwhm_px):
    image, found = field(fwhm_px)
    # The pixel widens the image by a variance of 1/12; the noise of 60 stars is negligible.
    seen = 2.3548 * np.sqrt((fwhm_px / 2.3548) ** 2 + 1 / 12)
    assert first_fwhm(image, np.zeros(image.shape, bool), found) == pytest.approx(seen, rel=0.05)


def test_a_third_of_galaxies_does_not_matter():
    image, found = field(2.0, galaxies=20)
    alone, stars = field(2.0)
    unusable = np.zeros(image.shape, bool)
    assert first_fwhm(image, unusable, found) == pytest.approx(first_fwhm(alone, unusable, stars), rel=0.05)


def test_too_few_clean_stars_give_no_number():
    image, found = field(2.0)
    assert np.isnan(first_fwhm(image, np.ones(image.shape, bool), found))
    few = Detections(*(column[:4] for column in (found.x_px, found.y_px, found.flux_adu, found.significance)))
    assert np.isnan(first_fwhm(image, np.zeros(image.shape, bool), few))


def test_one_bright_track_does_not_decide():
    """Three hundred bumps of a broad band of light in a corner outshine sixty stars of FWHM 2.5 px all over."""
    rng = np.random.default_rng(3)
    ny = nx = 512
    image = rng.normal(0, 5, (ny, nx))
    yy, xx = np.mgrid[:ny, :nx]
    band = (yy < 120) & (xx < 120)
    image += np.where(band, 3000 * np.exp(-((xx + yy - 110) ** 2) / (2 * 15.0**2)), 0)
    x, y = rng.uniform(20, nx - 20, 60), rng.uniform(20, ny - 20, 60)
    for cx, cy in zip(x, y, strict=True):
        near = np.s_[int(cy) - 12 : int(cy) + 13, int(cx) - 12 : int(cx) + 13]
        image[near] += 1000 * np.exp(-((xx[near] - cx) ** 2 + (yy[near] - cy) ** 2) / (2 * (2.5 / 2.3548) ** 2))
    along = rng.uniform(15, 95, 300)
    found = Detections(
        np.r_[x, along], np.r_[y, 110 - along], np.ones(360), np.r_[np.full(60, 300.0), np.full(300, 1000.0)]
    )
    # Fifty undisturbed stars, each known to a per cent; ten per cent is what is promised.
    assert first_fwhm(image.astype(np.float32), np.zeros(image.shape, bool), found) == pytest.approx(2.5, rel=0.1)
