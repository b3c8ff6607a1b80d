"""Images and PSFs for the tests of differencing."""

import numpy as np
import pytest
from scipy.ndimage import spline_filter

from ztfpipe.methods.stars.photometry_nb import add_stars
from ztfpipe.model.difference import Exposed
from ztfpipe.model.stars import PsfModel


def gaussian_psf(fwhm_px, shape, *, radius_px=10, oversampling=3, elongation=1.0):
    """A Gaussian, as a spline through its values at the knots; the sum over a stamp is one to 1e-5."""
    half = oversampling * (radius_px + 1) + 1
    offset = np.arange(-half, half + 1) / oversampling
    sigma = fwhm_px / 2.3548
    y, x = np.meshgrid(offset / elongation, offset * elongation, indexing="ij")
    values = np.exp(-(x**2 + y**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    none = np.empty(0)
    table = spline_filter(values).astype(np.float32)[None]
    return PsfModel(table, oversampling, 0, radius_px, shape, fwhm_px, none, none, none, 1.0, 0.0)


def draw(psf, x, y, flux):
    """Noiseless image of stars."""
    image = np.zeros(psf.shape, np.float32)
    x, y, flux = (np.atleast_1d(np.asarray(v, float)) for v in (x, y, flux))
    half = np.full(len(x), psf.radius_px, np.int64)
    add_stars(image, x, y, flux, half, psf.coefficients, psf.oversampling, psf.order)
    return image


@pytest.fixture(scope="session")
def psf_of():
    return gaussian_psf


@pytest.fixture(scope="session")
def drawn():
    return draw


@pytest.fixture(scope="session")
def exposed():
    """A function (image, sigma, psf) -> Exposed with noise `sigma` in every pixel, added when there is a generator."""

    def make(image, sigma, psf, rng=None, variance=None):
        if rng is not None:
            image = image + rng.normal(0, sigma, image.shape)
        variance = np.full(image.shape, sigma**2) if variance is None else variance
        return Exposed(image.astype(np.float32), variance.astype(np.float32), np.zeros(image.shape, bool), psf)

    return make
