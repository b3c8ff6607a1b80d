"""Background and noise of crowded fields, and the noise model, against rendered truth."""

import numpy as np
import pytest

from ztfpipe.methods.sky import background_nb
from ztfpipe.methods.sky.background import estimate, variance

SIGMA = 6.5


def crowded(seed, *, size=768, n_stars=0, halo=False):
    """Noise, a tilted sky, stars with Moffat wings, and the halo of a bright star; returns image and its true sky."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    sky = 250 + 0.01 * x - 0.02 * y
    light = np.zeros_like(sky)
    flux = 10 ** random.uniform(1.5, 4.5, n_stars)
    for fx, fy, f in zip(*random.uniform(0, size, (2, n_stars)), flux, strict=True):
        half = 14 if f < 3000 else 40
        ys, xs = slice(max(int(fy) - half, 0), int(fy) + half), slice(max(int(fx) - half, 0), int(fx) + half)
        light[ys, xs] += f * 0.19 * (1 + ((x[ys, xs] - fx) ** 2 + (y[ys, xs] - fy) ** 2) / 3.4) ** -3
    if halo:
        light += 2e4 / (1 + ((x - 400) ** 2 + (y - 300) ** 2) / 4.0)
    return (sky + light + random.normal(0, SIGMA, sky.shape)).astype(np.float32), sky


@pytest.mark.parametrize("n_stars", [0, 300, 2000])
def test_level_and_noise_in_fields_up_to_thirty_thousand_stars(n_stars):
    image, sky = crowded(1, n_stars=n_stars)
    found = estimate(image, np.zeros(image.shape, bool))
    # 2000 stars here are 32,000 in a quadrant. A star of S/N 50 has about 16 px of noise: 0.025 sigma of sky is 2 mmag.
    assert abs(float(np.mean(found.level - sky))) < 0.025 * SIGMA
    # Cells of 128 px know their sky to 0.008 sigma; the clipped mode is half as efficient.
    assert float(np.std(found.level - sky)) < 0.03 * SIGMA
    # Unresolved stars are noise too; 2 % is what they add at most here.
    assert found.scatter == pytest.approx(SIGMA, rel=0.02)
    assert found.median == pytest.approx(np.median(sky), abs=0.05 * SIGMA)


def test_a_bright_halo_stays_local():
    image, sky = crowded(2, n_stars=300, halo=True)
    found = estimate(image, image > 20000, mesh_px=96)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    far = np.hypot(x - 400, y - 300) > 300
    # The halo itself is 2e4 / (300^2 / 4) = 0.9 ADU there and less beyond: it may count as sky or not.
    assert abs(float(np.mean((found.level - sky)[far]))) < 0.9


def test_unknown_pixels_are_left_out():
    image, sky = crowded(3)
    image[100:300, 200:500] = np.nan
    image[500:520] = 1e5
    excluded = np.zeros(image.shape, bool)
    excluded[500:520] = True
    found = estimate(image, excluded)
    assert np.isfinite(found.level).all()
    assert abs(float(np.median(found.level - sky))) < 0.03 * SIGMA
    nothing = estimate(np.full((200, 200), np.nan, np.float32), np.zeros((200, 200), bool))
    assert np.isnan(nothing.level).all()
    assert np.isnan(nothing.median)


def slow_deviant(image, level, noise, limit, grow, excluded):
    out = excluded.copy()
    normal = np.where(excluded, 0.0, (image - level) / noise)
    ny, nx = image.shape
    for y in range(1, ny - 1):
        for x in range(1, nx - 1):
            if abs(normal[y - 1 : y + 2, x - 1 : x + 2].mean()) > limit:
                out[max(y - grow, 0) : y + grow + 1, max(x - grow, 0) : x + grow + 1] = True
    return out


def test_deviant_pixels_are_those_of_the_slow_twin():
    random = np.random.default_rng(4)
    image = random.normal(0, 2, (40, 50)).astype(np.float32)
    level, noise = np.full_like(image, 0.1), np.full_like(image, 1.5)
    excluded = random.random(image.shape) < 0.05
    fast = background_nb.deviant(image, level, noise, np.float32(1.0), 2, excluded)
    np.testing.assert_array_equal(fast, slow_deviant(image.astype(float), level, noise, 1.0, 2, excluded))


def test_variance_is_that_of_photons_and_readout():
    random = np.random.default_rng(5)
    gain, read_noise, photons = 6.2, 10.0, 2000.0
    response = np.full((300, 300), 0.8, np.float32)
    counts = (random.poisson(photons, response.shape) + random.normal(0, read_noise, response.shape)) / gain
    flattened = (counts / response).astype(np.float32)
    expected = variance(np.full_like(response, photons / gain / 0.8), gain, read_noise, response)
    # The variance of 90,000 numbers is known to sqrt(2 / 90000) = 0.5 %: three of those.
    assert flattened.var() == pytest.approx(expected.mean(), rel=0.015)
    # No response, no noise model; light below nothing has read noise only.
    response[0, 0] = 0.0
    assert np.isnan(variance(flattened, gain, read_noise, response)[0, 0])
    dark = variance(np.full((2, 2), -50.0, np.float32), gain, read_noise)
    np.testing.assert_allclose(dark, (read_noise / gain) ** 2, rtol=1e-6)


def test_a_steep_sky_is_no_noise():
    """Moonlit clouds: 75 DN from side to side of a cell, whose spread alone is twice the noise of 10 DN."""
    size, noise_adu = 512, 10.0
    slope = np.linspace(0, 300, size, dtype=np.float32)
    image = slope[:, None] + slope[None, :] + np.random.default_rng(3).normal(0, noise_adu, (size, size))
    found = estimate(image.astype(np.float32), np.zeros((size, size), bool), mesh_px=128)
    # A spline through the cells' levels follows the plane but for its ends, half a cell at each side: hence the median.
    assert found.scatter == pytest.approx(noise_adu, rel=0.1)
