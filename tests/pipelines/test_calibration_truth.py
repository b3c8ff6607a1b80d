"""The recipes on frames of the synthetic camera with all its effects, against its truth, on a small quadrant.

`python -m benchmarks validate calibration` does the same at full size, where the bars are.
"""

import math

import pytest

from benchmarks.validate_calibration import FRAMES, Truth, bad_pixel_figures, bias_figures, flat_figures
from ztfpipe.camera import Camera
from ztfpipe.config import Calibration, Simulate
from ztfpipe.pipelines.calibration import BiasForFlat, make_bias_master, make_flat_master

SETTINGS = Calibration()


@pytest.fixture(scope="module", params=[(10, 1), (10, 3)], ids=["q1", "q3"])
def truth(request):
    """Quadrants read in different directions."""
    night = {"biases": FRAMES, "flats": FRAMES, "filters": ["zr"], "visits": 0}
    return Truth(Camera.load("mini"), Simulate.model_validate({"night": night}), *request.param)


@pytest.fixture(scope="module")
def bias(truth):
    return make_bias_master(truth.frames("b"), truth.camera, truth.ccdid, truth.qid, SETTINGS)


@pytest.fixture(scope="module")
def flat(truth, bias):
    usable = BiasForFlat(bias.frames.mean, bias.mask)
    place = truth.camera, truth.ccdid, truth.qid, truth.night()
    return make_flat_master(truth.frames("f"), usable, *place, SETTINGS)


def test_bias_is_as_good_as_theory(truth, bias):
    assert bias.status == 1, bias.rejected
    figures = bias_figures(truth, bias)
    # The scatter of 266,000 pixels is known to 0.14 %. What a parabola leaves of the drift (3 DN settling along the
    # rows) adds the rest: the bar is 3 %.
    assert figures["noise over theory"] == pytest.approx(1, abs=0.03)
    assert abs(figures["level_adu"]) < 0.05
    # The scatter of 22 samples is unbiased in the square; what the drift leaves is common to all frames.
    assert figures["uncertainty over scatter"] == pytest.approx(1, abs=0.03)


def test_flat_is_as_good_as_its_photons(truth, flat):
    assert flat.status == 1, flat.rejected
    assert flat_figures(truth, flat)["residual over limit"] < 1.1


def test_bad_pixels_are_found(truth, flat):
    figures = bad_pixel_figures(truth, flat.mask)
    for name in ("dead", "low_response", "high_response"):
        recall, precision, n = figures[name]
        if n:
            # Photon noise of the flat is 0.06 %: the limits of response are sharp.
            assert (recall, precision) == (1, 1), name
    recall, _, n = figures["noisy"]
    # At full size 1.7 % of the noisy pixels are missed; of some 26 here that is 0.5: more than 4 has a chance of 1e-4.
    assert (1 - recall) * n <= 4
    assert math.isfinite(figures["all"][1])
    # A false fraction of 4 % of some 26 noisy pixels is one pixel; 6 more are a chance of 1e-4.
    recall, precision, n = figures["all"]
    assert (1 / precision - 1) * recall * n <= 7
