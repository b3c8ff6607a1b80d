"""A product has its whole content and its name, or does not exist."""

from __future__ import annotations

import errno
import os

import pytest

from ztfpipe.errors import TryAgain
from ztfpipe.products.formats.atomic import atomic_write, machine_faults, write_text


def test_folders_are_made_and_nothing_else_stays(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    write_text(path, "x")
    assert path.read_text() == "x"
    assert list(path.parent.iterdir()) == [path]


def test_hidden_while_it_is_written_and_unique(tmp_path):
    path = tmp_path / "c.txt"
    with atomic_write(path) as one, atomic_write(path) as two:
        assert one != two
        assert one.parent == two.parent == tmp_path
        assert one.name.startswith(".")
        one.write_text("1")
        two.write_text("2")
        assert not path.exists()
    assert path.read_text() == "1"  # the outer one is renamed last


def fail_half_way(path, error):
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error


@pytest.mark.parametrize(
    "error", [RuntimeError("bug"), KeyboardInterrupt(), OSError(errno.EACCES, "Permission denied")]
)
def test_failure_leaves_the_earlier_file(tmp_path, error):
    path = tmp_path / "c.txt"
    write_text(path, "earlier")
    with pytest.raises(type(error)):
        fail_half_way(path, error)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_passing_faults_are_named(tmp_path, code):
    path = tmp_path / "c.txt"
    with pytest.raises(TryAgain) as caught:
        fail_half_way(path, OSError(code, os.strerror(code)))
    assert str(caught.value) == f"{path}: {os.strerror(code)}"
    assert list(tmp_path.iterdir()) == []


def test_fault_while_flushing(tmp_path, monkeypatch):
    """A full disk may show only when the data are flushed."""

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TryAgain):
        write_text(tmp_path / "c.txt", "x")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_pass_through():
    with pytest.raises(FileNotFoundError), machine_faults("a"):
        raise FileNotFoundError(errno.ENOENT, "a")
