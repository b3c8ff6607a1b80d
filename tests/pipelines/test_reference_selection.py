"""Each criterion of the choice of inputs fires, alone; the choice does not depend on the order of the epochs."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ztfpipe.config import Reference
from ztfpipe.model.keys import ExposureKey, QuadrantKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.reference import Epoch
from ztfpipe.pipelines.reference.selection import epoch_of, promised_depth, select

SETTINGS = Reference()
GOOD = {"zg": (25.9, 0.0), "zr": (25.9, 0.1), "zi": (25.5, 0.2)}


def epoch(index=0, code="zr", night="20180401", **values):
    zero_point, colour = GOOD[code]
    key = QuadrantKey(ExposureKey(f"{night}{300000 + index:06d}", 473, code, "o"), 10, 1)
    good = Epoch(key, 1, 2.2, zero_point, colour, 20.5, 300.0, 8.0, 0.015, 0.02)
    return replace(good, **values)


@pytest.mark.parametrize("code", ["zg", "zr", "zi"])
def test_a_good_epoch_passes(code):
    selection = select([epoch(code=code)], Reference(epochs_min=2))
    assert len(selection.chosen) == 1
    assert not selection.rejected
    assert not selection.enough


@pytest.mark.parametrize(
    ("code", "values", "criterion"),
    [
        ("zr", {"fwhm_arcsec": 1.69}, "(i) seeing"),
        ("zr", {"fwhm_arcsec": 5.01}, "(i) seeing"),
        ("zi", {"fwhm_arcsec": 4.6}, "(i) seeing"),
        ("zr", {"status": 0}, "(ii) status"),
        ("zg", {"zero_point_mag": 25.2}, "(iii) zero point"),
        ("zg", {"zero_point_mag": 26.6}, "(iii) zero point"),
        ("zi", {"zero_point_mag": 25.9}, "(iii) zero point"),
        ("zg", {"colour_coefficient": -0.21}, "(iv) colour coefficient"),
        ("zr", {"colour_coefficient": -0.06}, "(iv) colour coefficient"),
        ("zi", {"colour_coefficient": 0.31}, "(iv) colour coefficient"),
        ("zr", {"limiting_mag": 18.9}, "(v) limiting magnitude"),
        ("zi", {"limiting_mag": 17.9}, "(v) limiting magnitude"),
        ("zg", {"background_adu": 1901.0}, "(vi) background"),
        ("zr", {"background_adu": 1601.0}, "(vi) background"),
        ("zi", {"background_adu": 1201.0}, "(vi) background"),
        ("zr", {"noise_adu": 101.0}, "(vii) noise"),
        ("zi", {"noise_adu": 81.0}, "(vii) noise"),
        ("zr", {"night": "20180204"}, "(viii) night"),
        ("zg", {"flatness_rms_mag": 0.036}, "flatness RMS"),
        ("zr", {"flatness_rms_mag": 0.031}, "flatness RMS"),
        ("zg", {"flatness_range_mag": 0.048}, "flatness range"),
        ("zi", {"flatness_range_mag": 0.046}, "flatness range"),
        ("zr", {"flatness_range_mag": math.nan}, "flatness range"),
        ("zr", {"limiting_mag": math.nan}, "(v) limiting magnitude"),
    ],
)
def test_each_criterion_fires_alone(code, values, criterion):
    (rejection,) = select([epoch(code=code, **values)], SETTINGS).rejected
    assert rejection.criteria == (criterion,)
    assert len(rejection.reasons) == 1
    assert rejection.reasons[0]


def test_fourteen_good_epochs_are_not_enough_and_fifteen_are():
    epochs = [epoch(k) for k in range(15)]
    assert not select(epochs[:14], SETTINGS).enough
    assert select(epochs, SETTINGS).enough
    # One that fails does not count.
    assert not select([*epochs[:14], epoch(15, status=0)], SETTINGS).enough


def test_the_best_seeing_is_taken_and_the_rest_is_told():
    fwhm = np.random.default_rng(1).permutation(np.linspace(1.8, 4.8, 60))
    epochs = [epoch(k, fwhm_arcsec=float(value)) for k, value in enumerate(fwhm)]
    selection = select(epochs, SETTINGS)
    assert [one.fwhm_arcsec for one in selection.chosen] == sorted(fwhm)[:40]
    assert {one.epoch.fwhm_arcsec for one in selection.rejected} == set(sorted(fwhm)[40:])
    assert selection.counts == {"(x) seeing rank": 20}
    assert select(epochs[::-1], SETTINGS) == selection


def test_limits_come_from_the_settings():
    settings = Reference.model_validate({"epochs_min": 3, "first_night": "20190101"})
    assert select([epoch()], settings).counts == {"(viii) night": 1}
    assert select([epoch(k, night="20190102") for k in range(3)], settings).enough


def test_an_epoch_is_read_from_its_record():
    metrics = {"fwhm_arcsec": 2.1, "pabszp": 26.0, "pcolterm": 0.1, "maglimcat": None, "gmedian": 250.0}
    record = QaRecord("science image", "x", 1, "", metrics)
    made = epoch_of(epoch().key, record)
    assert (made.fwhm_arcsec, made.zero_point_mag, made.background_adu) == (2.1, 26.0, 250.0)
    assert math.isnan(made.limiting_mag)
    assert set(select([made], SETTINGS).counts) == {
        "(v) limiting magnitude", "(vii) noise", "flatness RMS", "flatness range",
    }  # fmt: skip


def test_promised_depth():
    assert promised_depth([20.0, 20.2, 20.4, math.nan]) == pytest.approx(20.2 + 1.25 * math.log10(3))
    assert math.isnan(promised_depth([]))
