"""The table of candidates against the published schema of packets, and its figures against real packets."""

import json

import fastavro
import numpy as np
import pytest

from tests.real_data import REAL_DATA
from ztfpipe.methods.difference.light_filters import failed_filters
from ztfpipe.model.candidates import CUTOUT_COLUMNS, NONE_NEAR
from ztfpipe.model.difference import CANDIDATE_TABLE

pytestmark = pytest.mark.shared_data

AVRO = {"f4": "float", "f8": "double", "i4": "int", "i8": "long", "str": "string"}
OTHERS = {
    "ndethist", "ncovhist", "jdstarthist", "jdendhist",  # of histories
    "ssdistnr", "ssmagnr", "ssnamenr", "rb", "rbversion", "drb", "drbversion",  # of known objects and classifiers
}  # fmt: skip
OF_OURS = {"flux", "sigflux", "converged", "filterbits"}
"""Columns that packets do not have."""
FINER = {"xpos", "ypos"}
"""Columns of double precision where packets have single."""


def packets():
    for path in sorted((REAL_DATA / "alerts").glob("*.avro")):
        with path.open("rb") as file:
            yield from fastavro.reader(file)


def test_every_word_of_a_packet_that_a_quadrant_can_know_is_there():
    schema = json.loads((REAL_DATA / "alert_schema" / "candidate.avsc").read_text())
    types = {entry["name"]: entry["type"] for entry in schema["fields"]}
    columns = {column.name: column.dtype for column in CANDIDATE_TABLE}
    assert len(columns) == len(CANDIDATE_TABLE)
    assert set(types) - set(columns) <= OTHERS
    assert set(columns) - set(types) >= OF_OURS
    for name in set(columns) & set(types) - FINER - {"isdiffpos", "scorr"}:
        kinds = types[name] if isinstance(types[name], list) else [types[name]]
        assert AVRO[columns[name]] in kinds, name
    alert = json.loads((REAL_DATA / "alert_schema" / "alert.avsc").read_text())
    assert {column.name for column in CUTOUT_COLUMNS} <= {entry["name"] for entry in alert["fields"]}


def test_real_packets_hold_what_we_say_of_them():
    """Facts that our columns follow: relations between features, and what stands for nothing."""
    found = [packet["candidate"] for packet in packets()]
    rows = {name: np.array([row[name] for row in found]) for name in ("xpos", "ypos", "mindtoedge", "seeratio", "fwhm")}
    x, y = rows["xpos"], rows["ypos"]
    edge = np.minimum.reduce([x, y, 3072.5 - x, 3080.5 - y])
    # Both in single precision: 3e-4 of a pixel at 3000.
    assert rows["mindtoedge"] == pytest.approx(edge, abs=5e-4)
    assert rows["seeratio"].max() == 2.0
    for row in found:
        separation = np.hypot((row["ranr"] - row["ra"]) * np.cos(np.radians(row["dec"])), row["decnr"] - row["dec"])
        # Pixels, of 1.012 arcsec: theirs come from places on pixels and ours from the sky, which differ by hundredths.
        assert row["distnr"] == pytest.approx(separation * 3600 / 1.0125, rel=2e-3, abs=0.02)
        for k in "123":
            there = row[f"objectidps{k}"] != NONE_NEAR
            assert there == (row[f"distpsnr{k}"] != NONE_NEAR)
            assert there == (row["nmtchps"] >= int(k))
            assert (row[f"sgscore{k}"] >= 0) == there
    scores = [row[f"sgscore{k}"] for row in found for k in "123"]
    assert scores.count(0.5) == 6


def test_real_packets_pass_the_light_filters():
    rows = [packet["candidate"] for packet in packets()]
    columns = {name: np.array([row[name] for row in rows]) for name in ("magpsf", "nbad", "fwhm", "elong", "magdiff")}
    sigma = np.array([row["sigmapsf"] for row in rows])
    assert (failed_filters({**columns, "flux": 1.0857362 / sigma, "sigflux": np.ones(len(rows))}) == 0).all()
