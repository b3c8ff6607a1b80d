"""The operations database on SQLite and on PostgreSQL: rows in, rows out, kills, versions."""

import functools
import os
import signal
import time

import pandas as pd
import pytest
import sqlalchemy as sa

from tests.night_scene import night_records
from ztfpipe.errors import BadFile, TryAgain
from ztfpipe.pipelines.quality.database import night_rows
from ztfpipe.products.database import engine, store
from ztfpipe.products.database.store import SCHEMA, read_rows, rebuild, update_night

NIGHTS = ("20180325", "20180326")


@functools.cache
def rows_of(night: str, **changes):
    return night_rows(night_records(night, **changes))


def content(url: str) -> dict[str, pd.DataFrame]:
    """All tables in the order of their keys."""
    return {name: read_rows(url, sa.select(table).order_by(*table.primary_key)) for name, table in SCHEMA.items()}


def same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> bool:
    return all(left[name].equals(right[name]) for name in SCHEMA)


def test_what_goes_in_comes_out_bit_for_bit(database):
    rows = rows_of(NIGHTS[0])
    update_night(database, NIGHTS[0], rows)
    found = content(database)
    for name, table in found.items():
        assert len(table) == len(rows[name]), name
        contract = SCHEMA[name]
        keys = [column.name for column in contract.primary_key]
        wanted = sorted(rows[name], key=lambda row: tuple(row[key] for key in keys))
        for given, row in zip(table.to_dict("records"), wanted, strict=True):
            for column, value in row.items():
                assert pd.isna(given[column]) if value is None else given[column] == value, (name, column)


def test_a_second_update_changes_nothing_and_a_new_record_replaces_the_old(database):
    update_night(database, NIGHTS[0], rows_of(NIGHTS[0]))
    once = content(database)
    update_night(database, NIGHTS[0], rows_of(NIGHTS[0]))
    assert same(content(database), once)
    update_night(database, NIGHTS[0], rows_of(NIGHTS[0], pabszp=0.5))
    moved = content(database)["quadrants"]["pabszp"] - once["quadrants"]["pabszp"]
    changed = (once["quadrants"]["rcid"] == 36) & (once["quadrants"]["status"] == 1)
    assert set(moved[changed].round(9)) == {0.5}
    assert set(moved[~changed].dropna()) == {0.0}
    # A night that has fewer exposures now has no rows of the others left.
    update_night(database, NIGHTS[0], rows_of(NIGHTS[0], exposures=1))
    assert len(content(database)["exposures"]) == 1


def test_rebuilt_is_what_was_updated_night_by_night(database):
    for night in (*NIGHTS, NIGHTS[0]):
        update_night(database, night, rows_of(night))
    updated = content(database)
    assert rebuild(database, ((night, rows_of(night)) for night in NIGHTS)) == 2
    assert same(content(database), updated)
    assert rebuild(database, iter([])) == 0
    assert not len(content(database)["quadrants"])


def test_a_rebuild_that_fails_leaves_what_was_there(database):
    update_night(database, NIGHTS[0], rows_of(NIGHTS[0]))
    before = content(database)

    def nights():
        yield NIGHTS[1], rows_of(NIGHTS[1])
        raise BadFile("a plan", "cannot be read")

    with pytest.raises(BadFile, match="a plan"):
        rebuild(database, nights())
    assert same(content(database), before)


def test_a_writer_killed_at_any_moment_leaves_the_night_as_it_was_or_as_it_is(database):
    many = rows_of(NIGHTS[0], exposures=30)
    update_night(database, NIGHTS[0], rows_of(NIGHTS[0]))
    before = content(database)
    states = set()
    for pause_s in (0.01, 0.05, 0.2):
        writer = os.fork()
        if not writer:
            update_night(database, NIGHTS[0], many)
            os._exit(0)
        time.sleep(pause_s)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        after = content(database)
        assert same(after, before) or len(after["exposures"]) == 30
        states.add(len(after["exposures"]))
    assert states <= {3, 30}
    update_night(database, NIGHTS[0], rows_of(NIGHTS[0]))
    assert same(content(database), before)


def test_a_second_writer_waits_for_the_first_and_gives_up_in_the_end(database, monkeypatch):
    update_night(database, NIGHTS[0], rows_of(NIGHTS[0]))
    monkeypatch.setattr(engine, "WAIT_S", 0.2)
    with engine.writing(database) as connection:
        connection.execute(SCHEMA["runs"].delete())
        with pytest.raises(TryAgain):
            update_night(database, NIGHTS[1], rows_of(NIGHTS[1]))
        # Who reads meanwhile sees what was there before.
        assert len(content(database)["runs"])
    update_night(database, NIGHTS[1], rows_of(NIGHTS[1]))


def test_tables_of_another_version_are_refused_and_made_anew(database, monkeypatch):
    update_night(database, NIGHTS[0], rows_of(NIGHTS[0]))
    monkeypatch.setattr(store, "VERSION", "another")
    for ask in (lambda: content(database), lambda: update_night(database, NIGHTS[0], rows_of(NIGHTS[0]))):
        with pytest.raises(BadFile, match="ztfpipe database rebuild"):
            ask()
    rebuild(database, [(NIGHTS[0], rows_of(NIGHTS[0]))])
    assert len(content(database)["nights"]) == 1


def test_what_is_no_database_is_said_to_be_none(tmp_path):
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    with pytest.raises(BadFile, match="there is no operations database"):
        content(url)
    (tmp_path / "a.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(BadFile, match="not usable as an operations database"):
        update_night(url, NIGHTS[0], rows_of(NIGHTS[0]))
    with pytest.raises(BadFile):
        content(url)


def test_a_server_that_is_away_is_tried_again(tmp_path):
    with pytest.raises(TryAgain, match="postgresql://someone@/nothing"):
        content(f"postgresql://someone@/nothing?host={tmp_path}")


def test_an_empty_database_of_a_server_is_said_to_be_empty(database):
    if engine.is_postgresql(database):
        with pytest.raises(BadFile, match="there is no operations database"):
            content(database)
