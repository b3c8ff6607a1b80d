"""Rays are found, stars are spared, and the filters are what their definition says."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from ztfpipe.methods.detector.cosmic_rays import find_rays, moffat_stamps, ray_filters
from ztfpipe.methods.detector.cosmic_rays_nb import best_response

GAIN = 6.2


def found_fraction(exposure, mask, low=10.0):
    """Rays with a pixel above `low` sigma of the background: how many have their brightest pixel marked, of how
    many."""
    found = []
    for k in range(exposure.track_of_pixel.max() + 1):
        pixels = exposure.track_of_pixel == k
        if pixels.any() and (exposure.rays / exposure.noise)[pixels].max() > low:
            peak = np.argmax(np.where(pixels, exposure.rays, -1))
            found.append(mask.flat[peak])
    return np.mean(found), len(found)


def stars_touched(exposure, mask):
    """Fraction of stars with a marked pixel within one pixel that no ray has lit."""
    false = mask & ~binary_dilation(exposure.rays > 0.5 * exposure.noise)
    near = binary_dilation(false, np.ones((3, 3)))
    size = mask.shape[0] - 1
    return near[np.clip(np.round(exposure.y), 0, size).astype(int), np.clip(np.round(exposure.x), 0, size).astype(int)]


@pytest.mark.parametrize("fwhm", [1.5, 2.0, 3.0])
def test_rays_found_and_stars_spared(make_exposure, make_stamps, fwhm):
    filters = ray_filters(make_stamps(fwhm))
    found, touched, rays = 0.0, [], 0
    for seed in range(3):
        exposure = make_exposure(seed, fwhm=fwhm)
        mask = find_rays(exposure.residual, exposure.noise, GAIN, clear(exposure), filters)
        fraction, n = found_fraction(exposure, mask)
        found, rays = found + fraction * n, rays + n
        touched.append(stars_touched(exposure, mask))
    # The requirement is 95 %; of about a hundred rays, binomial scatter is 2 %.
    assert found / rays > 0.95 - 0.02
    # 0.1 % of 3600 stars is 3.6, where rays were 25 times as dense on the sky as in an exposure: Poisson allows 9.
    assert np.concatenate(touched).sum() <= 9


def clear(exposure):
    return np.zeros(exposure.residual.shape, bool)


@pytest.mark.parametrize(("fwhm", "true_fwhm", "ellipticity"), [(2.0, 1.9, 0.0), (1.6, 1.5, 0.08), (3.0, 2.8, 0.0)])
def test_stars_are_spared_by_a_psf_that_is_somewhat_wrong(make_exposure, make_stamps, fwhm, true_fwhm, ellipticity):
    exposure = make_exposure(5, fwhm=true_fwhm, ellipticity=ellipticity, n_rays=0, n_stars=2000)
    filters = ray_filters(make_stamps(0.93 * fwhm))
    mask = find_rays(exposure.residual, exposure.noise, GAIN, clear(exposure), filters, psf_error=0.05)
    # Without rays nothing but noise: 0.1 % of 2000 stars is two.
    assert stars_touched(exposure, mask).sum() <= 2
    assert mask.sum() <= 4


def test_lines_of_light_wider_than_a_ray_are_not_rays(make_stamps):
    """A satellite's track has the width of the PSF across and none along: it is a sum of stars."""
    y, x = np.mgrid[:200, :200]
    filters = ray_filters(make_stamps(1.8))
    noise = np.full((200, 200), 6.5, np.float32)
    for angle in np.radians([0.0, 17.0, 45.0, 63.0, 90.0]):
        distance = (x - 100.3) * np.sin(angle) - (y - 99.6) * np.cos(angle)
        sigma = np.hypot(1.8 / 2.3548, 0.29)  # with the pixel's own width
        track = (300 * np.exp(-0.5 * (distance / sigma) ** 2)).astype(np.float32)
        assert not find_rays(track, noise, GAIN, np.zeros((200, 200), bool), filters, psf_error=0.05).any()


