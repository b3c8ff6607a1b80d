"""DAOPHOT's form of a PSF: evaluated as DAOPHOT II does it, and giving our fluxes back."""

import numpy as np
import pytest
from scipy.ndimage import spline_filter

from ztfpipe.methods.stars import daophot, psf
from ztfpipe.model.daophot import DaophotPsf
from ztfpipe.model.stars import PsfModel

# Offsets from the star, and its one-based position, at which DAOPHOT II's own RDPSF and USEPSF (edition of 1991,
# compiled with gfortran) were asked for the profile of `arbitrary_psf`, written by write_daophot_psf.
ASKED = (
    (0.0, 0.0, 256.5, 260.5),
    (0.3, -0.4, 10.0, 500.0),
    (-1.6, 0.9, 400.0, 30.25),
    (2.9, -2.7, 511.0, 519.0),
    (-2.99, 2.2, 1.0, 1.0),
    (0.5, 0.5, 100.0, 100.0),
)
ANSWERED = {
    "GAUSSIAN": ((1.1, 1.3), (3178.9089, 2901.2493, 401.0607, 16.5885, -190.1417, 2429.2112)),
    "MOFFAT25": ((1.0, 1.2, 0.1), (5568.8516, 4967.9204, 1007.9945, 127.4649, -59.7984, 4096.8769)),
    "PENNY1": ((1.1, 0.9, 0.7, 0.1), (4360.5205, 3758.4866, 636.0577, 103.7815, -88.2011, 3050.0408)),
}
SHAPE = (520, 512)


def arbitrary_psf(function, parameters):
    k, j, i = np.indices((6, 15, 15))
    tables = np.cos(k + 0.3 * i + 0.02 * j * j + 1.0) * 100
    return DaophotPsf(function, parameters, 5000.0, 12.0, (255.5, 259.5), tables)


def varying_model(fwhm_px, order=2, half=12):
    """A PSF model made by hand: a Moffat core that widens towards a corner, and a wing, on two knots per pixel."""
    middle = 2 * (half + 1) + 1
    r = (np.arange(2 * middle + 1) - middle) / 2

    def profile(width, stretch=0.0):
        alpha2 = (width / 2) ** 2 / (2 ** (1 / 3) - 1)
        r2 = np.add.outer((1 - stretch) * r**2, (1 + stretch) * r**2)
        value = (1 + r2 / alpha2) ** -3 + 0.02 * (1 + r2 / (9 * alpha2)) ** -3
        return spline_filter(value / value.sum() * 4, order=3, mode="mirror")

    base = profile(fwhm_px)
    terms = [base, profile(1.03 * fwhm_px) - base, profile(fwhm_px, 0.03) - base]
    if order == 2:
        terms += [profile(1.05 * fwhm_px) - base, profile(0.98 * fwhm_px) - base, profile(fwhm_px, -0.02) - base]
    none = np.zeros(0)
    return PsfModel(np.float32(terms), 2, order, half, SHAPE, fwhm_px, none, none, none, 1.0, 0.0)


def fit_flux(form, data, variance, x, y, radius):
    """Flux relative to the profile's star, by Gauss-Newton on the pixels within `radius`, background known."""
    half = data.shape[0] // 2
    grid = np.arange(-half, half + 1)
    centre = np.array([x - np.floor(x + 0.5), y - np.floor(y + 0.5)])
    flux, step = 1.0, 1e-3
    for _ in range(6):
        dx, dy = np.meshgrid(grid - centre[0], grid - centre[1])
        near = np.hypot(dx, dy) < radius
        dx, dy, sigma = dx[near], dy[near], np.sqrt(variance[near])
        value = daophot.evaluate(form, dx, dy, x, y)
        by_x = daophot.evaluate(form, dx - step, dy, x, y) - daophot.evaluate(form, dx + step, dy, x, y)
        by_y = daophot.evaluate(form, dx, dy - step, x, y) - daophot.evaluate(form, dx, dy + step, x, y)
        matrix = np.stack([value, flux * by_x / (2 * step), flux * by_y / (2 * step)], axis=1) / sigma[:, None]
        change, *_ = np.linalg.lstsq(matrix, (data[near] - flux * value) / sigma, rcond=None)
        flux += change[0]
        centre += change[1:]
    return flux


