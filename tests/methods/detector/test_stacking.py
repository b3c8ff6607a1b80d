import numpy as np
import pytest

from ztfpipe.methods.detector.stacking import Cube, _network, trimmed_average, typical_sigma
from ztfpipe.methods.statistics import percentile_sigma, percentile_sigma_expected


def slow_trimmed_average(values, clip_sigma, floor):
    """The definition, pixel by pixel."""
    n, ny, nx = values.shape
    out = {name: np.full((ny, nx), np.nan) for name in ("mean", "uncertainty", "std_trimmed", "std_all", "count")}
    for y in range(ny):
        for x in range(nx):
            samples = values[:, y, x].astype(float)
            sigma = max(percentile_sigma(samples) / percentile_sigma_expected(n), floor)
            kept = samples[np.abs(samples - np.median(samples)) <= clip_sigma * sigma]
            out["mean"][y, x] = kept.mean()
            out["count"][y, x] = kept.size
            out["std_all"][y, x] = samples.std(ddof=1)
            if kept.size > 1:
                out["std_trimmed"][y, x] = kept.std(ddof=1)
                out["uncertainty"][y, x] = kept.std(ddof=1) / np.sqrt(kept.size)
    return out


def stack(n, shape, seed=1, sigma=1.5, outliers=0.02):
    rng = np.random.default_rng(seed)
    values = sigma * rng.standard_normal((n, *shape))
    hit = rng.random(values.shape) < outliers
    values[hit] += rng.exponential(200, int(hit.sum()))
    return values.astype(np.float32)


@pytest.mark.parametrize("n", [3, 4, 5, 20, 21, 33])
def test_five_images_against_slow_twin(n):
    # 257 columns: one more than the tile of the kernel.
    values = stack(n, (3, 257), seed=n)
    found = trimmed_average(Cube(values), clip_sigma=4)
    expected = slow_trimmed_average(values, 4, typical_sigma(Cube(values)))
    np.testing.assert_array_equal(found.count, expected["count"])
    for name in ("mean", "uncertainty", "std_trimmed", "std_all"):
        # float32 samples of order 1 to 1000.
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=2e-5, atol=2e-6, err_msg=name)
    assert (found.count < n).any() or n < 5


def test_blocks_of_rows_make_no_difference():
    values = stack(7, (200, 700))
    whole = trimmed_average(Cube(values), clip_sigma=4, sigma_floor=9.0)
    parts = [trimmed_average(Cube(values[:, y : y + 1]), clip_sigma=4, sigma_floor=9.0) for y in (0, 93, 94, 186, 199)]
    for y, part in zip((0, 93, 94, 186, 199), parts, strict=True):
        np.testing.assert_array_equal(whole.mean[y], part.mean[0])
        np.testing.assert_array_equal(whole.count[y], part.count[0])


@pytest.mark.parametrize("n", [2, 3, 6, 20, 31, 60])
def test_network_puts_percentiles_in_place(n):
    exchanges, places, _ = _network(n)
    values = np.random.default_rng(n).random((500, n))
    expected = np.sort(values, axis=1)
    for i, j in exchanges:
        assert i < j
        low, high = np.minimum(values[:, i], values[:, j]), np.maximum(values[:, i], values[:, j])
        values[:, i], values[:, j] = low, high
    for place in (*places, *(places + 1)):
        np.testing.assert_array_equal(values[:, place], expected[:, place])


def test_average_is_as_good_as_theory_and_unbiased():
    # 20 frames of whole DN with the read noise of the camera: what trimming may cost is much less than 3 %.
    rng = np.random.default_rng(8)
    truth = rng.uniform(0, 1, (400, 500))
    values = np.round(truth + 1.5 * rng.standard_normal((20, 400, 500))).astype(np.float32)
    found = trimmed_average(Cube(values), clip_sigma=4, sigma_floor=12**-0.5)
    theory = np.sqrt((1.5**2 + 1 / 12) / 20)
    error = found.mean - truth
    # 200,000 pixels: the scatter is known to 0.16 %, the mean to 0.0008; five of those.
    assert error.std() == pytest.approx(theory, rel=0.008)
    assert error.mean() == pytest.approx(0, abs=0.004)
    # The average of the variances of 20 samples is unbiased.
    assert np.sqrt((found.std_trimmed.astype(float) ** 2).mean()) == pytest.approx(theory * np.sqrt(20), rel=0.005)


def test_one_cosmic_ray_leaves_no_trace_in_the_average():
    values = np.zeros((20, 4, 4), np.float32)
    values[:] = np.random.default_rng(3).normal(0, 1, values.shape)
    clean = trimmed_average(Cube(values), clip_sigma=4)
    values[5, 2, 2] = 3000
    hit = trimmed_average(Cube(values), clip_sigma=4)
    assert hit.count[2, 2] == clean.count[2, 2] - 1
    # Leaving one of 20 samples out moves the mean by about sigma / 20; five of those.
    assert hit.mean[2, 2] == pytest.approx(clean.mean[2, 2], abs=0.25)
    assert hit.std_all[2, 2] > 600
    assert hit.std_trimmed[2, 2] < 2


def test_constant_frames_and_too_few():
    same = trimmed_average(Cube(np.full((5, 2, 3), 4, np.float32)), clip_sigma=4)
    assert (same.mean == 4).all()
    assert (same.std_all == 0).all()
    assert (same.count == 5).all()
    with pytest.raises(ValueError, match="at least 3"):
        trimmed_average(Cube(np.zeros((2, 2, 2), np.float32)), clip_sigma=4)