def test_no_blend_of_stars_pleases_a_filter(make_stamps):
    stamps = make_stamps(1.5)
    filters = ray_filters(stamps)
    random = np.random.default_rng(2)
    for _ in range(300):
        blend = np.zeros((5, 5))
        for _ in range(random.integers(1, 5)):
            dy, dx = random.integers(-3, 4, 2)
            stamp = stamps[random.integers(len(stamps))]
            blend += random.exponential() * stamp[5 + dy : 10 + dy, 5 + dx : 10 + dx]
        blend /= np.linalg.norm(blend)
        # Zero in exact arithmetic; weights are float32.
        assert (filters @ blend.ravel()).max() < 1e-5
    np.testing.assert_allclose(np.linalg.norm(filters, axis=1), 1.0, atol=1e-6)
    single = np.zeros((5, 5))
    single[2, 2] = 1.0
    assert (filters @ single.ravel()).max() > 0.4


def slow_response(image, noise, excluded, filters, psf_error, y, x):
    best = -np.inf
    window = [(j, i) for j in range(y - 2, y + 3) for i in range(x - 2, x + 3)]
    on_image = [(j, i) for j, i in window if 0 <= j < image.shape[0] and 0 <= i < image.shape[1]]
    brightest = max([0.0] + [float(image[j, i]) for j, i in on_image if not excluded[j, i]])
    for weights in filters.reshape(-1, 5, 5):
        response = variance = 0.0
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                j, i, w = y + dy, x + dx, float(weights[dy + 2, dx + 2])
                inside = 0 <= j < image.shape[0] and 0 <= i < image.shape[1]
                sigma = noise[j, i] if inside else noise[y, x]
                if inside and not excluded[j, i]:
                    value = float(image[j, i])
                else:
                    value, w = brightest, min(w, 0.0)
                light = max(value, 0.0)
                response += w * value
                variance += w**2 * (sigma**2 + light / GAIN + (psf_error * light) ** 2)
        best = max(best, response / np.sqrt(variance))
    return best


def test_response_is_that_of_the_slow_twin(make_exposure, make_stamps):
    exposure = make_exposure(1, size=40, n_stars=10, n_rays=3)
    excluded = np.random.default_rng(0).random((40, 40)) < 0.1
    filters = ray_filters(make_stamps(2.0))
    for y, x in [(0, 0), (0, 20), (39, 39), (1, 38), *np.random.default_rng(1).integers(0, 40, (60, 2)).tolist()]:
        fast = best_response(exposure.residual, exposure.noise, GAIN, excluded, filters, 0.03, y, x)
        slow = slow_response(exposure.residual, exposure.noise, excluded, filters, 0.03, y, x)
        # float32 sums of 25 products.
        assert fast == pytest.approx(slow, rel=1e-4, abs=1e-3)


def test_nothing_is_marked_where_excluded_and_bad_input_is_borne(make_exposure, make_stamps):
    exposure = make_exposure(2)
    filters = ray_filters(make_stamps(2.0))
    everywhere = ~clear(exposure)
    assert not find_rays(exposure.residual, exposure.noise, GAIN, everywhere, filters).any()
    nothing = np.full(exposure.residual.shape, np.nan, np.float32)
    assert not find_rays(nothing, exposure.noise, GAIN, ~everywhere, filters).any()


def test_moffat_stamps_have_their_width_and_offsets():
    stamps = moffat_stamps(3.0, size=31)
    assert stamps.shape == (25, 31, 31)
    middle = stamps[12]
    # Between pixel centres the profile is nearly exponential: interpolate its logarithm to half of the peak.
    profile = np.log(middle[15, 15:] / middle[15, 15])
    half = np.interp(-np.log(2), profile[::-1], np.arange(16)[::-1])
    # Integration over the pixel broadens by 1/12 px^2 of variance: (3.0 to 3.08).
    assert 2.95 < 2 * half < 3.15
    grid = np.arange(31) - 15
    # beta 3: the wings beyond 15 px carry little, but pull the centroid of an offset star towards the middle by 1 %.
    assert (stamps[0].sum(axis=0) @ grid) == pytest.approx(-0.4, abs=0.01)
    assert (stamps[4].sum(axis=0) @ grid) == pytest.approx(0.4, abs=0.01)
