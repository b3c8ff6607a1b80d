"""The incoming folder and the list of files sent."""

from __future__ import annotations

import errno
import os

import pytest

from ztfpipe.errors import BadFile
from ztfpipe.model.incoming import Announcement
from ztfpipe.products.arrival import incoming


def test_list_of_files_sent(tmp_path):
    (tmp_path / "sent.csv").write_text("name,size,md5\na.fits,12,AB\nb.fits,,\n\n")
    assert incoming.sent_list(tmp_path) == {
        "a.fits": Announcement("a.fits", 12, "ab"),
        "b.fits": Announcement("b.fits", None, None),
    }


def test_list_with_names_only(tmp_path):
    (tmp_path / "sent.csv").write_text("name\na.fits\n")
    assert incoming.sent_list(tmp_path) == {"a.fits": Announcement("a.fits")}


def test_no_list(tmp_path):
    assert incoming.sent_list(tmp_path) is None


@pytest.mark.parametrize("text", ["", "file,size\na,1\n", "name,size,md5\na.fits,many,x\n"])
def test_list_that_cannot_be_read(tmp_path, text):
    (tmp_path / "sent.csv").write_text(text)
    with pytest.raises(BadFile, match=r"sent.csv: the list of files sent"):
        incoming.sent_list(tmp_path)


def test_what_counts_as_received(tmp_path):
    for name in ("b.fits", "a.fits", "sent.csv", ".a.fits.tmp"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder").mkdir()
    assert list(incoming.received(tmp_path)) == ["a.fits", "b.fits"]
    assert incoming.received(tmp_path / "none") == {}


def test_digest_of_an_absent_folder_changes_when_it_comes(tmp_path):
    folder = tmp_path / "20180325"
    before = incoming.incoming_digest(folder)
    folder.mkdir()
    (folder / "a").write_text("x")
    assert incoming.incoming_digest(folder) != before


def test_link_where_possible_and_copy_elsewhere(tmp_path, monkeypatch):
    source = tmp_path / "a"
    source.write_text("x")
    incoming.link_or_copy(source, tmp_path / "aside" / "a")
    assert (tmp_path / "aside" / "a").samefile(source)
    incoming.link_or_copy(source, tmp_path / "aside" / "a")  # again: nothing to do, nothing left behind

    def no_links(*_paths):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", no_links)
    incoming.link_or_copy(source, tmp_path / "aside" / "b")
    assert not (tmp_path / "aside" / "b").samefile(source)
    assert (tmp_path / "aside" / "b").read_text() == "x"
    assert sorted(one.name for one in (tmp_path / "aside").iterdir()) == ["a", "b"]


def test_copy_is_verified(tmp_path):
    source = tmp_path / "a"
    source.write_text("x")
    with pytest.raises(BadFile, match="has changed since it was verified"):
        incoming.copy_verified(source, tmp_path / "b", "0" * 32)
    assert not (tmp_path / "b").exists()
    incoming.copy_verified(source, tmp_path / "b", incoming.file_md5(source))
    assert (tmp_path / "b").read_text() == "x"
