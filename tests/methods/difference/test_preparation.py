"""Registration, throughput, differential background and the joint mask."""

from dataclasses import replace

import numpy as np
import pytest

from ztfpipe.errors import Unusable
from ztfpipe.methods.difference.preparation import (
    CatalogStars,
    differential_background,
    fill_masked,
    match_throughput,
    register,
)
from ztfpipe.methods.difference.zogy import subtract
from ztfpipe.methods.smooth_field import field_at

SHAPE = (400, 420)


def catalogs(rng, count=500, scatter_px=0.02, ratio=0.8):
    """A star list and the same displaced by a smooth field plus `scatter_px`, fainter by 1 / ratio."""
    x, y = rng.uniform(5, 415, count), rng.uniform(5, 395, count)
    flux = 10 ** rng.uniform(3, 5, count)
    error = 2.0 / np.sqrt(flux)
    good = np.ones(count, bool)
    # As many electrons as DN, and a noise of the position of a pixel over the signal-to-noise ratio.
    science = CatalogStars(x, y, flux, error / 2, flux * error, good)
    dx, dy = 0.1 * np.sin(x / 150), np.full(count, -0.07)
    noise = rng.standard_normal((3, count))
    reference = CatalogStars(
        x + dx + noise[0] * np.hypot(scatter_px, error / np.sqrt(2)),
        y + dy + noise[1] * np.hypot(scatter_px, error / np.sqrt(2)),
        flux / ratio * (1 + noise[2] * error * np.sqrt(2)),
        error / 2, flux / ratio * error, good,
    )  # fmt: skip
    return science, reference


def test_registration_finds_displacement_scatter_and_ratio():
    science, reference = catalogs(np.random.default_rng(1))
    found = register(science, reference, SHAPE, scale_px=120.0)
    x, y = np.array([50.0, 200.0, 350.0]), np.array([60.0, 200.0, 330.0])
    # Each value is the mean of some 50 stars of 0.03 px: 0.005 px; four sigma.
    assert field_at(found.dx, x, y) == pytest.approx(0.1 * np.sin(x / 150), abs=0.02)
    assert field_at(found.dy, x, y) == pytest.approx(-0.07, abs=0.02)
    # The scatter of 500 is known to 3 per cent, the part of it beyond the stars' errors to twice that.
    assert found.sigma_x_px == pytest.approx(0.02, rel=0.3)
    assert found.flux_ratio == pytest.approx(0.8, abs=4 * 0.8 * 0.06 / np.sqrt(500))
    assert found.flux_error < 0.015
    # Nine in ten have a signal-to-noise ratio above 20.
    assert found.n_matches == pytest.approx(450, abs=4 * np.sqrt(45))


def test_variables_and_moved_stars_do_not_pull():
    rng = np.random.default_rng(2)
    science, reference = catalogs(rng)
    flux, x = reference.flux_adu.copy(), reference.x_px.copy()
    flux[:25] *= 2.0
    x[25:50] += 0.8
    found = register(science, replace(reference, flux_adu=flux, x_px=x), SHAPE, scale_px=120.0)
    assert found.flux_ratio == pytest.approx(0.8, abs=4 * 0.8 * 0.06 / np.sqrt(500))
    assert found.sigma_x_px < 0.03
    assert found.flux_error < 0.02


def test_another_field_cannot_be_registered():
    rng = np.random.default_rng(3)
    science, _ = catalogs(rng, 60)
    other, _ = catalogs(rng, 60)
    with pytest.raises(Unusable, match="stars"):
        register(science, other, SHAPE, least_stars=20)


