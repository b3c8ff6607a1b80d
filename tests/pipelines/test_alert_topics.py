"""Which topics a packet goes to."""

import pytest

from ztfpipe.config import Stream
from ztfpipe.pipelines.alerts.topics import columns_of, topics_of

CANDIDATE = {"programid": 1, "ra": 10.0, "dec": 5.0, "drb": 0.8, "rb": None, "isdiffpos": "t", "sgscore1": float("nan")}
CONE = {"ra_deg": 10.2, "dec_deg": 5.0, "radius_deg": 1.0}
SQUARE = {"corners_deg": [[30, 0], [40, 0], [40, 10], [30, 10]]}


def extra(cuts=(), footprint=(), **changed):
    stream = Stream(extra={"x_{night}": {"cuts": cuts, "footprint": footprint}})
    return "x_20180410" in topics_of(CANDIDATE | changed, "20180410", stream, (1,))


def test_each_program_has_its_topic():
    for program in (1, 2, 3):
        found = topics_of(CANDIDATE | {"programid": program}, "20180410", Stream(), (1,))
        assert found == (f"ztf_20180410_programid{program}",)
    assert topics_of(CANDIDATE | {"programid": 0}, "20180410", Stream(), (1,)) == ()
    assert topics_of(CANDIDATE | {"programid": 2}, "20180410", Stream(programs=(1,)), (1,)) == ()


def test_what_is_not_public_is_on_no_extra_topic():
    stream = Stream(extra={"all": {}})
    assert topics_of(CANDIDATE, "20180410", stream, (1,)) == ("ztf_20180410_programid1", "all")
    assert topics_of(CANDIDATE | {"programid": 2}, "20180410", stream, (1,)) == ("ztf_20180410_programid2",)
    assert topics_of(CANDIDATE | {"programid": 2}, "20180410", stream, (1, 2)) == ("ztf_20180410_programid2", "all")


@pytest.mark.parametrize(
    ("cut", "meets"),
    [
        ({"column": "drb", "at_least": 0.8}, True),
        ({"column": "drb", "at_least": 0.81}, False),
        ({"column": "drb", "at_most": 0.8}, True),
        ({"column": "drb", "at_least": 0.1, "at_most": 0.2}, False),
        ({"column": "isdiffpos", "equals": "t"}, True),
        ({"column": "isdiffpos", "equals": "f"}, False),
        ({"column": "programid", "equals": 1}, True),
        ({"column": "rb", "at_most": 9}, False),
        ({"column": "sgscore1", "at_most": 9}, False),
        ({"column": "isdiffpos", "at_least": 0}, False),
        ({"column": "nowhere", "at_least": 0}, False),
    ],
)
def test_cuts(cut, meets):
    assert extra([cut]) is meets
    assert extra([cut, {"column": "drb", "at_least": 0.0}]) is meets


def test_footprints():
    assert extra(footprint=[CONE])
    assert not extra(footprint=[SQUARE])
    assert extra(footprint=[SQUARE, CONE])
    assert extra(footprint=[SQUARE], ra=35.0)
    assert not extra([{"column": "drb", "at_least": 0.9}], [CONE])
    assert not extra(footprint=[CONE], dec=6.5)


def test_columns_asked_for():
    stream = Stream(
        extra={"a": {"cuts": [{"column": "drb", "at_least": 0}]}, "b": {"cuts": [{"column": "rb", "at_most": 1}]}}
    )
    assert columns_of(stream) == {"drb", "rb"}
