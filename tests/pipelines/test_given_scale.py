"""PSF fluxes of an image of the archive, put on the scale of an aperture."""

import numpy as np
import pytest

from ztfpipe.methods.stars.psf import stamps
from ztfpipe.model.science import ApertureCorrections
from ztfpipe.model.stars import FittedStars, PsfModel
from ztfpipe.pipelines.science.given import flux_scale, on_scale
from ztfpipe.pipelines.science.stars import Photometry

SHAPE = (240, 240)
DIAMETERS = (2.0, 3.0, 4.0, 6.0, 10.0, 14.0)


def gaussian_stars(stated_part):
    """Photometry of 25 stars of 1e5 DN whose PSF fluxes are `stated_part` of what is there, and the image."""
    grid = np.arange(40.0, 201.0, 40.0)
    x, y = (values.ravel() for values in np.meshgrid(grid, grid))
    n = len(x)
    column, row = np.arange(SHAPE[1]), np.arange(SHAPE[0])[:, None]
    image = np.zeros(SHAPE)
    for x0, y0 in zip(x, y, strict=True):
        image += 1e5 / (2 * np.pi) * np.exp(-((column - x0) ** 2 + (row - y0) ** 2) / 2)
    ones = np.ones(n)
    flux = stated_part * 1e5 * ones
    fitted = FittedStars(
        x, y, flux, 0.01 * ones, 0.01 * ones, flux / 300, ones, 0 * ones, ones, np.zeros(n, np.int32), ones > 0
    )
    background = np.zeros(SHAPE, np.float32)
    corrections = ApertureCorrections(DIAMETERS, (-1.0, -0.6, -0.3, -0.1, -0.03, -0.01), (0.001,) * 6)
    return Photometry(fitted, background, background, corrections), image.astype(np.float32)


@pytest.mark.parametrize("stated_part", [0.97, 1.0, 1.03])
def test_scale_brings_fluxes_to_the_light_in_the_circle(stated_part):
    found, image = gaussian_stars(stated_part)
    # Of a Gaussian of sigma 1 px, all but 4e-6 is within 5 px.
    scale = flux_scale(found, image, np.ones(SHAPE, np.float32), 6.2, 10.0)
    assert scale == pytest.approx(1 / stated_part, rel=1e-4)


def test_without_clean_stars_the_scale_is_left():
    found, image = gaussian_stars(1.03)
    assert flux_scale(found, image, np.zeros(SHAPE, np.float32), 6.2, 10.0) == 1.0


def test_fluxes_psf_and_corrections_change_together():
    found, _ = gaussian_stars(1.0)
    none = np.zeros(0)
    knots = np.random.default_rng(1).uniform(0, 1, (1, 40, 40)).astype(np.float32)
    psf = PsfModel(knots, 1, 0, 12, SHAPE, 2.35, none, none, none, 1.0, 0.01)
    scaled, scaled_psf = on_scale(found, psf, 1.02)
    assert scaled.stars.flux_adu == pytest.approx(1.02 * found.stars.flux_adu)
    assert scaled.stars.snr == pytest.approx(found.stars.snr)
    # Brighter PSF magnitudes, the same apertures.
    shift = np.array(scaled.corrections.correction_mag) - found.corrections.correction_mag
    assert shift == pytest.approx(np.full(6, -2.5 * np.log10(1.02)))
    # What is drawn for a star is what it was: float32 rounds at 1e-7.
    before = found.stars.flux_adu[0] * stamps(psf, 120.0, 120.0, 12)
    assert scaled.stars.flux_adu[0] * stamps(scaled_psf, 120.0, 120.0, 12) == pytest.approx(before, rel=1e-5)
