import numpy as np
import pytest

from ztfpipe.methods.sky import sky_mesh_nb
from ztfpipe.methods.sky.sky_mesh import _CLIP, _clipped, _sigma_kept, flat_sky, measure_sky, without_sky


def field(seed=1, shape=(1024, 1100), n_stars=600):
    random = np.random.default_rng(seed)
    y, x = np.indices(shape, np.float32)
    level = 200 + 0.02 * x - 0.01 * y
    noise = 8 + 0.002 * x
    light = np.zeros(shape, np.float32)
    for x0, y0, flux in zip(*random.uniform(0, 1, (2, n_stars)), 10 ** random.uniform(2, 5, n_stars), strict=True):
        i, j = int(x0 * shape[1]), int(y0 * shape[0])
        cut = np.s_[max(j - 15, 0) : j + 16, max(i - 15, 0) : i + 16]
        light[cut] += flux * 0.19 * (1 + ((x[cut] - i) ** 2 + (y[cut] - j) ** 2) / 3.4) ** -3
    image = level + light + noise * random.standard_normal(shape, np.float32)
    return image.astype(np.float32), level, noise


def test_level_and_noise_of_a_sloping_sky_with_stars():
    image, level, noise = field()
    mask = np.zeros(image.shape, np.uint16)
    mask[300:330] = 1
    image[300:330] = 1e6
    image[5, 5] = np.nan
    sky = measure_sky(image, mask, mesh_px=256)
    y, x = np.indices(image.shape)
    # A cell knows its sky to 0.01 sigma: 65000 pixels, at twice the mean's error for a mode; more at the corners.
    assert np.std(sky.level_at(x, y) - level) < 0.03 * 9
    # Stars below what a square shows raise the sky by some hundredths of sigma and are noise too, by some hundredths.
    assert abs(np.mean(sky.level_at(x, y) - level)) < 0.03 * 9
    assert np.mean(sky.noise_at(x, y) / noise) == pytest.approx(1.0, abs=0.02)


def test_noise_alone_is_not_biased():
    random = np.random.default_rng(3)
    image = random.normal(50, 4, (1000, 1000)).astype(np.float32)
    sky = measure_sky(image, np.zeros(image.shape, np.uint16))
    # 111000 samples give the scatter to 0.2 %, and the clip costs some of that; five times it.
    assert sky.noise.mean() == pytest.approx(4.0, rel=0.01)
    # The mode is known half as well as the mean of a million pixels; three times that.
    assert sky.level.mean() == pytest.approx(50.0, abs=3 * 2 * 4 / 1000)


def test_cells_without_sky_take_their_neighbours():
    image, _, _ = field()
    mask = np.zeros(image.shape, np.uint16)
    mask[:600, :600] = 4
    sky = measure_sky(image, mask)
    assert np.isfinite(sky.level).all()
    assert np.isnan(measure_sky(image, np.ones_like(mask)).level).all()
    assert np.isfinite(measure_sky(image, np.ones_like(mask), excluded_bits=2).level).all()


def test_squares_twin():
    image, _, _ = field(shape=(62, 70), n_stars=3)
    mask = np.where(np.random.default_rng(2).random(image.shape) < 0.3, 3, 0).astype(np.uint16)
    image[10:14, 20] = np.nan
    means, middles = sky_mesh_nb.squares(image, mask, np.uint16(2))
    for y, x in np.ndindex(20, 23):
        cut = np.s_[3 * y : 3 * y + 3, 3 * x : 3 * x + 3]
        good = ((mask[cut] & 2) == 0) & np.isfinite(image[cut])
        expected = image[cut][good].mean() if good.sum() >= 5 else np.nan
        assert means[y, x] == pytest.approx(expected, rel=1e-6, nan_ok=True)
        middle = image[cut][1, 1] if good[1, 1] and good.sum() >= 5 else np.nan
        assert middles[y, x] == pytest.approx(middle, nan_ok=True)


def test_subtraction_twin():
    image, _, _ = field(shape=(300, 700), n_stars=0)
    sky = measure_sky(image, np.zeros(image.shape, np.uint16), mesh_px=100)
    found = without_sky(image[40:90], sky, 40, 1.5)
    y, x = np.mgrid[40:90, 0:700]
    # Float32: 300 ADU to 2e-5, several roundings.
    np.testing.assert_allclose(found, (image[40:90] - sky.level_at(x, y)) * 1.5, atol=3e-4)
    np.testing.assert_allclose(without_sky(image, flat_sky(100.0, 8.0), 0, 1.0), image - 100, rtol=1e-6)
    assert flat_sky(100.0, 8.0).noise_at(x, y).max() == 8.0


@pytest.mark.parametrize("size", [12, 13, 200, 201])
@pytest.mark.parametrize("crowd", [0.0, 0.3])
def test_clipping_twin(size, crowd):
    """Mean, median and scatter of what is left, written plainly; with many bright values the median stands alone."""
    random = np.random.default_rng(size)
    values = np.sort(random.normal(100, 5, size) + 12 * (random.random(size) < crowd))
    left = values
    while True:
        kept = left[np.abs(left - np.median(left)) <= _CLIP * left.std()]
        if kept.size == left.size:
            break
        left = kept
    mode = 2.5 * np.median(left) - 1.5 * left.mean()
    if abs(left.mean() - np.median(left)) > 0.3 * left.std():
        mode = np.median(left)
    assert _clipped(values) == pytest.approx((mode, left.std() / _sigma_kept()), rel=1e-9)
