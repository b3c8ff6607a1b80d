"""The recipes on frames made here by the closed forms they invert; the synthetic camera has its own test."""

import dataclasses
import math

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.config import Calibration
from ztfpipe.errors import BadFile, Unusable
from ztfpipe.model.images import RawQuadrant
from ztfpipe.pipelines.calibration import (
    BiasForFlat,
    EarlierMaster,
    make_bias_master,
    make_flat_master,
    split_quadrant,
)

CAMERA = Camera.load("mini")
SHAPE = CAMERA.quadrant_shape
CCD, QID, NIGHT = 10, 3, "20180325"
A, B = CAMERA.nonlinearity_coefficients(CCD, QID, NIGHT)
AMPLIFIER = CAMERA.amplifier(CCD, QID)
READ_NOISE_ADU = AMPLIFIER.read_noise_e / AMPLIFIER.gain_e_per_adu
SETTINGS = Calibration()


def raw(signal_adu, rng, noise_adu=READ_NOISE_ADU):
    """A quadrant with this signal above bias, on a drifting level, with an overscan whose first columns trail."""
    ny, nx = SHAPE
    level = 1200 + rng.uniform(-5, 5) + 2 * np.linspace(-1, 1, ny)[:, None] ** 2
    image = level + signal_adu + noise_adu * rng.standard_normal((ny, nx))
    overscan = level + READ_NOISE_ADU * rng.standard_normal((ny, 30))
    columns = np.arange(30) if QID not in CAMERA.raw.reversed_x_qids else np.arange(30)[::-1]
    overscan += 100 * np.exp(-columns / 2)
    return RawQuadrant(np.round(image).astype(np.uint16), np.round(overscan).astype(np.uint16), {})


@pytest.fixture(scope="module")
def pattern():
    return np.random.default_rng(1).normal(0, 3, SHAPE).astype(np.float32)


@pytest.fixture(scope="module")
def response():
    values = np.random.default_rng(2).normal(1, 0.01, SHAPE)
    values[100, 200], values[101, 200], values[102, 200] = 0.05, 0.4, 1.7
    return values / values.mean()


def biases(pattern, n, seed=3, noise=1.0):
    rng = np.random.default_rng(seed)
    return [(f"bias{i}", raw(pattern, rng, noise * READ_NOISE_ADU)) for i in range(n)]


