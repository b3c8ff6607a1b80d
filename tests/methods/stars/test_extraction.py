"""The aperture catalog against images whose sources are known in closed form."""

import numpy as np
import pytest

from ztfpipe.methods.stars import extraction

FWHM = 2.4
SIGMA = FWHM / 2.3548200450309493
DIAMETERS = (2.0, 3.0, 4.0, 6.0, 10.0, 14.0)
NOISE = 8.0
GAIN = 6.2
VARIANCE_SEEN = SIGMA**2 + 2 / 12


def render(shape, x, y, flux, sigma_x=SIGMA, sigma_y=SIGMA):
    """Pixel-integrated Gaussians: the product of differences of the error function along each axis."""
    from scipy.special import erf

    ny, nx = shape
    edges_x, edges_y = np.arange(nx + 1) - 0.5, np.arange(ny + 1) - 0.5
    image = np.zeros(shape)
    for xi, yi, fi in zip(x, y, flux, strict=True):
        column = np.diff(0.5 * erf((edges_x - xi) / (np.sqrt(2) * sigma_x)))
        row = np.diff(0.5 * erf((edges_y - yi) / (np.sqrt(2) * sigma_y)))
        image += fi * np.outer(row, column)
    return image


def measure(image, mask=None):
    mask = np.zeros(image.shape, bool) if mask is None else mask
    return extraction.extract_sources(
        image.astype(np.float32),
        np.full(image.shape, NOISE, np.float32),
        mask,
        gain_e_per_adu=GAIN,
        fwhm_px=FWHM,
        aperture_diameters_px=DIAMETERS,
        threshold_sigma=1.5,
        pixels_min=5,
    )


@pytest.fixture(scope="module")
def grid():
    """100 isolated stars of 50,000 DN at random sub-pixel positions, with noise."""
    rng = np.random.default_rng(3)
    y, x = (axis.ravel() * 40.0 + 30.0 for axis in np.mgrid[0:10, 0:10])
    x, y = x + rng.uniform(-0.5, 0.5, 100), y + rng.uniform(-0.5, 0.5, 100)
    flux = np.full(100, 50_000.0)
    clean = render((430, 430), x, y, flux)
    noisy = rng.normal(clean, np.sqrt(clean / GAIN + NOISE**2))
    columns = measure(noisy)
    order = [int(np.argmin(np.hypot(columns["xwin"] - a, columns["ywin"] - b))) for a, b in zip(x, y, strict=True)]
    return x, y, flux, columns, np.array(order)


def test_every_star_is_found_once(grid):
    _, _, _, columns, order = grid
    bright = columns["snr"] > 20
    assert bright.sum() == 100
    assert len(set(order)) == 100


def test_windowed_positions_reach_the_photon_limit(grid):
    x, y, flux, columns, order = grid
    # Centroid error of a Gaussian with white noise and source noise: below sigma / sqrt(N_e) (1 + background term);
    # here sigma / sqrt(310,000) = 0.0018 px and the background doubles it at most. 100 stars give the RMS to 5 %.
    limit = SIGMA / np.sqrt(flux[0] * GAIN)
    for measured, true in ((columns["xwin"][order], x), (columns["ywin"][order], y)):
        error = measured - true
        assert abs(error.mean()) < 4 * 2 * limit / 10
        assert error.std() < 2 * limit


def test_the_large_aperture_holds_all_flux_and_the_small_ones_their_share(grid):
    _, _, flux, columns, order = grid
    for k, diameter in enumerate(DIAMETERS):
        # Fraction of a Gaussian within a circle. The pixel widens it twice by a variance of 1/12: once when the
        # light is collected, once when the aperture takes a pixel's light as spread evenly. Sub-pixel sampling of the
        # circle's edge costs up to 1 % in the smallest.
        expected = 1 - np.exp(-((diameter / 2) ** 2) / (2 * VARIANCE_SEEN))
        ratio = np.mean(columns["flux_aper"][order, k]) / flux[0]
        assert ratio == pytest.approx(expected, abs=0.012 if diameter < 3 else 0.005)


def test_aperture_errors_describe_the_scatter(grid):
    _, _, _, columns, order = grid
    # The 14 px aperture holds everything, so its flux scatters by its error alone; 100 stars give it to 7 %, times 3.
    flux, error = columns["flux_aper"][order, 5], columns["fluxerr_aper"][order, 5]
    assert flux.std(ddof=1) == pytest.approx(error.mean(), rel=0.21)


def test_width_and_stellarity_tell_stars_from_extended_sources(grid):
    *_, columns, order = grid
    assert np.median(columns["fwhm"][order]) == pytest.approx(2.3548 * np.sqrt(VARIANCE_SEEN), rel=0.02)
    assert np.min(columns["class_star"][order]) > 0.8
    image = render((80, 80), [40.0], [40.0], [50_000.0], 2.5 * SIGMA, 1.5 * SIGMA)
    extended = measure(image + np.random.default_rng(4).normal(0, NOISE, image.shape))
    brightest = int(np.argmax(extended["flux_auto"]))
    assert extended["class_star"][brightest] < 0.05
    # Moments are taken on the image smoothed by the detection kernel (1, 2, 1), which adds a variance of 1/2.
    added = 1 / 12 + 1 / 2
    axis_ratio = np.sqrt((6.25 * SIGMA**2 + added) / (2.25 * SIGMA**2 + added))
    assert extended["a"][brightest] / extended["b"][brightest] == pytest.approx(axis_ratio, rel=0.03)
    assert abs(extended["theta_deg"][brightest]) < 3.0


def test_masked_pixels_take_no_part():
    image = render((60, 60), [30.0], [30.0], [50_000.0]) + np.random.default_rng(5).normal(0, NOISE, (60, 60))
    image[10:14, 10:14] = 1e6
    mask = np.zeros(image.shape, bool)
    mask[10:14, 10:14] = True
    columns = measure(image, mask)
    assert np.hypot(columns["x"] - 11.5, columns["y"] - 11.5).min() > 5


def test_an_empty_image_gives_an_empty_catalog():
    columns = measure(np.zeros((50, 50)))
    assert len(columns["x"]) == 0
    assert columns["flux_aper"].shape == (0, 6)


def test_magnitudes_mark_what_has_none():
    mag, error = extraction.magnitudes(np.array([100.0, 0.0, -5.0]), np.array([10.0, 1.0, 1.0]))
    assert mag[0] == pytest.approx(-5.0)
    assert error[0] == pytest.approx(0.10857, abs=1e-5)
    assert list(mag[1:]) == [99.0, 99.0]
    assert list(error[1:]) == [99.0, 99.0]