def test_throughput_follows_a_cloud(psf_of, exposed):
    rng = np.random.default_rng(4)
    science, reference = catalogs(rng, 800)
    cloud = np.exp(0.1 * np.sin(science.y_px / 130))
    science = replace(science, flux_adu=science.flux_adu * cloud, sigma_flux_adu=science.sigma_flux_adu * cloud)
    found = register(science, reference, SHAPE, scale_px=120.0)
    psf = psf_of(2.3, SHAPE)
    matched = match_throughput(exposed(np.full(SHAPE, 100.0), 2.0, psf), found)
    y = np.array([20, 200, 380])
    expected = 0.8 * np.exp(0.1 * np.sin(y / 130))
    # Means of about 60 stars of 5 per cent: 0.7 per cent; four sigma.
    assert matched.image_adu[y, 210] == pytest.approx(100 * expected, rel=0.03)
    assert matched.variance_adu2[y, 210] == pytest.approx(4 * expected**2, rel=0.06)


def test_background_is_that_of_the_difference_without_its_noise(psf_of, drawn, exposed):
    rng = np.random.default_rng(5)
    shape = (512, 512)
    psf = psf_of(2.3, shape)
    stars = drawn(psf, *rng.uniform(10, 500, (2, 150)), 10 ** rng.uniform(2.5, 4.5, 150))
    y, x = np.mgrid[:512, :512]
    slope = 2.0 * (x / 512) - 1.0 * (y / 512)
    science, reference = exposed(1.02 * stars + slope, 5.0, psf, rng), exposed(stars, 1.0, psf, rng)
    found = differential_background(science, reference)
    # 16 cells whose medians are good to 6.4 / sqrt(4,000) = 0.1 DN each; a plane through them about half of that.
    assert np.sqrt(np.mean((found - slope) ** 2)) < 0.15
    flat = differential_background(exposed(stars, 5.0, psf, rng), exposed(stars, 1.0, psf, rng))
    assert np.abs(flat).max() < 0.25


def test_masked_pixels_leave_no_trace(psf_of, drawn, exposed):
    rng = np.random.default_rng(6)
    shape = (128, 128)
    psf_n, psf_r = psf_of(2.6, shape), psf_of(2.1, shape)
    x, y, flux = np.array([40.0, 90.2]), np.array([60.3, 50.0]), np.array([2e5, 5e3])
    images = [exposed(drawn(psf, x, y, flux), sigma, psf, rng) for psf, sigma in ((psf_n, 5.0), (psf_r, 2.0))]
    # A saturated star in both; a cosmic ray in one; a dead column in the other, all as wrong as can be.
    core = drawn(psf_n, x, y, flux) > 8000
    ray, column = np.zeros(shape, bool), np.zeros(shape, bool)
    ray[50, 88:92], column[:, 100] = True, True
    science, reference = images
    science = replace(science, bad=core | ray, image_adu=np.where(core | ray, np.float32(np.nan), science.image_adu))
    reference = replace(
        reference, bad=core | column, image_adu=np.where(core | column, np.float32(-1e6), reference.image_adu)
    )
    variance = np.where(reference.bad, np.float32(np.nan), reference.variance_adu2)
    reference = replace(reference, variance_adu2=variance)
    everything = np.ones(2, bool)
    stars = CatalogStars(x, y, flux, np.full(2, 0.01), flux * 0.001, everything)
    got = subtract(*fill_masked(science, reference, stars), sigma_x_px=0.01, sigma_y_px=0.01, calibrate=False)
    assert np.isfinite(got.scorr).all()
    # 16,384 pixels of unit width: beyond five there is one in 100 such images.
    assert np.abs(got.scorr[~got.bad]).max() < 5.0


def test_without_stars_holes_are_bridged(psf_of, exposed):
    shape = (64, 64)
    psf = psf_of(2.3, shape)
    flat = exposed(np.full(shape, 7.0), 2.0, psf)
    bad = np.zeros(shape, bool)
    bad[20:30, 20:30] = True
    nobody = CatalogStars(*np.zeros((5, 0)), np.zeros(0, bool))
    both = fill_masked(replace(flat, bad=bad), replace(flat, bad=bad), nobody)
    for one in both:
        assert one.image_adu == pytest.approx(7.0, rel=1e-5)