def flats(pattern, response, n, seed=4, level=20_000, drift=0.02):
    """Flats with photon noise, bent by the detector's non-linearity."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        mean = level * rng.normal(1, drift) * response
        light = mean + np.sqrt(mean / AMPLIFIER.gain_e_per_adu) * rng.standard_normal(SHAPE)
        measured = (1 - B * light - np.sqrt((1 - B * light) ** 2 - 4 * A * light**2)) / (2 * A * light)
        yield f"flat{i}", raw(pattern + measured, rng)


def test_split_takes_the_floating_bias(pattern):
    result = split_quadrant(biases(pattern, 1)[0][1], CAMERA, QID, SETTINGS)
    # Pixels: the pattern and noise of 3.3 DN, 266,240 of them, and the level of 5200 overscan pixels.
    assert (result.image - pattern).mean() == pytest.approx(0, abs=5 * READ_NOISE_ADU / math.sqrt(5200))
    assert result.metrics["sigma_adu"] == pytest.approx(math.hypot(3, READ_NOISE_ADU), rel=0.02)
    dead = RawQuadrant(np.ones(SHAPE, np.uint16), np.zeros((SHAPE[0], 30), np.uint16), {})
    with pytest.raises(Unusable, match="all overscan pixels are zero"):
        split_quadrant(dead, CAMERA, QID, SETTINGS)


def test_bias_master_finds_the_pattern(pattern):
    master = make_bias_master(biases(pattern, 22), CAMERA, CCD, QID, SETTINGS)
    good = master.mask == 0
    error = (master.frames.mean - pattern)[good]
    theory = math.sqrt((READ_NOISE_ADU**2 + 1 / 12) / 22)
    # The scatter of 266,000 pixels is known to 0.14 %; the level to that of 22 x 5200 overscan pixels.
    assert error.std() == pytest.approx(theory, rel=0.03)
    assert error.mean() == pytest.approx(0, abs=5 * math.sqrt(READ_NOISE_ADU**2 + 1 / 12) / math.sqrt(22 * 5200))
    assert master.status == 1
    assert len(master.used) == 22
    # sqrt(266,240 x 22) samples: the read noise is known far better than to 1 %.
    assert master.metrics["read_noise_e"] == pytest.approx(AMPLIFIER.read_noise_e, rel=0.01)
    # The static bad pixels are in the mask, and nothing else but a chance pixel.
    assert master.mask[60, 40] == CAMERA.mask_value("low_response")
    assert np.count_nonzero(master.mask) <= 16 + 3


def test_frames_that_cannot_be_used_are_left_out_with_a_reason(pattern):
    frames = biases(pattern, 21)
    rng = np.random.default_rng(9)
    blank = np.zeros((SHAPE[0], 30), np.uint16)
    frames[2:2] = [
        ("light", raw(pattern + 300, rng)),
        ("loud", raw(pattern, rng, 20.0)),
        ("blank", dataclasses.replace(frames[0][1], overscan=blank)),
        ("broken", BadFile("broken.fits", "extension missing", 3)),
    ]
    master = make_bias_master(frames, CAMERA, CCD, QID, SETTINGS)
    reasons = {one.name: one.reason for one in master.rejected}
    assert set(reasons) == {"light", "loud", "blank", "broken"}
    assert "is outside -50 to 50 DN" in reasons["light"]
    assert "pixel scatter" in reasons["loud"]
    assert reasons["blank"] == "all overscan pixels are zero"
    assert reasons["broken"] == "broken.fits[3]: extension missing"
    assert master.status == 1
    assert master.metrics["frames_used"] == 21


def test_too_few_frames_give_status_zero(pattern):
    few = make_bias_master(biases(pattern, 12), CAMERA, CCD, QID, SETTINGS)
    assert few.status == 0
    assert few.reason == "12 usable frames of at least 20; 0 left out"
    assert np.isfinite(few.frames.mean).all()
    none = make_bias_master([], CAMERA, CCD, QID, SETTINGS)
    assert none.status == 0
    assert np.isnan(none.frames.mean).all()
    assert (none.mask & CAMERA.mask_value("nan") > 0).all()
    assert math.isnan(none.level_adu)


def test_most_frames_are_the_first_ones(pattern):
    settings = SETTINGS.model_copy(update={"frames_min": 4, "frames_max": 5})
    master = make_bias_master(biases(pattern, 7), CAMERA, CCD, QID, settings)
    assert master.used == ("bias0", "bias1", "bias2", "bias3", "bias4")


def test_comparison_with_an_earlier_master(pattern):
    earlier = make_bias_master(biases(pattern, 20, seed=5), CAMERA, CCD, QID, SETTINGS)
    before = EarlierMaster(
        "before", earlier.frames.mean, earlier.frames.uncertainty, earlier.level_adu, earlier.level_uncertainty_adu
    )
    same = make_bias_master(biases(pattern, 20, seed=6), CAMERA, CCD, QID, SETTINGS, before)
    assert same.metrics["earlier"] == "before"
    # Both levels come from 20 frames each: Student's t with some 38 degrees of freedom.
    assert abs(same.metrics["earlier_level_change_sigma"]) < 5
    assert same.metrics["earlier_changed"] == 0
    # Median of a sample's scatter lies 2 % below sigma for 20 samples.
    assert same.metrics["earlier_pattern_sigma"] == pytest.approx(1.02, abs=0.02)
    moved = make_bias_master(biases(pattern + 2, 20, seed=6), CAMERA, CCD, QID, SETTINGS, before)
    assert moved.metrics["earlier_changed"] == 1


@pytest.fixture(scope="module")
def flat_master(pattern, response):
    bias = BiasForFlat(pattern, np.zeros(SHAPE, np.uint16))
    return make_flat_master(flats(pattern, response, 20), bias, CAMERA, CCD, QID, NIGHT, SETTINGS)


def test_flat_master_finds_the_response(flat_master, response):
    good = flat_master.mask == 0
    truth = response / response[good].mean()
    limit = math.sqrt((1 / (20_000 * AMPLIFIER.gain_e_per_adu)) / 20)
    residual = (flat_master.frames.mean - truth)[good]
    # Lamp drifts of 2 % make the mean of 1/level differ from the nominal one by less than 1 %.
    assert residual.std() < 1.1 * limit
    assert flat_master.frames.mean[good].mean(dtype=float) == pytest.approx(1, abs=1e-5)
    assert flat_master.status == 1
    # 20 levels of 2 % scatter.
    assert flat_master.level_adu == pytest.approx(20_000, rel=5 * 0.02 / math.sqrt(20))


def test_flat_master_masks_by_response(flat_master):
    found = [int(flat_master.mask[y, 200]) for y in (100, 101, 102)]
    assert found == [CAMERA.mask_value(name) for name in ("dead", "low_response", "high_response")]
    # 16 static, 3 above, and chance pixels at most.
    assert np.count_nonzero(flat_master.mask) <= 16 + 3 + 3


def test_flats_are_linearised(pattern, response):
    # At 40,000 DN the camera's table bends the level by 340 DN; the lamps do not drift here.
    bias = BiasForFlat(pattern, np.zeros(SHAPE, np.uint16))
    frames = flats(pattern, response, 3, level=40_000, drift=0)
    master = make_flat_master(frames, bias, CAMERA, CCD, QID, NIGHT, SETTINGS)
    # Masked pixels (one per cent response scatter, 19 of them) move the mean by less than 1 DN, photons by 0.2.
    assert master.level_adu == pytest.approx(40_000, abs=3)


def test_flats_outside_their_level_and_without_bias(pattern, response):
    bias = BiasForFlat(pattern, np.zeros(SHAPE, np.uint16))
    dim = make_flat_master(flats(pattern, response, 3, level=500), bias, CAMERA, CCD, QID, NIGHT, SETTINGS)
    assert dim.status == 0
    assert all("is outside 2000 to 45000 DN" in one.reason for one in dim.rejected)
    unusable = dataclasses.replace(bias, reason="the bias master is not usable")
    none = make_flat_master(flats(pattern, response, 3), unusable, CAMERA, CCD, QID, NIGHT, SETTINGS)
    assert (none.status, none.reason) == (0, "the bias master is not usable")
