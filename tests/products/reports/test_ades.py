"""ADES: PSV and XML hold the same, in the schema's order; what the Minor Planet Center refuses is found beforehand."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from ztfpipe.products.reports import ades

from .test_mpc80 import observation

CONTEXT = ades.Context(
    "I41", "ZTF", ("A. Observer", "B. Observer"), ("C. Measurer",),
    {"design": "Schmidt", "aperture": "1.2", "detector": "CCD", "fRatio": "2.4"}, "Gaia2",
)  # fmt: skip
MANY = [
    observation(discovery=True),
    observation(jd_mid=2459938.9, designation="2018 FA29"),
    observation(name="Sxyz789", mag=math.nan, sigma_mag=math.nan, remarks="streak 12.3 arcsec PA 40"),
    observation(name="Zk2", designation="433"),
]
NOW_JD = 2460000.0


def rows_of_psv(text):
    lines = [line for line in text.splitlines() if line[0] not in "#!"]
    names = lines[0].split("|")
    return [dict(zip(names, line.split("|"), strict=True)) for line in lines[1:]]


def test_psv_and_xml_hold_the_same():
    tables = rows_of_psv(ades.psv(MANY, CONTEXT))
    nodes = ElementTree.fromstring(ades.xml(MANY, CONTEXT)).findall("obsBlock/obsData/optical")
    assert len(tables) == len(nodes) == len(MANY)
    for row, node in zip(tables, nodes, strict=True):
        assert {name: value for name, value in row.items() if value} == {one.tag: one.text for one in node}


def test_fields_are_in_the_schemas_order_and_as_it_wants_them():
    order = "permID provID trkSub mode stn obsTime ra dec rmsRA rmsDec astCat mag rmsMag band photCat logSNR exp disc"
    for node in ElementTree.fromstring(ades.xml(MANY, CONTEXT)).findall("obsBlock/obsData/optical"):
        names = [one.tag for one in node]
        assert names == [name for name in [*order.split(), "remarks"] if name in names]
    first = rows_of_psv(ades.psv(MANY, CONTEXT))[0]
    assert first["obsTime"] == "2022-12-25T09:14:20.976Z"
    assert (first["ra"], first["dec"], first["disc"], first["stn"]) == ("128.151179", "+17.176594", "*", "I41")


def test_the_header_tells_who_and_with_what():
    head = [line for line in ades.psv(MANY, CONTEXT).splitlines() if line[0] in "#!"]
    assert head[:3] == ["# version=2022", "# observatory", "! mpcCode I41"]
    assert "! name B. Observer" in head
    assert "! fRatio 2.4" in head


def test_no_observations_are_a_header_and_an_empty_root():
    assert rows_of_psv(ades.psv([], CONTEXT) + "|\n") == []
    assert len(ElementTree.fromstring(ades.xml([], CONTEXT))) == 0


def test_a_right_ascension_that_rounds_to_a_full_circle_is_none():
    assert rows_of_psv(ades.psv([observation(ra_deg=359.99999999)], CONTEXT))[0]["ra"] == "0.000000"


def test_good_observations_have_no_faults():
    assert ades.faults(MANY, CONTEXT, NOW_JD) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"name": "Z ab"}, "name"), ({"name": "Z23456789"}, "name"), ({"jd_mid": math.nan}, "no time"),
        ({"jd_mid": NOW_JD + 1}, "future"), ({"ra_deg": 360.0}, "right ascension"),
        ({"dec_deg": math.nan}, "declination"),
        ({"sigma_arcsec": 0.0}, "position error"), ({"sigma_arcsec": math.nan}, "position error"),
        ({"mag": 99.0}, "magnitude"), ({"band": "zg"}, "band"),
    ],
)  # fmt: skip
def test_what_would_be_refused_is_found(changes, word):
    ((number, text),) = ades.faults([MANY[0], observation(**{"name": "Zother", **changes})], CONTEXT, NOW_JD)
    assert number == 1
    assert word in text


def test_one_object_twice_at_one_time_is_a_fault():
    assert "twice" in ades.faults([MANY[0], MANY[0]], CONTEXT, NOW_JD)[0][1]


def test_a_station_must_be_a_code():
    other = ades.Context(**{**CONTEXT.__dict__, "station": "ZTF mini"})
    assert ades.faults([], other, NOW_JD)[0][0] == -1
