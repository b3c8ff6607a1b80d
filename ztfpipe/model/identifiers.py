"""Identifiers of the survey's database: functions of the exposure and quadrant, so that a re-run gives the same ones.

The formulas were fitted to real alerts and image headers; tests hold them to real packets.
"""

from __future__ import annotations

import hashlib
import math
import string
from datetime import date

from ztfpipe.errors import BadKey

JD_OF_NIGHT_ZERO = 2457754.5
"""2017-01-01 00:00 UT."""
PIPELINE_ID = 15
"""Last two digits of pid: the instrumental-calibration pipeline (header DBPIPEID)."""
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
CALIBRATION_TYPES = {"pmask": 1, "bias": 2, "hifreqflat": 4, "lofreqflat": 5}


def night_id(jd: float) -> int:
    """Days since 2017-01-01 UT (`nid`) of Julian date `jd`."""
    return math.floor(jd - JD_OF_NIGHT_ZERO)


def night_jd(night: str) -> float:
    """Julian date of 0 h UT of a night, YYYYMMDD."""
    day = date(int(night[:4]), int(night[4:6]), int(night[6:]))
    return JD_OF_NIGHT_ZERO + (day - date(2017, 1, 1)).days


def exposure_id(jd: float) -> int:
    """`expid`: night id, then five digits of the UT day fraction, truncated. `jd` is the start of the exposure."""
    days = jd - JD_OF_NIGHT_ZERO
    # A JD in double precision is good to 4e-10 d; the margin keeps 0.26076 from truncating to 0.26075.
    return math.floor(days * 1e5 + 1e-4)


def raw_id(expid: int, rcid: int) -> int:
    """Header DBRID: exposure id followed by the two digits of the readout channel."""
    _check_rcid(rcid)
    return expid * 100 + rcid


def processing_id(expid: int, rcid: int) -> int:
    """`pid`: exposure id, readout channel, pipeline id."""
    return raw_id(expid, rcid) * 100 + PIPELINE_ID


def candidate_id(pid: int, positive: bool, tblid: int) -> int:
    """`candid` of extraction `tblid` (zero-based per image and sign) of the image with processing id `pid`."""
    if not 0 <= tblid < 5000:
        raise BadKey("tblid", tblid, "0 to 4999: an image has no more candidates of one sign")
    return pid * 10**6 + 10000 + (5000 if positive else 0) + tblid


def raw_detection_id(pid: int, positive: bool, number: int) -> int:
    """Identifier of raw detection `number` (zero-based per image and sign), below those of candidates' significance.

    Candidates have 10000 to 19999 of the last six digits; raw detections, of which noise alone makes more than there is
    room for there, have those from 100000 (negative) and from 550000 (positive).
    """
    if not 0 <= number < 450_000:
        raise BadKey("number of a raw detection", number, "0 to 449999")
    return pid * 10**6 + (550_000 if positive else 100_000) + number


def reference_id(field: int, fid: int, rcid: int) -> int:
    """`rfid` of alerts: field, 120, filter number, readout channel."""
    _check_rcid(rcid)
    return int(f"{field}120{fid}{rcid:02d}")


def matchfile_reference_id(field: int, fid: int, rcid: int) -> int:
    """`referenceImageID` of matchfiles: field * 10^4 + filter number * 100 + readout channel."""
    _check_rcid(rcid)
    return field * 10**4 + fid * 100 + rcid


def calibration_id(kind: str, nid: int, rcid: int, fid: int = 0) -> int:
    """Header CIDxxx: night id, readout channel, filter number (0 for a bias) and type; night 0 is a static product."""
    _check_rcid(rcid)
    if kind not in CALIBRATION_TYPES:
        raise BadKey("calibration type", kind, f"one of {', '.join(CALIBRATION_TYPES)}")
    return nid * 10**5 + rcid * 10**3 + fid * 10 + CALIBRATION_TYPES[kind]


def light_curve_id(field: int, fid: int, ccdid: int, qid: int, sourceid: int) -> int:
    """`oid` of light curves: field, filter number, CCD, quadrant and eight digits of the reference source id."""
    return int(f"{field}{fid}{ccdid:02d}{qid}{sourceid:08d}")


def short_name(letter: str, content: str) -> str:
    """A name of seven letters and digits, the first given, that is a function of `content`: what the Minor Planet
    Center allows as an observer's own name of an object. Two contents in 10^5 share one with a chance of one tenth."""
    number = int.from_bytes(hashlib.sha256(content.encode()).digest()[:8])
    digits = []
    for _ in range(6):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return letter + "".join(digits)


def _check_rcid(rcid: int) -> None:
    if not 0 <= rcid <= 63:
        raise BadKey("readout channel", rcid, "0 to 63")
