"""A night's rows from its records: keys, counts, medians by a slow twin, numbers that are none."""

import dataclasses
import math

import numpy as np
import pytest

from tests.night_scene import night_records
from ztfpipe.model.operations import TABLES
from ztfpipe.pipelines.quality.database import night_rows

NIGHT = "20180325"


@pytest.fixture(scope="module")
def made():
    records = night_records(NIGHT, exposures=4)
    return records, night_rows(records)


def test_every_row_has_the_columns_of_its_table_and_a_key_of_its_own(made):
    _, rows = made
    assert set(rows) == set(TABLES)
    for name, contract in TABLES.items():
        names = [column.name for column in contract.columns]
        assert len(set(names)) == len(names)
        assert all(list(row) == names for row in rows[name]), name
        keys = [tuple(row[key] for key in contract.key) for row in rows[name]]
        assert len(set(keys)) == len(keys)
        assert all(None not in key for key in keys)
        assert all(row["night"] == NIGHT for row in rows[name])


def test_accounts_of_the_night(made):
    records, rows = made
    (night,) = rows["nights"]
    assert {name: night[name] for name in ("sent", "accepted", "set_aside", "exposures", "quadrants")} == {
        "sent": 9, "accepted": 8, "set_aside": 1, "exposures": 4, "quadrants": 32,
    }  # fmt: skip
    assert (night["images"], night["images_usable"], night["differences"]) == (31, 30, 30)
    counted = sum(r.metrics["ncandscimref"] + r.metrics["ncandrefmsci"] for r in records.differences.values())
    assert (night["candidates"], night["packets"]) == (counted, 48)


def test_an_image_has_its_exposure_s_facts_its_metrics_and_its_times(made):
    records, rows = made
    key = next(iter(sorted(records.science)))
    record, row = records.science[key], rows["quadrants"][0]
    assert (row["filefracday"], row["rcid"]) == (int(key.exposure.filefracday), key.rcid)
    assert row["pid"] == (int(exposure_row(rows, row)["expid"]) * 100 + key.rcid) * 100 + 15
    assert (row["airmass"], row["exptime"], row["programid"]) == (1.2, 30.0, 1)
    assert row["seeing"] == record.metrics["fwhm_arcsec"]
    assert row["zone"] == math.floor(record.metrics["dec"] * 2)
    assert (row["wall_s"], row["ended_unix"]) == (record.timings_s["wall"], record.ended_unix)
    assert row["arrived_unix"] == records.arrived_unix[key.raw]
    assert rows["differences"][0]["refversion"] == 2


def exposure_row(rows, image):
    return next(row for row in rows["exposures"] if row["filefracday"] == image["filefracday"])


def test_trends_are_medians_over_usable_images(made):
    records, rows = made
    for row in rows["trends"]:
        keys = [
            key for key, record in records.science.items()
            if record.status == 1 and (key.exposure.filter, key.rcid) == (row["filter"], row["rcid"])
        ]  # fmt: skip
        assert row["images"] == len(keys)
        zero_points = [records.science[key].metrics["pabszp"] for key in keys]
        assert row["pabszp"] == np.median(zero_points)
        differences = [records.differences[key] for key in keys if key in records.differences]
        counts = [one.metrics["ncandscimref"] + one.metrics["ncandrefmsci"] for one in differences]
        assert row["candidates"] == np.median(counts)
        assert row["run_s"] == pytest.approx(np.median([records.science[key].timings_s["wall"] for key in keys]) + 1.0)


def test_what_is_no_number_is_none(made):
    records, _ = made
    key = next(iter(records.science))
    changed = {**records.science[key].metrics, "pabszp": math.nan, "npsfcat": math.inf}
    science = {**records.science, key: dataclasses.replace(records.science[key], metrics=changed)}
    (row,) = [
        row for row in night_rows(dataclasses.replace(records, science=science))["quadrants"]
        if (row["filefracday"], row["rcid"]) == (int(key.exposure.filefracday), key.rcid)
    ]  # fmt: skip
    assert row["pabszp"] is None
    assert row["npsfcat"] is None
