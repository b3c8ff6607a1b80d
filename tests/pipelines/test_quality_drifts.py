"""Slow drifts, which no night stands out by."""

import math

import numpy as np
import pytest

from tests.pipelines.test_quality_trends import LAST, NIGHTS, outliers, season
from ztfpipe.model.operations import TREND_METRICS
from ztfpipe.pipelines.quality.drifts import WATCHED, drift, drift_table


def test_of_numbers_that_only_rise_all_pairs_agree():
    # S = n (n - 1) / 2 = 435 of sigma sqrt(30 x 29 x 65 / 18) = 56.05; a line's median slope is its slope.
    found, change = drift(0.5 * np.arange(30.0))
    assert found == pytest.approx(435 / math.sqrt(30 * 29 * 65 / 18))
    assert change == pytest.approx(0.5 * 29)
    assert drift(-(np.arange(30.0) ** 3))[0] == pytest.approx(-found)
    assert drift(np.zeros(30)) == (0.0, 0.0)


def test_missing_nights_keep_their_place_in_time():
    values = 0.5 * np.arange(30.0)
    values[[0, 7, 8, 20]] = np.nan
    assert drift(values)[1] == pytest.approx(0.5 * 28)
    assert math.isnan(drift(np.array([1.0, np.nan, 2.0]))[0])


def test_noise_has_the_variance_that_it_should():
    rng = np.random.default_rng(5)
    found = [drift(rng.normal(size=20))[0] for _ in range(2000)]
    # The variance of 2,000 numbers of variance 1 is known to sqrt(2 / 2000) = 0.032: four of it.
    assert np.var(found) == pytest.approx(1.0, abs=0.13)


def test_a_classifier_that_drifts_is_told_of_though_no_night_is_an_outlier():
    # Noise of 0.02 a channel and a drift of 0.004 a night for all: 0.12 over the season. The camera's median of 64 has
    # noise of 0.02 x 1.25 / 8 = 0.003, so that nearly all pairs of nights agree.
    table = season(scale=1.0, filters=("zr",))
    place = table["night"].map({night: k for k, night in enumerate(NIGHTS)})
    assert not drift_table(table, LAST, 15, 5.0).rows
    table["drbmedian"] += 0.004 * place
    assert not [name for name in outliers(table)[0] if name[0] == "drbmedian"]
    ((code, where, what, _, change, nights, sigmas),) = drift_table(table, LAST, 15, 5.0).rows
    assert (code, where, what, nights) == ("zr", "all", "median drb", len(NIGHTS))
    assert change == pytest.approx(0.12, abs=0.01)
    assert sigmas > 6
    assert not drift_table(table, NIGHTS[10], 15, 5.0).rows


def test_a_channel_that_drifts_stands_out_alone_and_what_is_too_small_does_not():
    table = season(scale=1.0, filters=("zr",))
    place = table["night"].map({night: k for k, night in enumerate(NIGHTS)})
    table.loc[table["rcid"] == 17, "pabszp"] += 0.01 * place
    rows = drift_table(table, LAST, 15, 5.0).rows
    assert [row[:3] for row in rows] == [("zr", "CCD 5 q2", "zero point")]
    small = season(scale=0.0, filters=("zr",))
    for name in WATCHED:
        small[name] += 2.0 * TREND_METRICS[name][2] * place / 30
    assert not drift_table(small, LAST, 15, 5.0).rows
