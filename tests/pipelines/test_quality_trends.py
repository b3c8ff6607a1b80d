"""A night against the nights before: what stands out, what noise alone makes, and what weather does to all."""

import numpy as np
import pandas as pd
import pytest

from ztfpipe.model.operations import TREND_METRICS
from ztfpipe.pipelines.quality.trends import (
    ALL,
    channel_changes,
    field_changes,
    outlier_table,
    sentence,
    zero_point_table,
)

NIGHTS = [f"201803{day:02d}" for day in range(1, 32)]
LAST = NIGHTS[-1]
SIGMA = 5.0


def season(seed=0, channels=64, filters=("zg", "zr"), scale=10.0):
    """Nightly medians of pure Gaussian noise about nought, `scale` times the least scatter that is believed."""
    rng = np.random.default_rng(seed)
    rows = [(night, code, rcid) for night in NIGHTS for code in filters for rcid in range(channels)]
    table = pd.DataFrame(rows, columns=["night", "filter", "rcid"]).assign(images=5)
    for name, (_, _, floor) in TREND_METRICS.items():
        table[name] = scale * floor * rng.normal(size=len(table))
    return table


def outliers(table, night=LAST, nights_min=15):
    changes = list(channel_changes(table, night, nights_min))
    return {(one.metric, one.filter, one.where): one for one in changes if abs(one.sigma) > SIGMA}, len(changes)


def test_noise_alone_makes_no_more_outliers_than_the_configuration_says():
    # 1,820 comparisons a season and 0.15 false ones in 1,500 with 30 nights: in ten seasons 1.8 are expected, and more
    # than seven have a chance of 1e-3.
    counts = [outliers(season(seed)) for seed in range(10)]
    assert counts[0][1] == 2 * (64 + 1) * len(TREND_METRICS)
    assert sum(len(found) for found, _ in counts) <= 7


def test_a_channel_that_moves_stands_out_alone_and_with_its_sign():
    table = season()
    where = (table["night"] == LAST) & (table["filter"] == "zr") & (table["rcid"] == 17)
    table.loc[where, "pabszp"] -= 100 * TREND_METRICS["pabszp"][2]
    before, _ = outliers(season())
    found, _ = outliers(table)
    assert set(found) - set(before) == {("pabszp", "zr", "CCD 5 q2")}
    # Ten sigmas of 1 + 5/30 of a scatter that thirty nights know to a fifth (1.17 / sqrt(30)), with the noise of two.
    assert found["pabszp", "zr", "CCD 5 q2"].sigma == pytest.approx(-10 / (1 + 5 / 30), abs=5.5)


@pytest.mark.parametrize("metric", ["seeing", "drbmedian"])
def test_weather_or_a_classifier_that_drifts_is_one_line_and_no_channel_s_fault(metric):
    table = season()
    table.loc[(table["night"] == LAST) & (table["filter"] == "zg"), metric] += 1000 * TREND_METRICS[metric][2]
    found, _ = outliers(table)
    before, _ = outliers(season())
    assert set(found) - set(before) == {(metric, "zg", ALL)}
    changes = list(channel_changes(table, LAST, 15))
    assert outlier_table(changes, SIGMA, 30).rows[0][:3] == ("zg", ALL, TREND_METRICS[metric][0])


def test_a_steady_channel_is_no_outlier_for_a_change_of_no_consequence():
    table = season(scale=0.0)
    table.loc[(table["night"] == LAST) & (table["rcid"] == 3), "pabszp"] = 3 * TREND_METRICS["pabszp"][2]
    assert outliers(table)[0] == {}


def test_of_few_nights_nothing_is_said_and_later_nights_are_not_looked_at():
    table = season()
    assert outliers(table, NIGHTS[10])[1] == 0
    later = table.copy()
    later.loc[later["night"] > NIGHTS[20], list(TREND_METRICS)] += 1e6
    assert outliers(later, NIGHTS[20])[0] == outliers(table, NIGHTS[20])[0]
    assert outliers(table, "20180401")[1] == 0


def test_what_was_not_measured_is_left_out():
    table = season()
    table.loc[table["rcid"] == 5, "drbmedian"] = np.nan
    table["nraw"] = np.nan
    _, count = outliers(table)
    assert count == 2 * ((64 + 1) * (len(TREND_METRICS) - 1) - 1)


def test_a_test_field_is_told_of_on_its_first_night_too():
    table = pd.DataFrame({"night": NIGHTS, "field": 473, "filter": "zg", "pabszp": np.arange(31.0), "seeing": np.nan})
    (one,) = field_changes(table, LAST, 15)
    assert (one.where, one.value, one.usual, one.nights) == ("field 473", 30.0, 14.5, 30)
    assert one.sigma == pytest.approx(15.5 / (1.4826 * 7.5 * (1 + 5 / 30)))
    (first,) = field_changes(table, NIGHTS[0], 15)
    assert first.value == 0.0
    assert np.isnan(first.sigma)


def test_exposures_off_the_rolling_zero_point_are_told_with_how_many_and_which():
    rows = [(20180331000000 + k, rcid, 473, "zr", 0.01, 0.0) for k in range(8) for rcid in range(64)]
    columns = ["filefracday", "rcid", "field", "filter", "zpchange", "zero_point_outlier"]
    table = pd.DataFrame(rows, columns=columns)
    assert not zero_point_table(table).rows
    number = table["filefracday"] % 100
    table.loc[number == 3, ["zpchange", "zero_point_outlier"]] = -0.5, 1.0
    table.loc[(number == 7) & (table["rcid"] == 42), ["zpchange", "zero_point_outlier"]] = 0.4, 1.0
    table.loc[number == 5, ["zpchange", "zero_point_outlier"]] = np.nan, np.nan  # too few to compare with
    found = zero_point_table(table)
    assert [row[3:] for row in found.rows] == [(64, 64, -0.5, "many"), (1, 64, 0.4, "11/3")]
    assert sentence({"zero points": found}) == "2 exposures off the rolling zero point"
