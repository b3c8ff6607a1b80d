"""Keys check their own ranges, so that a wrong one never becomes a path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztfpipe.errors import BadKey
from ztfpipe.model.keys import (
    CalibrationKey,
    CutoffKey,
    ExposureKey,
    IncomingKey,
    NightKey,
    ProgramKey,
    QuadrantKey,
    RawKey,
    ReferenceKey,
    ReleaseKey,
)

EXPOSURE = ("20180325260762", 314, "zg", "o")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (NightKey, ("2018032",)),
        (NightKey, ("20180231",)),
        (NightKey, ("20181301",)),
        (NightKey, ("٢٠١٨٠٣٢٥",)),  # digits, but not of ASCII
        (NightKey, ("20180325\n",)),
        (CutoffKey, ("20180325", "2500")),
        (CutoffKey, ("20180325", "0660")),
        (CutoffKey, ("20180325", "600")),
        (IncomingKey, ("20180325", "a b")),
        (IncomingKey, ("20180325", "../a")),
        (IncomingKey, ("20180325", "")),
        (IncomingKey, ("20180325", "-a")),
        (ExposureKey, ("2018032526076", 314, "zg", "o")),
        (ExposureKey, ("20180325260762", -1, "zg", "o")),
        (ExposureKey, ("20180325260762", 10**6, "zg", "o")),
        (ExposureKey, ("20180325260762", 314, "zu", "o")),
        (ExposureKey, ("20180325260762", 314, "zg", "x")),
        (ExposureKey, ("20180325260762", 0, "zg", "b")),
        (ExposureKey, ("20180325260762", 0, "bi", "f")),
        (RawKey, (ExposureKey(*EXPOSURE), 0)),
        (RawKey, (ExposureKey(*EXPOSURE), 17)),
        (QuadrantKey, (ExposureKey(*EXPOSURE), 1, 0)),
        (QuadrantKey, (ExposureKey(*EXPOSURE), 1, 5)),
        (CalibrationKey, ("20180325", "bi", 1, 1)),
        (CalibrationKey, ("20180325", "00", 17, 1)),
        (ReferenceKey, (0, "zg", 1, 1)),
        (ReferenceKey, (10000, "zg", 1, 1)),
        (ReferenceKey, (314, "00", 1, 1)),
        (ReleaseKey, (0, ReferenceKey(314, "zg", 1, 1))),
        (ProgramKey, ("20180325", 4)),
    ],
)
def test_out_of_range(kind, values):
    with pytest.raises(BadKey, match=" is not "):
        kind(*values)


@given(ccdid=st.integers(1, 16), qid=st.integers(1, 4))
def test_rcid_counts_the_quadrants_through(ccdid, qid):
    for key in (
        QuadrantKey(ExposureKey(*EXPOSURE), ccdid, qid),
        CalibrationKey("20180325", "00", ccdid, qid),
        ReferenceKey(314, "zg", ccdid, qid),
    ):
        assert divmod(key.rcid, 4) == (ccdid - 1, qid - 1)


def test_keys_of_an_exposure():
    key = QuadrantKey(ExposureKey(*EXPOSURE), 8, 2)
    assert (key.night, key.exposure.fracday) == ("20180325", "260762")
    assert key.raw == RawKey(ExposureKey(*EXPOSURE), 8)
    assert key.raw.night == "20180325"


def test_keys_sort_in_order_of_time():
    times = ["20180325260762", "20180325100000", "20180324999999"]
    assert [key.filefracday for key in sorted(ExposureKey(time, 1, "zg", "o") for time in times)] == sorted(times)


def test_a_cutoff_holds_what_began_before_it():
    six = CutoffKey("20180325", "0600")
    assert six.holds("20180325249999")
    assert not six.holds("20180325250000")  # six o'clock itself
    assert not six.holds("20180324100000")
    assert CutoffKey("20180325", "2400").holds("20180325999999")
