"""The wings of bright stars beyond the PSF's stamp."""

import numpy as np
import pytest

from ztfpipe.methods.stars import wings_nb
from ztfpipe.methods.stars.wings import RING_PX, take_off_wings
from ztfpipe.model.stars import FittedStars, PsfModel

SHAPE, RADIUS = (400, 400), 12
NOISE_ADU = 8.0


def wing(distance):
    """Light per pixel of a star of unit flux: a shallow halo, steeper than the light of a disc."""
    return 2e-5 * (RADIUS / distance) ** 2.5


def flat_psf():
    """A PSF whose edge has some light; only its size and its edge matter here."""
    across = 2 * (2 * (RADIUS + 1) + 1) + 1
    none = np.zeros(0)
    table = np.full((1, across, across), 1e-5, np.float32)
    return PsfModel(table, 2, 0, RADIUS, SHAPE, 2.5, none, none, none, 1.0, 0.0)


def stars_at(x, y, flux):
    n = len(x)
    one, count = np.ones(n), np.zeros(n, np.int32)
    return FittedStars(x, y, flux, one, one, one, one, one, one, count, np.ones(n, bool))


def halo_image(x, y, flux):
    yy, xx = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.zeros(SHAPE)
    for star in zip(x, y, flux, strict=True):
        cx, cy = np.floor(star[0] + 0.5), np.floor(star[1] + 0.5)
        distance = np.hypot(xx - star[0], yy - star[1])
        beyond = (np.abs(xx - cx) > RADIUS) | (np.abs(yy - cy) > RADIUS)
        image += np.where(beyond, star[2] * wing(np.maximum(distance, 1)), 0)
    return image


def test_wings_are_measured_and_taken_off():
    rng = np.random.default_rng(1)
    x, y = (v.ravel() + 0.3 for v in np.meshgrid(np.arange(50, 400, 75), np.arange(50, 400, 75)))
    flux = rng.uniform(1e5, 3e5, len(x))
    light = halo_image(x, y, flux)
    image = (light + rng.normal(0, NOISE_ADU, SHAPE)).astype(np.float32)
    residual = image.copy()
    # Neighbours that nobody fitted must not count as wings.
    residual[60::37, 45::31] += 300
    weight = np.full(SHAPE, NOISE_ADU**-2, np.float32)
    profile = take_off_wings(image, residual, weight, stars_at(x, y, flux), flat_psf())
    middles = RADIUS + RING_PX * (np.arange(len(profile)) + 0.5)
    # 25 stars of 2e5 ADU, rings of 150 px and more: 8 / (2e5 sqrt(25 x 150)) = 7e-7; halos of stars 75 px
    # apart overlap by a tenth of the outer wing.
    np.testing.assert_allclose(profile[:8], wing(middles)[:8], atol=4 * 7e-7 + 0.1 * wing(middles)[:8].max())
    near = halo_image(x[12:13], y[12:13], flux[12:13]) > 0.2 * NOISE_ADU
    assert abs(image[near].mean()) < 0.25 * light[near].mean()
    # Both images lose the same light: they still differ by the neighbours only.
    difference = residual - image
    assert np.abs(np.where(difference > 100, difference - 300, difference)).max() < 1e-2


def test_without_bright_stars_nothing_is_done():
    rng = np.random.default_rng(2)
    image = rng.normal(0, NOISE_ADU, SHAPE).astype(np.float32)
    before, residual = image.copy(), image.copy()
    x = y = np.linspace(50, 350, 20)
    weight = np.full(SHAPE, NOISE_ADU**-2, np.float32)
    profile = take_off_wings(image, residual, weight, stars_at(x, y, np.full(20, 500.0)), flat_psf())
    assert not profile.any()
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("place", [(20.2, 21.4), (1.0, 38.9)])
def test_kernels_do_what_slow_loops_do(place):
    rng = np.random.default_rng(3)
    residual = rng.normal(0, 1, (40, 40)).astype(np.float32)
    weight = rng.uniform(0.5, 1, (40, 40)).astype(np.float32)
    weight[::7] = 0
    x, y, flux = np.array([place[0]]), np.array([place[1]]), np.array([50.0])
    inner, step, profile = 3, 2, np.array([0.02, 0.01, 0.005])
    top, bottom = np.zeros((2, 3))
    wings_nb.ring_sums(residual, weight, x, y, flux, inner, step, profile, 2.0, top, bottom)
    image = residual.copy()
    wings_nb.subtract_rings(image, x, y, flux, inner, step, profile)
    yy, xx = np.mgrid[:40, :40]
    outside = (np.abs(xx - np.floor(x + 0.5)) > inner) | (np.abs(yy - np.floor(y + 0.5)) > inner)
    distance = np.hypot(xx - x, yy - y)
    ring = np.trunc((distance - inner) / step).astype(int)
    model = 50 * profile[np.clip(ring, 0, 2)]
    used = outside & (ring < 3) & (weight > 0) & (np.abs(residual - model) * np.sqrt(weight) < 2)
    for k in range(3):
        here = used & (ring == k)
        assert top[k] == pytest.approx((weight * 50 * residual)[here].sum(), rel=1e-5)
        assert bottom[k] == pytest.approx((weight * 2500)[here].sum(), rel=1e-5)
    # Linear between the middles of the rings, level inside of the first, nothing beyond the last.
    light = 50 * np.interp(distance, inner + step * (np.arange(3) + 0.5), profile, right=0.0)
    near = outside & (distance < inner + 2.5 * step)
    np.testing.assert_allclose((residual - image)[near], light[near], atol=1e-5)
    assert not (residual - image)[~outside].any()
