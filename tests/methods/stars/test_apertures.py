"""Aperture sums and corrections against exact sums of synthetic stars."""

import numpy as np
import pytest

from ztfpipe.methods.stars.apertures import (
    APERTURE_DIAMETERS_PX,
    ApertureFluxes,
    aperture_corrections,
    aperture_fluxes,
    clean_stars,
)
from ztfpipe.model.stars import FittedStars


def table(x, y, flux, snr=100.0, chi=None, sharp=None, good=None):
    """Fitted stars as a PSF fit might have left them."""
    n = len(x)
    ones = np.ones(n)
    return FittedStars(
        np.asarray(x, float), np.asarray(y, float), np.asarray(flux, float), 0.01 * ones, 0.01 * ones,
        np.asarray(flux) / (snr * ones), ones if chi is None else chi, 0 * ones if sharp is None else sharp,
        ones if good is None else good, np.zeros(n, np.int32), np.ones(n, bool),
    )  # fmt: skip


def slow_aperture(image, x, y, radius, fine=50):
    """Sum of pixels times the covered share of each, by counting points."""
    offset = (np.arange(fine) + 0.5) / fine - 0.5
    total = 0.0
    for j in range(int(y - radius) - 1, int(y + radius) + 3):
        for i in range(int(x - radius) - 1, int(x + radius) + 3):
            inside = (i + offset - x) ** 2 + (j + offset[:, None] - y) ** 2 <= radius**2
            total += image[j, i] * inside.mean()
    return total


def test_sums_are_exact_overlaps():
    rng = np.random.default_rng(1)
    image = rng.uniform(0, 10, (40, 40)).astype(np.float32)
    weight = np.full((40, 40), 0.25, np.float32)
    x, y = np.array([20.3, 15.0]), np.array([18.9, 22.49])
    sums = aperture_fluxes(image, weight, x, y, gain_e_per_adu=2.0)
    for s in range(2):
        for k, diameter in enumerate(APERTURE_DIAMETERS_PX):
            exact = slow_aperture(image, x[s], y[s], diameter / 2)
            # 2500 points a pixel place its edge to 1e-3; ten edge pixels of height ten.
            assert sums.flux_adu[s, k] == pytest.approx(exact, abs=0.1)
            variance = np.pi * diameter**2 / 4 * 4 + exact / 2
            assert sums.sigma_adu[s, k] == pytest.approx(np.sqrt(variance), rel=0.01)
    assert sums.whole.all()


def test_masked_pixels_and_edges_are_told():
    image, weight = np.full((60, 60), 7, np.float32), np.ones((60, 60), np.float32)
    image[30, 33], weight[30, 33] = np.nan, 0
    sums = aperture_fluxes(image, weight, np.array([30.0, 2.0]), np.array([30.0, 30.0]), gain_e_per_adu=1.0)
    assert list(sums.whole[0]) == [True, True, True, False, False, False]
    # A circle of radius 3 around x = 2 reaches x = -1, half a pixel beyond the edge at -0.5.
    assert list(sums.whole[1]) == [True, True, True, False, False, False]
    # The masked pixel counts as the mean of the others.
    assert sums.flux_adu[0, 4] == pytest.approx(7 * np.pi * 25, rel=1e-5)


def test_corrections_are_those_of_the_growth_curve(sky):
    model = sky.Sky((600, 600), 2.1, variation=0.0)
    rng = np.random.default_rng(2)
    grid = np.arange(40, 580, 45.0)
    x, y = (v.ravel() + rng.uniform(-0.5, 0.5, v.size) for v in np.meshgrid(grid, grid))
    flux = np.full(len(x), 3e4)
    image, weight = sky.observe(model.render(x, y, flux, half=20), 150.0, rng)
    sums = aperture_fluxes(image, weight, x, y, gain_e_per_adu=6.2)
    noisy = flux * (1 + rng.normal(0, 0.004, len(x)))
    found = aperture_corrections(table(x, y, noisy), sums, np.arange(len(x)))
    stamp = model.stamps(300.0, 300.0, 20)[0]
    assert np.all(found.count == len(x))
    for k, diameter in enumerate(APERTURE_DIAMETERS_PX):
        exact = 2.5 * np.log10(slow_aperture(stamp, 20, 20, diameter / 2))
        # The centre and shape of the profile depend on phase and place by a few percent in apertures of 2 and 3 px.
        slack = 0.06 if diameter < 4 else 0.005
        assert found.correction_mag[k] == pytest.approx(exact, abs=5 * found.sigma_mag[k] + slack)
    # sqrt(pi / 2) x (4 mmag of the PSF flux and 5 of the aperture's) / sqrt(144).
    assert found.sigma_mag[5] == pytest.approx(1.2533 * np.hypot(4.3, 5.5) * 1e-3 / 12, rel=0.3)


def test_corrections_without_stars_are_nan():
    sums = ApertureFluxes(np.ones((2, 6)), np.ones((2, 6)), np.ones((2, 6), bool))
    found = aperture_corrections(table([1, 9], [1, 9], [1, 1]), sums, np.arange(2))
    assert np.isnan(found.correction_mag).all()
    assert np.all(found.count == 0)


def test_clean_stars():
    rng = np.random.default_rng(3)
    n = 60
    x, y = np.arange(n) * 50.0, np.full(n, 50.0)
    flux = np.full(n, 1e4)
    chi, sharp, good, snr = 1 + rng.normal(0, 0.05, n), rng.normal(0, 0.02, n), np.ones(n), np.full(n, 100.0)
    chi[0], sharp[1], good[2], snr[3] = 3, 1, 0.9, 20
    x[5], flux[5] = x[4] + 8, 500
    chosen = clean_stars(table(x, y, flux, snr, chi, sharp, good))
    # 5 is alone enough at S/N 100, but 4 beside it is 20 times brighter; 4 has 5 % of company.
    assert not set(chosen) & {0, 1, 2, 3, 4, 5}
    # Five robust deviations: none of 54 Gaussian values but by a bad estimate of the deviation.
    assert len(chosen) >= 52
