"""Tables as Parquet: what is wrong with a file is said by its name, and contracts give order and types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ztfpipe.errors import BadFile
from ztfpipe.model.columns import Column
from ztfpipe.products.formats.plain import read_contract, read_table, typed, write_table

CONTRACT = (
    Column("candid", "int64", "", "number"),
    Column("magpsf", "float32", "mag", "magnitude"),
    Column("objectId", "str", "", "name"),
)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "year=2019" / "some.parquet"
    path.parent.mkdir()
    columns = {"objectId": ["ZTF19aaa", "ZTF19aab"], "candid": [1, 2], "magpsf": [18.5, np.nan]}
    write_table(path, typed(columns, CONTRACT))
    return path


def test_a_contract_gives_order_types_and_all_values(stored):
    table = read_contract(stored, CONTRACT)
    assert list(table.columns) == ["candid", "magpsf", "objectId"]
    assert table["candid"].dtype == np.int64
    assert table["magpsf"].dtype == np.float32
    assert table["objectId"].tolist() == ["ZTF19aaa", "ZTF19aab"]
    assert table["magpsf"][0] == np.float32(18.5)
    assert np.isnan(table["magpsf"][1])


def test_no_columns_are_no_rows_of_the_same_types():
    nothing = typed({}, CONTRACT)
    some = typed({"candid": [1], "magpsf": [1.0], "objectId": ["a"]}, CONTRACT)
    assert len(nothing) == 0
    assert nothing.dtypes.tolist() == some.dtypes.tolist()


def test_a_row_filter_is_honoured(stored):
    assert read_contract(stored, CONTRACT, [("candid", "=", 2)])["objectId"].tolist() == ["ZTF19aab"]


def test_a_missing_column_is_named(stored):
    with pytest.raises(BadFile, match=r"some\.parquet.*field"):
        read_contract(stored, (*CONTRACT, Column("field", "int32", "", "field")))


@pytest.mark.parametrize("keep", [0, 3, 40, -1])
def test_a_truncated_table_is_a_bad_file_not_a_traceback(stored, keep):
    whole = stored.read_bytes()
    stored.write_bytes(whole[:keep])
    for read in (lambda: read_table(stored), lambda: read_contract(stored, CONTRACT)):
        with pytest.raises(BadFile, match=r"some\.parquet: not readable as Parquet"):
            read()


def test_damaged_pages_are_a_bad_file(stored):
    """Overwritten data between an intact head and an intact foot: only the pages' checksums can tell."""
    rng = np.random.default_rng(1)
    columns = {"candid": rng.integers(0, 1 << 62, 5000), "magpsf": rng.random(5000), "objectId": ["a"] * 5000}
    write_table(stored, typed(columns, CONTRACT))
    damaged = bytearray(stored.read_bytes())
    damaged[100:20000] = b"\xff" * 19900
    stored.write_bytes(bytes(damaged))
    with pytest.raises(BadFile, match=r"some\.parquet: not readable as Parquet"):
        read_table(stored)


def test_an_absent_table_is_a_bad_file(tmp_path):
    with pytest.raises(BadFile, match=r"gone\.parquet: no such file"):
        read_table(tmp_path / "gone.parquet")
