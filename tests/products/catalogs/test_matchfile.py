"""Matchfiles: structure of a real one, appending that a killed process does not harm, bytes that scale with the
epoch."""

import os
import signal

import numpy as np
import pytest
import tables

from tests.real_data import REAL_DATA
from ztfpipe.errors import BadFile, TryAgain
from ztfpipe.model.lightcurve import DTYPES, MATCH_TABLES, EpochRows
from ztfpipe.products.catalogs import matchfile
from ztfpipe.products.formats.hdf5 import appending, recover, undo_path

REAL = REAL_DATA / "matchfile" / "ztf_000245_zr_c10_q1_match.pytable"
ATTRIBUTES = {
    "fieldID": 245, "rcID": 36, "calibratedSinceLastMatch": -1, "referenceVersion": 1, "recipeVersion": 1,
    "settings": "{}",
}  # fmt: skip


def epoch(number: int, rows: int = 1000) -> EpochRows:
    """An epoch whose rows tell its number."""
    parts = {name: np.zeros(rows, DTYPES[name]) for name in DTYPES if name != "sources"}
    parts["exposures"], parts["transients"] = parts["exposures"][:1], parts["transients"][:2]
    parts["exposures"]["fracday"] = number
    parts["sourcedata"]["mag"], parts["sourcedata"]["matchid"] = number, np.arange(rows)
    return EpochRows(**parts)


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "match.pytable"
    matchfile.create(found, ATTRIBUTES, np.zeros(10, DTYPES["sources"]))
    matchfile.append_epochs(found, [epoch(1), epoch(2)])
    return found


@pytest.mark.shared_data
def test_tables_titles_columns_and_types_are_those_of_a_real_matchfile(path):
    with tables.open_file(str(REAL)) as real, tables.open_file(str(path)) as ours:
        assert ours.get_node("/matches")._v_title == real.get_node("/matches")._v_title
        for table in real.get_node("/matches"):
            own = ours.get_node("/matches", table._v_name)
            names = table.dtype.names
            assert own.title == table.title
            assert own.dtype.names[: len(names)] == names
            assert [own.dtype[name] for name in names] == [table.dtype[name] for name in names]
            assert set(table.attrs._f_list("user")) <= set(own.attrs._f_list("user"))


def test_what_is_appended_is_read_again(path):
    assert matchfile.read_head(path).fracdays == (1, 2)
    assert matchfile.read_head(path).attributes["calibratedSinceLastMatch"] == 0
    rows = matchfile.read_rows(path, "sourcedata")
    assert rows["mag"].tolist() == [1.0] * 1000 + [2.0] * 1000
    columns = matchfile.read_columns(path, "sourcedata", ["matchid"])
    assert columns["matchid"].tolist() == rows["matchid"].tolist()
    assert matchfile.rows_of_sources(path, "sourcedata", np.array([7]))["mag"].tolist() == [1.0, 2.0]
    assert {name: len(matchfile.read_rows(path, name)) for name in MATCH_TABLES} == {
        "exposures": 2, "sourcedata": 2000, "sources": 10, "transientdata": 2000, "transients": 4,
        "nondetections": 2000,
    }  # fmt: skip


def test_an_error_while_appending_leaves_every_byte(path):
    content = path.read_bytes()

    def epochs():
        yield epoch(3, 40_000)
        raise ValueError

    with pytest.raises(ValueError):
        matchfile.append_epochs(path, epochs())
    assert path.read_bytes() == content
    assert not undo_path(path).exists()


@pytest.mark.parametrize("flushed", [False, True])
def test_a_process_killed_while_appending_leaves_the_file_as_it_was(path, flushed):
    content = path.read_bytes()
    child = os.fork()
    if child == 0:  # pragma: no cover
        with appending(path) as file:
            file.get_node("/matches/sourcedata").append(epoch(3, 50_000).sourcedata)
            if flushed:
                file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert undo_path(path).exists()
    assert matchfile.read_head(path).fracdays == (1, 2)
    assert path.read_bytes() == content
    assert not recover(path)


def test_two_do_not_append_at_once(path):
    with appending(path):
        with pytest.raises(TryAgain, match="another process is appending"):
            matchfile.append_epochs(path, [epoch(3)])
        with pytest.raises(TryAgain, match="another process is appending"):
            matchfile.read_head(path)
    assert matchfile.append_epochs(path, [epoch(3)]) == 1


def test_bytes_written_by_an_append_scale_with_the_epoch_and_not_with_the_file(path):
    for number in range(3, 60):
        matchfile.append_epochs(path, [epoch(number, 4000)])
    before = np.frombuffer(path.read_bytes(), np.uint8)
    size = before.size
    with appending(path):
        kept = undo_path(path).stat().st_size
    matchfile.append_epochs(path, [epoch(60, 4000)])
    after = np.frombuffer(path.read_bytes(), np.uint8)
    changed = np.count_nonzero(before != after[:size])
    one = sum(getattr(epoch(60, 4000), name).nbytes for name in MATCH_TABLES if name != "sources")
    # The headers and indices of chunks change in place, less than a chunk of 0.5 MB; new chunks are whole ones, at most
    # one a table more than the rows need. The undo file holds one chunk a table at most, and what is no chunk.
    chunk = 1 << 19
    assert size > 20 * one
    assert changed < chunk
    assert after.size - size <= one + 5 * chunk
    assert kept < 6 * chunk + 65536 < size / 4


def test_a_rewritten_file_has_the_other_content_and_keeps_the_rest(path):
    sources = np.ones(10, DTYPES["sources"])

    def brighter(block, first):
        block["mag"] -= 1

    matchfile.rewrite(
        path, path, {"calibratedSinceLastMatch": 1}, (1, 2, 3, 4), {"sources": sources}, {"sourcedata": brighter}
    )
    head = matchfile.read_head(path)
    assert head.error_model == (1, 2, 3, 4)
    assert head.attributes == {**ATTRIBUTES, "calibratedSinceLastMatch": 1}
    assert matchfile.read_rows(path, "sourcedata")["mag"].tolist() == [0.0] * 1000 + [1.0] * 1000
    assert matchfile.read_rows(path, "sources")["nobs"].tolist() == [1] * 10


def test_what_is_no_matchfile_is_refused(tmp_path):
    path = tmp_path / "match.pytable"
    with pytest.raises(BadFile, match="no such file"):
        matchfile.read_head(path)
    path.write_bytes(b"not HDF5" * 100)
    with pytest.raises(BadFile, match="not an HDF5 file"):
        matchfile.read_head(path)
    with pytest.raises(BadFile, match="not an HDF5 file"):
        matchfile.append_epochs(path, [epoch(1)])
    with tables.open_file(str(path), "w"):
        pass
    with pytest.raises(BadFile, match="group /matches missing"):
        matchfile.read_head(path)


def test_a_damaged_undo_file_is_said(path):
    undo_path(path).write_bytes(b"x" * 100)
    with pytest.raises(BadFile, match="not an undo file"):
        matchfile.read_head(path)
