"""A reference brought onto the science image's pixels."""

from dataclasses import replace

import numpy as np
import pytest

from ztfpipe.methods.difference.alignment import reference_on_science, refined_mapping
from ztfpipe.methods.difference.preparation import CatalogStars
from ztfpipe.methods.sky.resampling import PixelMapping
from ztfpipe.methods.smooth_field import constant_field, field_at, fit_field
from ztfpipe.model.difference import Registration

SHAPE = (260, 280)


def shifted(dx, dy):
    """The mapping of a pure shift: science (x, y) is reference (x + dx, y + dy)."""
    ny, nx = SHAPE
    coefficients = np.zeros((3, 2, 2))
    coefficients[0, 0] = (nx - 1) / 2 + dx, (nx - 1) / 2
    coefficients[1, :, 0] = (ny - 1) / 2 + dy, (ny - 1) / 2
    coefficients[2, 0, 0] = 1.0
    return PixelMapping(SHAPE, SHAPE, (0, ny, 0, nx), coefficients, 0.0)


def registration(dx, dy):
    return Registration(dx, dy, constant_field(0.0, SHAPE), 0.01, 0.01, 1.0, 0.0, 100)


def test_displacements_go_into_the_mapping():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 280, 300), rng.uniform(0, 260, 300)
    error = np.full(300, 0.001)
    dx = fit_field(x, y, 0.1 * np.sin(x / 60), error, SHAPE, scale_px=60.0)
    dy = fit_field(x, y, 0.1 * np.cos(y / 70), error, SHAPE, scale_px=60.0)
    mapping = shifted(0.3, -1.2)
    found = refined_mapping(mapping, registration(dx, dy))
    x, y = rng.uniform(0, 279, 200), rng.uniform(0, 259, 200)
    moved_x, moved_y, area = found(x, y)
    # A polynomial of degree 21 holds waves this long to far below a thousandth of a pixel.
    assert moved_x == pytest.approx(x + 0.3 + field_at(dx, x, y), abs=1e-3)
    assert moved_y == pytest.approx(y - 1.2 + field_at(dy, x, y), abs=1e-3)
    assert area == pytest.approx(1.0, abs=1e-6)
    assert found.error_px < 1e-3


def test_images_that_do_not_meet_have_nothing_to_refine():
    mapping = replace(shifted(0.0, 0.0), box=(0, 0, 0, 0))
    field = constant_field(0.1, SHAPE)
    assert refined_mapping(mapping, registration(field, field)) is mapping


def test_psf_and_stars_are_those_of_the_resampled_image(psf_of, drawn):
    rng = np.random.default_rng(2)
    psf = psf_of(2.4, SHAPE)
    x, y = (grid.ravel() + rng.uniform(-2, 2, 64) for grid in np.meshgrid(*[np.linspace(30, 230, 8)] * 2))
    flux = 10 ** rng.uniform(4.0, 4.8, 64)
    gain, sigma = 5.0, 3.0
    light = drawn(psf, x + 0.4, y - 0.3, flux)
    image = (light + rng.normal(0, 1, SHAPE) * np.sqrt(sigma**2 + light / gain)).astype(np.float32)
    bad = np.zeros(SHAPE, bool)
    bad[100, :] = True
    image[bad] = np.nan
    variance = (sigma**2 + light / gain).astype(np.float32)
    stars = CatalogStars(x, y, flux, np.full(64, 0.02), flux * 0.01, np.ones(64, bool))
    exposed, measured = reference_on_science(
        image, variance, bad, shifted(0.4, -0.3), stars, gain_e_per_adu=gain, fwhm_px=2.4, radius_px=10
    )
    assert np.isfinite(exposed.image_adu).all()
    assert exposed.bad[98:103].any(axis=0)[10:-10].all()
    # A shift by a fraction of a pixel at most broadens the PSF, by what Lanczos' kernel damps: a few per cent.
    assert 2.4 * 0.98 < exposed.psf.fwhm_px < 2.4 * 1.08
    clean = measured.clean
    assert clean.sum() > 40
    near = np.abs(measured.y_px[:, None] - y) + np.abs(measured.x_px[:, None] - x)
    which = near.argmin(axis=1)[clean]
    offset = measured.x_px[clean] - x[which]
    # Where a PSF has its origin is its own affair: the registration takes up the mean. Interpolation by a fraction of
    # a pixel moves stars by some hundredths of one, by where they lie between the pixels.
    assert offset.mean() == pytest.approx(0, abs=0.05)
    assert offset.std() < 0.015
    ratio = measured.flux_adu[clean] / flux[which]
    # Stars of S/N 100 and more, 40 of them; and the share of light in a stamp, which interpolation changes.
    assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
