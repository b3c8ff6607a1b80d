"""Dated copies: whole, of one moment, as many as wanted."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.night_scene import night_records
from tests.products.database.test_store import content, same
from ztfpipe.errors import BadFile
from ztfpipe.pipelines.quality.database import night_rows
from ztfpipe.products.database import snapshot
from ztfpipe.products.database.engine import is_postgresql
from ztfpipe.products.database.snapshot import snapshots, take_snapshot
from ztfpipe.products.database.store import SCHEMA, update_night
from ztfpipe.products.formats.plain import read_table

NIGHT = "20180325"
WHEN = datetime(2018, 3, 26, 15, tzinfo=UTC)


@pytest.fixture
def filled(database):
    update_night(database, NIGHT, night_rows(night_records(NIGHT)))
    return database


def test_a_copy_has_what_the_database_had(filled, tmp_path):
    before = content(filled)
    copy = take_snapshot(filled, tmp_path / "copies", WHEN, 3)
    update_night(filled, NIGHT, night_rows(night_records(NIGHT, exposures=1)))
    assert copy.name.startswith("operations_20180326T150000")
    if is_postgresql(filled):
        for name in SCHEMA:
            table = read_table(copy / f"{name}.parquet")
            keys = [column.name for column in SCHEMA[name].primary_key]
            table = table.sort_values(keys, ignore_index=True).astype(before[name].dtypes.to_dict())
            assert table.equals(before[name]), name
    else:
        assert same(content(f"sqlite:///{copy}"), before)


def test_the_oldest_copies_go(filled, tmp_path):
    made = [take_snapshot(filled, tmp_path / "copies", WHEN + timedelta(days=day), 2) for day in range(4)]
    assert snapshots(tmp_path / "copies") == made[2:]


def test_a_copy_that_fails_leaves_nothing(filled, tmp_path, monkeypatch):
    def broken(*_):
        raise BadFile("the database", "is damaged")

    monkeypatch.setattr(snapshot.sqlite3 if not is_postgresql(filled) else snapshot, "connect" if not is_postgresql(
        filled) else "_write_table", broken)  # fmt: skip
    with pytest.raises(BadFile, match="damaged"):
        take_snapshot(filled, tmp_path / "copies", WHEN, 2)
    assert not list((tmp_path / "copies").iterdir())


def test_of_no_database_there_is_no_copy(tmp_path):
    with pytest.raises(BadFile, match="there is no operations database"):
        take_snapshot(f"sqlite:///{tmp_path / 'none'}", tmp_path, WHEN, 2)
