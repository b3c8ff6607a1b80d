"""How far a zero point may be from the usual one before it is an outlier."""

import math

import pytest

from ztfpipe.camera import Camera
from ztfpipe.model.quality import info_bits, standard_zero_point, status
from ztfpipe.model.zero_points import UsualZeroPoint, zero_point_change

CAMERA = Camera.load("ztf")
RULE = {"images_min": 10, "sigma": 5.0, "floor_mag": 0.03}


@pytest.mark.parametrize(("scatter", "believed"), [(0.08, 0.08), (0.0, 0.03)])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_edge_is_at_so_many_scatters_of_a_small_sample(scatter, believed, side):
    usual = UsualZeroPoint(26.2, scatter, 50)
    edge = 5.0 * believed * (1 + 5 / 50)
    just_good = zero_point_change(26.2 + side * (edge - 1e-6), usual, **RULE)
    just_bad = zero_point_change(26.2 + side * (edge + 1e-6), usual, **RULE)
    assert (just_good["zero_point_outlier"], just_bad["zero_point_outlier"]) == (0.0, 1.0)
    assert just_bad["zpchange"] == pytest.approx(side * (edge + 1e-6), abs=1e-12)


def test_with_too_few_to_compare_with_nothing_is_said():
    assert zero_point_change(20.0, UsualZeroPoint(26.2, 0.05, 9), **RULE) == {}
    assert zero_point_change(20.0, None, **RULE) == {}
    assert zero_point_change(20.0, UsualZeroPoint(26.2, 0.05, 10), **RULE)["zero_point_outlier"] == 1.0


def test_airmass_and_exposure_time_do_not_count():
    extinction = CAMERA.filter("zr").extinction_mag_per_airmass
    for airmass, exptime_s in ((1.0, 30.0), (2.5, 30.0), (1.3, 300.0)):
        seen = 26.4 - extinction * airmass + 2.5 * math.log10(exptime_s / 30.0)
        found = standard_zero_point(CAMERA, "zr", seen, airmass=airmass, exptime_s=exptime_s)
        assert found == pytest.approx(26.4, abs=1e-12)


def test_the_bit_is_26_of_any_night_and_not_fatal():
    bits = info_bits(CAMERA, {"zero_point_outlier": 1.0}, "20180325")
    assert bits == 1 << 26
    assert status(CAMERA, bits) == 1
    assert info_bits(CAMERA, {"zero_point_outlier": 0.0}, "20180325") == 0
