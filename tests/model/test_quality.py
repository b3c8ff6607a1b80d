"""INFOBITS and STATUS follow the camera's bits, metric by metric."""

import math

import pytest

from ztfpipe.camera import Camera
from ztfpipe.model import quality

CAMERA = Camera.load("ztf")
BIT = {bit.metric: bit for bit in CAMERA.infobits}
GOOD = {
    "zero_point_mag": 26.2,
    "zero_point_rms_mag": 0.03,
    "n_calibrators": 300,
    "airmass": 1.1,
    "exptime_s": 30.0,
}


def test_nothing_measured_sets_nothing():
    assert quality.info_bits(CAMERA, {}, "20180325") == 0
    assert quality.info_bits(CAMERA, {"gmedian": math.nan, "gstddev": None}, "20180325") == 0


@pytest.mark.parametrize(
    ("metric", "just_good", "bad"),
    [
        ("gmedian", 4000.0, 4000.1),
        ("fwhm_arcsec", 5.0, 5.1),
        ("maglimcat", 17.5, 17.4),
        ("npsfcat", 10, 9),
        ("apctscale", -0.20, -0.21),
        ("apctscale", 2.00, 2.01),
        ("psf_failed", False, True),
        ("astrocal_failed", False, True),
    ],
)
def test_each_comparison_has_its_edge(metric, just_good, bad):
    assert quality.info_bits(CAMERA, {metric: just_good}, "20180325") == 0
    assert quality.info_bits(CAMERA, {metric: bad}, "20180325") == 1 << BIT[metric].bit


def test_thresholds_are_those_of_the_night():
    # Header texts: chi-square above 30 in 2017, above 55 in 2020; the track bit came in 2025.
    assert quality.info_bits(CAMERA, {"ascmp2chi2": 40.0}, "20180325") == 1 << 18
    assert quality.info_bits(CAMERA, {"ascmp2chi2": 40.0}, "20200428") == 0
    assert quality.info_bits(CAMERA, {"pcttrack": 1.0}, "20180325") == 0
    assert quality.info_bits(CAMERA, {"pcttrack": 1.0}, "20250106") == 1 << 22


def test_status_is_bad_for_fatal_bits_only():
    assert quality.status(CAMERA, 0) == 1
    # A real image of 2025-01-06 carries bits 11 and 25 and STATUS 1.
    assert quality.status(CAMERA, 33556480) == 1
    assert quality.status(CAMERA, 1 << BIT["psf_failed"].bit) == 0
    assert quality.status(CAMERA, 1 << BIT["astrocal_failed"].bit) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"zero_point_mag": 26.7},
        {"zero_point_mag": 25.3},
        {"zero_point_mag": math.nan},
        {"zero_point_rms_mag": 0.07},
        {"n_calibrators": 79},
    ],
)
def test_each_photometric_criterion_fires(change):
    assert not quality.photometrically_bad(CAMERA, "zg", 8, **GOOD)
    assert quality.photometrically_bad(CAMERA, "zg", 8, **{**GOOD, **change})


def test_a_longer_exposure_is_judged_as_a_standard_one():
    deep = {**GOOD, "zero_point_mag": 26.2 + 2.5 * math.log10(300 / 30), "exptime_s": 300.0}
    assert not quality.photometrically_bad(CAMERA, "zg", 8, **deep)


def test_bits_that_are_set():
    assert quality.bits_set(0) == []
    assert quality.bits_set(1 << 31 | 1 << 8 | 1) == [0, 8, 31]
