"""The record of what was published: believed as far as it is whole, grown only."""

import os

import pytest

from ztfpipe.errors import BadKey, Busy, TryAgain
from ztfpipe.products.alerts.sent import SentRecord

ADDRESSES = [("ztf_20180410_programid1", 465187500015015000 + k) for k in range(40)]


def record(tmp_path, cluster="abc"):
    return SentRecord(cluster, "20180410", tmp_path)


def path_of_topic(tmp_path):
    return tmp_path / "abc" / "20180410" / "ztf_20180410_programid1.candids"


def test_what_was_added_is_there_for_the_next_one(tmp_path):
    with record(tmp_path) as one:
        one.add(ADDRESSES[:10])
        one.add([*ADDRESSES[10:12], ("tess", ADDRESSES[0][1])])
        one.finish("sci/a.tar.gz", "12 34", {"tess": 1})
    with record(tmp_path) as one:
        assert all(address in one for address in ADDRESSES[:12])
        assert ADDRESSES[12] not in one
        assert ("tess", ADDRESSES[0][1]) in one
        assert one.finished("sci/a.tar.gz", "12 34") == {"tess": 1}
        assert one.finished("sci/a.tar.gz", "12 35") is None
    with record(tmp_path, "another") as one:
        assert ADDRESSES[0] not in one


def test_cut_anywhere_what_is_left_is_believed_and_nothing_else(tmp_path):
    """As a kill or a lost machine leaves it: any length, and pages that were never written."""
    with record(tmp_path) as one:
        one.add(ADDRESSES)
    path = path_of_topic(tmp_path)
    whole = path.read_bytes()
    line = len(whole) // len(ADDRESSES)
    for length in range(0, len(whole), 31):
        for content in (whole[:length], whole[:length] + bytes(len(whole) - length)):
            path.write_bytes(content)
            with record(tmp_path) as one:
                assert [address for address in ADDRESSES if address in one] == ADDRESSES[: length // line]
                one.add(ADDRESSES[length // line :])
            assert path.read_bytes() == whole


def test_a_full_disk_leaves_no_torn_line(tmp_path, monkeypatch):
    with record(tmp_path) as one:
        one.add(ADDRESSES[:3])
        content = path_of_topic(tmp_path).read_bytes()

        def full(_descriptor):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(TryAgain):
                one.add(ADDRESSES[3:])
        assert path_of_topic(tmp_path).read_bytes() == content
        one.add(ADDRESSES[3:])
    with record(tmp_path) as one:
        assert all(address in one for address in ADDRESSES)


def test_one_at_a_time(tmp_path):
    with record(tmp_path), pytest.raises(Busy, match="night 20180410"):
        record(tmp_path)
    with record(tmp_path):
        pass


def test_a_cluster_names_a_folder(tmp_path):
    with record(tmp_path, "../../etc:9092,b:9092"):
        assert [path.name for path in tmp_path.iterdir()] == [".._.._etc_9092_b_9092"]
    with pytest.raises(BadKey):
        record(tmp_path, "..")
