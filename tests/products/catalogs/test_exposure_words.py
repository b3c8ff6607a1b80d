"""What all candidates of an image share: out of headers, by the words of packets."""

import math

import pytest

from ztfpipe.camera import Camera
from ztfpipe.model.candidates import EXPOSURE_COLUMNS
from ztfpipe.model.keys import ExposureKey, QuadrantKey
from ztfpipe.products.catalogs.exposure_words import exposure_words

CAMERA = Camera.load("ztf")
KEY = QuadrantKey(ExposureKey("20200202107118", 354, "zr", "o"), 5, 1)
SCIENCE = {"OBSJD": 2458881.6071181, "MAGZP": 26.2, "MAGZPRMS": 0.045, "NMATCHES": 778, "EXPTIME": 30.0}
REFERENCE = {"JDSTART": 2458351.0, "JDEND": 2458376.0, "NFRAMES": 16}


def words(science=None, reference=REFERENCE):
    cards = [{name: (value, "") for name, value in one.items()} for one in ({**SCIENCE, **(science or {})}, reference)]
    return exposure_words(KEY, CAMERA, *cards, limiting_mag=19.8)


def test_the_words_of_a_real_packet():
    """Those of candid 1127107111615015007."""
    said = words({"PROGRMPI": "Kulkarni", "PROGRMID": 1})
    assert set(said) == {column.name for column in EXPOSURE_COLUMNS} - {"tblid"}
    expected = {
        "pid": 1127107111615, "nid": 1127, "rcid": 16, "field": 354, "fid": 2, "rfid": 354120216, "programid": 1,
        "pdiffimfilename": "ztf_20200202107118_000354_zr_c05_o_q1_scimrefdiffimg.fits", "programpi": "Kulkarni",
        "nmatches": 778, "nframesref": 16, "exptime": 30.0, "tooflag": 0, "diffmaglim": 19.8, "magzpscirms": 0.045,
    }  # fmt: skip
    assert {name: said[name] for name in expected} == expected
    assert math.isnan(said["zpmed"])


@pytest.mark.parametrize(
    ("comment", "flag"),
    [("ToO_S190814bv", 1), ("TOO", 1), ("all_sky", 0), ("stooges", 0), ("reference_building_g_0", 0), (None, 0)],
)
def test_a_target_of_opportunity_is_told_by_the_queue_s_comment(comment, flag):
    assert words({"QCOMMENT": comment})["tooflag"] == flag


def test_a_reference_that_says_little():
    said = words(reference={"RFID": 7})
    assert said["rfid"] == 7
    assert said["nframesref"] == 0
    assert math.isnan(said["jdstartref"])
