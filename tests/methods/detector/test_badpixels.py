import numpy as np
import pytest
from scipy.stats import chi2

from ztfpipe.camera import Camera
from ztfpipe.methods.detector.badpixels import find_noisy, response_mask, static_mask
from ztfpipe.methods.detector.stacking import Cube, trimmed_average

SETTINGS = {"factor": 2.0, "false_fraction": 0.04}


def bias_stack(n, noise, seed=1):
    rng = np.random.default_rng(seed)
    return np.round(100 + noise * rng.standard_normal((n, *noise.shape))).astype(np.float32)


def judge(values, **kwargs):
    stack = trimmed_average(Cube(values), clip_sigma=4, sigma_floor=12**-0.5)
    return find_noisy(stack.std_trimmed, stack.std_all, stack.count, len(values), **{**SETTINGS, **kwargs})


def test_noisy_pixels_are_found_and_good_ones_are_not():
    rng = np.random.default_rng(1)
    noise = np.full((1000, 1000), 1.5)
    true = rng.random(noise.shape) < 3e-4
    noise[true] *= 3
    found = judge(bias_stack(22, noise))
    # At the threshold that was chosen, chi^2(21) says which fraction is missed (1/12 DN^2 of rounding included).
    factor = np.sqrt((4.5**2 + 1 / 12) / (1.5**2 + 1 / 12))
    missed = chi2.cdf((found.threshold / factor) ** 2 * 21, 21) * true.sum()
    assert np.count_nonzero(true & ~found.pixels) <= missed + 5 * np.sqrt(missed) + 1
    # 4 % of some 300: at most 12 expected to be false, 5 sigma above that 30.
    assert np.count_nonzero(found.pixels & ~true) <= 30
    assert 1.3 < found.threshold < 2.0
    assert found.typical == pytest.approx(np.sqrt(1.5**2 + 1 / 12), rel=0.01)


def test_no_noisy_pixel_found_where_there_is_none():
    # The chance that one of a million good pixels passes is the wanted false fraction.
    assert judge(bias_stack(20, np.full((1000, 1000), 1.5), seed=2)).found <= 2


def test_one_cosmic_ray_does_not_make_a_pixel_noisy_but_many_excursions_do():
    values = bias_stack(20, np.full((300, 300), 1.5), seed=3)
    values[4, 10, 10] += 2000
    values[[3, 9, 15], 20, 20] += 500
    found = judge(values)
    assert not found.pixels[10, 10]
    assert found.pixels[20, 20]


def test_uneven_noise_raises_the_threshold():
    rng = np.random.default_rng(4)
    noise = 1.5 * np.exp(0.2 * rng.standard_normal((600, 600)))
    found = judge(bias_stack(20, noise, seed=4))
    assert found.freedom < 15
    # ln s scatters by sqrt(1/38 + 0.04) = 0.26, so that one pixel in six exceeds the lowest threshold of 1.27; with the
    # freedom of 20 even samples (7 in 10^5 above 1.65) thousands would be called noisy. One pixel in a hundred may be.
    assert found.threshold > 1.65
    assert found.found < 3600


def test_threshold_stops_falling_with_many_frames():
    noise = np.full((400, 400), 1.5)
    noise[:40] *= 3
    found = judge(bias_stack(60, noise, seed=5))
    assert found.threshold >= 2 * np.sqrt(chi2.ppf(0.01, 59) / 59) - 1e-6


def test_known_bad_pixels_are_not_judged():
    noise = np.full((200, 200), 1.5)
    noise[5, 5] = 50
    known = np.zeros(noise.shape, bool)
    known[5, 5] = True
    assert not judge(bias_stack(20, noise), known_bad=known).pixels[5, 5]
    nothing = find_noisy(*(np.full((4, 4), np.nan, np.float32),) * 2, np.zeros((4, 4), np.int16), 20, **SETTINGS)
    assert nothing.found == 0


def test_response_mask_at_its_limits():
    camera = Camera.load("mini")
    flat = np.array([[0.0, 0.19, 0.2, 0.59, 0.6, 1.0, 1.4, 1.41, np.nan, -1.0]], np.float32)
    mask = response_mask(flat, camera, dead_response_max=0.2, low_response_max=0.6, high_response_min=1.4)
    dead, low, high = (camera.mask_value(name) for name in ("dead", "low_response", "high_response"))
    assert mask.tolist() == [[dead, dead, low, low, 0, 0, 0, high, dead, dead]]


def test_static_mask_is_the_cameras_table():
    camera = Camera.load("mini")
    mask = static_mask(camera, 10, 3)
    assert np.count_nonzero(mask) == 16
    assert (mask[60:64, 40:44] == camera.mask_value("low_response")).all()
    assert not static_mask(Camera.load("quadrant"), 10, 1).any()
