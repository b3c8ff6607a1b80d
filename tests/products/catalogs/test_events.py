"""Tables of events: numbers, types, cutouts and what an empty one holds."""

import numpy as np
import pandas as pd
import pytest

from ztfpipe.errors import BadFile, BadKey
from ztfpipe.model import identifiers
from ztfpipe.model.candidates import (
    CUTOUT_COLUMNS,
    EXPOSURE_COLUMNS,
    RAW_TABLE,
    Cutouts,
    RawDetections,
)
from ztfpipe.model.difference import CANDIDATE_COLUMNS, CANDIDATE_TABLE, Candidates, DifferenceProducts
from ztfpipe.products.catalogs.events import (
    read_candidates,
    read_cutouts,
    read_raw_detections,
    write_candidates,
    write_raw_detections,
)

PID = 1127107111615
WORDS = {column.name: "x" if column.dtype == "str" else 7 for column in EXPOSURE_COLUMNS if column.name != "tblid"}
POSITIVE = np.array([True, False, True, True, False])


def candidates():
    some = np.linspace(1, 2, 5)
    values = dict.fromkeys(Candidates.__dataclass_fields__, some)
    values |= {"positive": POSITIVE, "converged": POSITIVE, "found": 5, "limiting_mag": 20.5}
    return Candidates(**values)


def made(**values):
    rng = np.random.default_rng(1)
    bits = np.array([0, 4, 0, 0, 9])
    elsewhere = {column.name for column in (*CANDIDATE_TABLE[:3], *CANDIDATE_COLUMNS, *EXPOSURE_COLUMNS)}
    more = {
        column.name: np.array(["x"] * 5) if column.dtype == "str" else np.arange(5)
        for column in CANDIDATE_TABLE
        if column.name not in elsewhere
    } | {"filterbits": bits}
    stamps = rng.normal(size=(3, 5, 63, 63)).astype(np.float32)
    stamps[0, 2, :5] = np.nan
    whole = {
        "shape": (100, 100), "difference": None, "candidates": candidates(), "ra_deg": np.linspace(10, 11, 5),
        "dec_deg": np.linspace(-5, 5, 5), "streaks": None, "metrics": {}, "status": 1, "notes": (), "more": more,
        "cutouts": Cutouts(*stamps),
    }  # fmt: skip
    return DifferenceProducts(**{**whole, **values})


def test_candidates_are_numbered_by_sign_and_keep_their_types(tmp_path):
    write_candidates(tmp_path / "c", made(), {**WORDS, "pid": PID})
    table = read_candidates(tmp_path / "c")
    assert list(table.columns) == [column.name for column in CANDIDATE_TABLE]
    assert table.tblid.tolist() == [0, 0, 1, 2, 1]
    expected = [identifiers.candidate_id(PID, sign, n) for sign, n in zip(POSITIVE, table.tblid, strict=True)]
    assert table.candid.tolist() == expected
    assert (table.pid == PID).all()
    assert (table.programpi == "x").all()
    for column in CANDIDATE_TABLE:
        if column.dtype != "str":
            assert table[column.name].dtype == np.dtype(column.dtype), column.name


def test_cutouts_of_those_that_pass_come_back_as_they_were(tmp_path):
    products = made()
    write_candidates(tmp_path / "c", products, {**WORDS, "pid": PID})
    candid, found = read_cutouts(tmp_path / "c")
    table = read_candidates(tmp_path / "c")
    assert candid.tolist() == table.candid[table.filterbits == 0].tolist()
    for name in ("science", "template", "difference"):
        assert np.array_equal(getattr(found, name), getattr(products.cutouts, name)[[0, 2, 3]], equal_nan=True)
    assert not set(table.columns) & {column.name for column in CUTOUT_COLUMNS}


def test_no_candidates_and_no_difference_are_tables_without_rows(tmp_path):
    write_candidates(tmp_path / "c", made(candidates=None, cutouts=None, more={}), WORDS)
    assert len(read_candidates(tmp_path / "c")) == 0
    candid, found = read_cutouts(tmp_path / "c")
    assert len(candid) == len(found) == 0
    write_raw_detections(tmp_path / "r", made(), PID, 26.0)
    assert len(read_raw_detections(tmp_path / "r")) == 0


def test_a_table_that_lacks_a_column_is_refused(tmp_path):
    pd.DataFrame({"candid": [1]}).to_parquet(tmp_path / "c")
    with pytest.raises(BadFile, match="column ra missing"):
        read_candidates(tmp_path / "c")
    with pytest.raises(BadFile, match="no such file"):
        read_candidates(tmp_path / "nothing")


def raw(n):
    rng = np.random.default_rng(2)
    value = rng.uniform(3, 5, n)
    place = rng.uniform(0, 3000, (2, n))
    return RawDetections(*place, rng.uniform(size=n) < 0.5, value, value * 10, np.full(n, 10.0), False)


def test_raw_detections_are_small_and_have_numbers_of_their_own(tmp_path):
    """A quadrant of noise has eleven thousand."""
    n = 11_000
    found = raw(n)
    sky = np.random.default_rng(3).uniform(40, 41, (2, n))
    products = made(raw=found, raw_ra_deg=sky[0], raw_dec_deg=sky[1])
    write_raw_detections(tmp_path / "r", products, PID, 26.2)
    table = read_raw_detections(tmp_path / "r")
    assert list(table.columns) == [column.name for column in RAW_TABLE]
    assert table.candid.is_unique
    assert (table.candid // 10**6 == PID).all()
    numbers = table.candid % 10**6
    assert numbers.min() >= 100_000  # candidates have 10000 to 19999
    assert ((numbers >= 550_000) == table.isdiffpos).all()
    assert table.xpos.to_numpy() == pytest.approx(found.x_px + 1, abs=2e-4)
    assert table.magpsf.to_numpy() == pytest.approx(26.2 - 2.5 * np.log10(found.flux_adu), abs=1e-5)
    assert table.sigmapsf.to_numpy() == pytest.approx(1.0857 / found.scorr, rel=1e-4)
    assert np.abs(table.ra - sky[0]).max() <= 0.51e-7
    # 45 bytes a row, of which noise fills 28: candid counts, and digits beyond 1e-7 deg are not kept.
    assert (tmp_path / "r").stat().st_size < 30 * n


def test_more_raw_detections_than_there_are_numbers_are_refused():
    with pytest.raises(BadKey):
        identifiers.raw_detection_id(PID, True, 450_000)
    assert identifiers.raw_detection_id(PID, False, 449_999) < identifiers.raw_detection_id(PID, True, 0)
