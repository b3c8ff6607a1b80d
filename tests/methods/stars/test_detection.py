"""The matched filter against its definition, and against the statistics of noise."""

import numpy as np
import pytest

from ztfpipe.methods.stars.detection import detect, gaussian_filter, significance_map, weight_with_sources


def slow_significance(image, weight, filters):
    """S / sqrt(N) pixel by pixel."""
    ny, nx = image.shape
    tiles_y, tiles_x, size, _ = filters.shape
    half = size // 2
    out = np.zeros(image.shape)
    for y in range(ny):
        for x in range(nx):
            kernel = filters[min(y * tiles_y // ny, tiles_y - 1), min(x * tiles_x // nx, tiles_x - 1)].astype(float)
            rows, columns = slice(max(0, y - half), y + half + 1), slice(max(0, x - half), x + half + 1)
            part = kernel[
                max(0, half - y) : max(0, half - y) + image[rows].shape[0],
                max(0, half - x) : max(0, half - x) + image[:, columns].shape[1],
            ]
            w = weight[rows, columns].astype(float)
            norm = np.sum(part**2 * w)
            if norm > 0:
                out[y, x] = np.sum(part * image[rows, columns] * w) / np.sqrt(norm)
    return out


def test_significance_is_the_definition():
    rng = np.random.default_rng(1)
    image = rng.normal(size=(23, 31)).astype(np.float32)
    weight = rng.uniform(0.5, 2, (23, 31)).astype(np.float32)
    weight[rng.uniform(size=weight.shape) < 0.1] = 0
    weight[:9, :9] = 0
    filters = rng.uniform(0, 1, (2, 3, 5, 5)).astype(np.float32)
    filters[:, :, 0, 0] = 0
    out = significance_map(image, weight, filters)
    np.testing.assert_allclose(out, slow_significance(image, weight, filters), atol=1e-5)
    # Every pixel under the filter is masked.
    assert out[3, 3] == 0


def test_nan_in_a_masked_pixel_spoils_nothing():
    image, weight = np.zeros((20, 20), np.float32), np.ones((20, 20), np.float32)
    image[10, 10], weight[10, 10] = np.nan, 0
    assert np.all(significance_map(image, weight, gaussian_filter(2.0)) == 0)


def test_noise_has_unit_significance_and_the_expected_number_of_peaks():
    rng = np.random.default_rng(2)
    ny = nx = 1500
    weight = np.broadcast_to(np.linspace(0.5, 2, nx, dtype=np.float32), (ny, nx)).copy()
    image = (rng.normal(size=(ny, nx)) / np.sqrt(weight)).astype(np.float32)
    fwhm = 3.0
    signal = significance_map(image, weight, gaussian_filter(fwhm))
    # 2.25e6 pixels in correlated areas of about 4 pi sigma^2 = 20 px: 1e5 independent, so 0.003 on the deviation.
    assert np.std(signal) == pytest.approx(1, abs=0.01)
    # Maxima above t of a smooth Gaussian field whose correlation is exp(-r^2 / 4 sigma^2) (Bardeen et al. 1986,
    # high peaks): area t exp(-t^2 / 2) / (2 pi)^1.5 / (2 sigma^2).
    threshold, sigma = 3.7, fwhm / 2.3548
    expected = ny * nx * threshold * np.exp(-(threshold**2) / 2) / (2 * np.pi) ** 1.5 / (2 * sigma**2)
    count = len(detect(image, weight, gaussian_filter(fwhm), threshold=threshold))
    # The asymptotic formula is high by 1 / t^2, 7 %; Poisson noise of about 170 is 8 %: three of both together.
    assert count == pytest.approx(expected, rel=0.3)


def test_stars_are_found_where_they_are_with_their_flux(sky, star_field):
    rng = np.random.default_rng(3)
    model = sky.Sky((400, 400), 2.3, variation=0.0)
    grid = np.arange(30, 380, 30.0)
    x, y = (v.ravel() + rng.uniform(-0.5, 0.5, v.size) for v in np.meshgrid(grid, grid))
    image, weight = sky.observe(model.render(x, y, np.full(len(x), 800.0)), 150.0, rng)
    found = detect(image, weight, gaussian_filter(2.5), threshold=6)
    assert len(found) == len(x)
    order = np.lexsort((found.x_px, np.round(found.y_px / 30)))
    true = np.lexsort((x, np.round(y / 30)))
    offset = np.hypot(found.x_px[order] - x[true], found.y_px[order] - y[true])
    # At S/N about 40 noise gives 0.04 px; parabolas through pixels this coarse add up to 0.1 px.
    assert np.sqrt(np.mean(offset**2)) < 0.15
    # What a Gaussian reads on a star of this profile, S / N with the truth's pixels; off-centre it loses some percent.
    kernel = gaussian_filter(2.5)[0, 0].astype(float)
    star = model.stamps(200.0, 200.0, kernel.shape[0] // 2)[0]
    expected = 800 * np.sum(kernel * star) / np.sum(kernel**2)
    assert 0.9 * expected < np.median(found.flux_adu) < 1.02 * expected


def test_a_star_with_a_masked_pixel_is_found_and_a_mostly_masked_one_is_not(sky):
    rng = np.random.default_rng(4)
    model = sky.Sky((100, 100), 2.3, variation=0.0)
    image, weight = sky.observe(
        model.render(np.array([30.0, 70.0]), np.array([50.0, 50.0]), np.full(2, 5e3)), 99.0, rng
    )
    image[50, 30], weight[50, 30] = 6e4, 0
    weight[48:53, 68:73] = 0
    found = detect(image, weight, gaussian_filter(2.5), threshold=6)
    assert len(found) == 1
    assert np.hypot(found.x_px[0] - 30, found.y_px[0] - 50) < 1


def test_weights_with_sources():
    data, residual = np.full((2, 2), 100, np.float32), np.full((2, 2), 20, np.float32)
    residual[0, 1] = 150
    weight = np.full((2, 2), 0.25, np.float32)
    weight[1, 1] = 0
    out = weight_with_sources(data, residual, weight, gain_e_per_adu=2.0, model_error=0.1)
    # Variance 4 of the background; a model of 80: 40 from photons, 64 from its error; one below zero counts as none.
    np.testing.assert_allclose(out, [[1 / 108, 0.25], [1 / 108, 0]], rtol=1e-6)