@pytest.mark.parametrize("function", ANSWERED)
def test_evaluates_as_daophot_itself(function):
    parameters, answers = ANSWERED[function]
    form = arbitrary_psf(function, parameters)
    got = [daophot.evaluate(form, dx, dy, x - 1, y - 1) for dx, dy, x, y in ASKED]
    # DAOPHOT computes in single precision: a few 1e-7 of terms as large as the profile's height of some 5000.
    np.testing.assert_allclose(got, answers, atol=5e-3)


@pytest.mark.parametrize("function", ["GAUSSIAN", "MOFFAT15", "MOFFAT25", "MOFFAT35", "LORENTZ", "PENNY1", "PENNY2"])
def test_gives_back_our_fluxes(function):
    """The requirement is 2 mmag, whatever the profile; for the one in use, a tenth of it at a smooth 2.1 px."""
    tolerance = 2e-4 if function == "GAUSSIAN" else 2e-3
    model = varying_model(2.1)
    form = daophot.from_model(model, function=function)
    rng = np.random.default_rng(7)
    for x, y in rng.uniform(20, 490, (4, 2)):
        star = 1e6 * psf.stamps(model, x, y, 12)[0].astype(np.float64)
        for sky_variance in (1e2, 1e5):
            ratio = fit_flux(form, star, np.clip(star, 0, None) / 6.2 + sky_variance, x, y, 5.0)
            assert abs(2.5 * np.log10(ratio)) < tolerance


def test_undersampled_stars_stay_within_two_millimagnitudes():
    model = varying_model(1.6)
    form = daophot.from_model(model)
    rng = np.random.default_rng(8)
    errors = []
    for x, y in rng.uniform(20, 490, (12, 2)):
        star = 1e6 * psf.stamps(model, x, y, 12)[0].astype(np.float64)
        ratio = fit_flux(form, star, np.clip(star, 0, None) / 6.2 + 100.0, x, y, 4.0)
        errors.append(2.5 * np.log10(ratio))
    assert np.max(np.abs(errors)) < 2e-3


def test_tables_that_vary_too_little_cannot():
    """A PSF that widens quadratically needs quadratic tables: the reason for order=2 (0015-daophot-psf)."""
    model = varying_model(2.1)
    form = daophot.from_model(model, order=1)
    x, y = 500.0, 510.0
    star = 1e6 * psf.stamps(model, x, y, 12)[0].astype(np.float64)
    assert abs(2.5 * np.log10(fit_flux(form, star, star.clip(0) / 6.2 + 100, x, y, 5.0))) > 2e-3


def test_tables_do_not_vary_more_than_the_model():
    assert daophot.from_model(varying_model(2.1, order=1)).tables.shape == (3, 51, 51)


def test_magnitude_and_position_conventions():
    model = varying_model(2.1)
    form = daophot.from_model(model, flux_adu=1e5)
    assert form.psf_mag == pytest.approx(12.5)
    assert form.flux_adu == pytest.approx(1e5)
    assert form.centre_px == (255.5, 259.5)
    assert form.radius_px == 12
    offsets = np.arange(-12, 13)
    value = daophot.evaluate(form, offsets[None, :], offsets[:, None], 100.0, 400.0)
    # Interpolation leaves at most 2e-3 of the peak, and nothing in the sum to which it is blind: 1e-4.
    assert value.sum() == pytest.approx(1e5 * psf.stamps(model, 100.0, 400.0, 12)[0].sum(dtype=np.float64), rel=1e-4)


def test_stamp_is_centred_and_sums_to_one():
    stamp = daophot.stamp(daophot.from_model(varying_model(2.1)), 255.5, 259.5)
    assert stamp.shape == (25, 25)
    assert stamp.dtype == np.float32
    assert np.unravel_index(stamp.argmax(), stamp.shape) == (12, 12)
    assert stamp.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    # Symmetric at the frame's centre, where this PSF has no terms that are not: the fitted profile's asymmetry is 1e-4.
    np.testing.assert_allclose(stamp, stamp[::-1, ::-1], atol=1e-5)


def test_nothing_beyond_the_tables():
    form = arbitrary_psf("GAUSSIAN", (1.1, 1.3))
    assert daophot.evaluate(form, 3.01, 0.0, 10.0, 10.0) == 0
    assert daophot.evaluate(form, 3.0, 3.0, 10.0, 10.0) != 0


def test_an_image_without_a_psf():
    form = daophot.absent(SHAPE)
    assert form.centre_px == (255.5, 259.5)
    assert not daophot.stamp(form, 255.5, 259.5).any()
