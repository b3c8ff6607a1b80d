"""Identifiers against real headers and alerts: the numbers that others know our exposures by."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.real_data import REAL_DATA
from ztfpipe.errors import BadKey
from ztfpipe.model import identifiers

ALERTS = REAL_DATA / "alerts"

# OBSJD, rcid, fid of four real image headers (2017, 2019, 2020, 2025), and the identifiers they carry.
HEADERS = [
    # obsjd, rcid, fid, nid, expid, rawid, pid
    (2458116.6738079, 8, 1, 362, 36217380, 3621738008, 362173800815),
    (2458673.9857755, 15, 1, 919, 91948577, 9194857715, 919485771515),
    (2458968.001713, 55, 3, 1213, 121350171, 12135017155, 1213501715515),
    (2460681.6052315, 36, 2, 2927, 292710523, 29271052336, 2927105233615),
]
# Calibration kind, night id, rcid, fid, and the identifier in the same headers.
CALIBRATIONS = [
    ("pmask", 0, 8, 1, 8011),
    ("bias", 362, 8, 0, 36208002),
    ("hifreqflat", 362, 8, 1, 36208014),
    ("lofreqflat", 0, 8, 1, 8015),
    ("pmask", 396, 15, 1, 39615011),
    ("bias", 919, 15, 0, 91915002),
    ("hifreqflat", 919, 15, 1, 91915014),
    ("bias", 1212, 55, 0, 121255002),
    ("hifreqflat", 1212, 55, 3, 121255034),
    ("pmask", 396, 55, 3, 39655031),
    ("lofreqflat", 0, 55, 3, 55035),
    ("bias", 2927, 36, 0, 292736002),
    ("hifreqflat", 2927, 36, 2, 292736024),
    ("pmask", 1997, 36, 2, 199736021),
]


@pytest.mark.parametrize(("obsjd", "rcid", "fid", "nid", "expid", "rawid", "pid"), HEADERS)
def test_identifiers_of_real_headers(obsjd, rcid, fid, nid, expid, rawid, pid):
    assert identifiers.night_id(obsjd) == nid
    assert identifiers.exposure_id(obsjd) == expid
    assert identifiers.raw_id(expid, rcid) == rawid
    assert identifiers.processing_id(expid, rcid) == pid


@pytest.mark.parametrize(("kind", "nid", "rcid", "fid", "expected"), CALIBRATIONS)
def test_calibration_identifiers_of_real_headers(kind, nid, rcid, fid, expected):
    assert identifiers.calibration_id(kind, nid, rcid, fid) == expected


@pytest.mark.shared_data
def test_identifiers_of_real_alerts():
    import fastavro

    seen = 0
    for path in sorted(ALERTS.glob("*.avro")):
        with path.open("rb") as stream:
            for packet in fastavro.reader(stream):
                candidate = packet["candidate"]
                positive = candidate["isdiffpos"] in ("t", "1")
                pid = candidate["pid"]
                expid = identifiers.exposure_id(candidate["jd"])
                assert identifiers.night_id(candidate["jd"]) == candidate["nid"]
                assert identifiers.processing_id(expid, candidate["rcid"]) == pid
                assert identifiers.candidate_id(pid, positive, candidate["tblid"]) == candidate["candid"]
                if candidate.get("rfid") is not None:
                    rfid = identifiers.reference_id(candidate["field"], candidate["fid"], candidate["rcid"])
                    assert rfid == candidate["rfid"]
                seen += 1
    assert seen == 18


@given(days=st.integers(300, 9000), fraction=st.integers(0, 99999))
def test_exposure_id_of_a_rounded_date_does_not_slip(days, fraction):
    """A JD that a header rounds to seven decimals keeps its five digits, at the very edges of a digit, too."""
    jd = float(f"{identifiers.JD_OF_NIGHT_ZERO + days + fraction / 1e5:.7f}")
    assert identifiers.exposure_id(jd) == days * 10**5 + fraction
    assert identifiers.exposure_id(jd) // 10**5 == identifiers.night_id(jd)


@given(
    one=st.tuples(st.integers(10**6, 922 * 10**6), st.integers(0, 63), st.booleans(), st.integers(0, 4999)),
    two=st.tuples(st.integers(10**6, 922 * 10**6), st.integers(0, 63), st.booleans(), st.integers(0, 4999)),
)
def test_candidates_never_share_an_identifier(one, two):
    def candid(expid, rcid, positive, tblid):
        return identifiers.candidate_id(identifiers.processing_id(expid, rcid), positive, tblid)

    assert (candid(*one) == candid(*two)) == (one == two)
    # A long of Avro and SQL holds the survey's candidates up to night 9223, in April 2042.
    assert candid(*one) < 2**63


def test_reference_and_light_curve_identifiers():
    assert identifiers.reference_id(633, 2, 27) == 633120227
    assert identifiers.matchfile_reference_id(314, 1, 37) == 3140137
    assert identifiers.light_curve_id(250, 1, 1, 1, 123) == 250101100000123


@pytest.mark.parametrize("rcid", [-1, 64])
def test_readout_channel_out_of_range(rcid):
    for make in (
        lambda: identifiers.raw_id(1, rcid),
        lambda: identifiers.reference_id(1, 1, rcid),
        lambda: identifiers.matchfile_reference_id(1, 1, rcid),
        lambda: identifiers.calibration_id("bias", 1, rcid),
    ):
        with pytest.raises(BadKey, match="readout channel"):
            make()


def test_other_arguments_out_of_range():
    with pytest.raises(BadKey, match="tblid"):
        identifiers.candidate_id(1, True, 5000)
    with pytest.raises(BadKey, match="calibration type"):
        identifiers.calibration_id("dark", 1, 1)
    assert math.isclose(identifiers.JD_OF_NIGHT_ZERO, 2457754.5)
