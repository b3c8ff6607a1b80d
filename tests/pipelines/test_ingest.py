"""The recipe of ingest in memory: whatever is sent ends in a record, and the accounts always add up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ztfpipe.config import Ingest
from ztfpipe.errors import BadKey, BadName
from ztfpipe.model.incoming import Announcement, QuadrantFacts, RawFacts
from ztfpipe.model.keys import CalibrationKey
from ztfpipe.model.manifest import Manifest, ManifestEntry
from ztfpipe.model.records import IngestRecord
from ztfpipe.pipelines.ingest import accounts, plan_night, verdict
from ztfpipe.pipelines.ingest.header import number
from ztfpipe.products.accounts.records import to_json
from ztfpipe.products.arrival.raw import write_raw_ccd
from ztfpipe.products.arrival.raw_facts import raw_facts
from ztfpipe.products.formats import fits_blocks
from ztfpipe.products.names import parse_raw_name

NIGHT = "20180325"
NAME = "ztf_20180325300000_000314_zr_c10_o.fits.fz"


def judge(facts, camera, **settings):
    return verdict(
        facts,
        parse_raw_name(NAME),
        "",
        night=NIGHT,
        archive_path="raw/x",
        camera=camera,
        settings=Ingest(**settings),
    )


@pytest.fixture(scope="module")
def sent(tmp_path_factory, make_raw, raw_key, tiny_camera):
    """A good file, and a place to spoil copies of it."""
    path = tmp_path_factory.mktemp("sent") / NAME
    write_raw_ccd(path, make_raw(raw_key()), tiny_camera)
    return path, path.read_bytes()


places = st.lists(st.tuples(st.integers(0, 10**6 - 1), st.integers(0, 255)), min_size=1, max_size=6)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(kept=st.sampled_from(["all", "all but a block", "a third"]), damage=places, resealed=st.booleans())
def test_any_damage_ends_in_a_record(sent, tiny_camera, kept, damage, resealed):
    """Bytes changed anywhere, cut anywhere, checksums made right again or not: a verdict, never an exception.

    With the checksums as sent, a damaged file never passes whole. damage: place in millionths of the file, and value.
    """
    path, original = sent
    content = bytearray(original)
    del content[{"all": len(content), "all but a block": len(content) - 2880, "a third": len(content) // 3}[kept] :]
    for place, value in damage:
        content[place * len(content) // 10**6] = value
    if resealed:
        try:
            fits_blocks.seal(content)
        except (fits_blocks.BrokenBlocks, ValueError):
            resealed = False
    path.write_bytes(content)
    record = judge(raw_facts(path, tiny_camera), tiny_camera)
    assert to_json(record)
    assert record.status in ("accepted", "set aside")
    if record.status == "set aside":
        assert record.reasons[""].startswith(f"{NAME}: ")
    if not resealed and bytes(content) != original:
        assert record.status == "set aside" or len(record.quadrants) < 4


def test_a_card_without_its_value_indicator_is_a_missing_keyword(sent, tiny_camera):
    path, original = sent
    content = bytearray(original.replace(b"OBSJD   = ", b"OBSJD   ! ", 1))
    assert content != original
    fits_blocks.seal(content)
    path.write_bytes(content)
    record = judge(raw_facts(path, tiny_camera), tiny_camera)
    assert record.status == "set aside"
    assert "OBSJD" in record.reasons[""]


texts = st.text(max_size=12) | st.sampled_from(
    ["1", "-1", "1e999", "1D3", "nan", "inf", "--1", "1.2.3", "", "ZTF_r", "object"]
)
words = st.sampled_from(
    ["OBSJD", "EXPTIME", "FIELDID", "FILTER", "FILTERID", "IMGTYPE", "PROGRMID", "AIRMASS", "OBJRAD"]
)
headers = st.dictionaries(words, texts)


@given(headers, st.dictionaries(st.sampled_from(["CCD_ID", "AMP_ID", "GAIN", "READNOI"]), texts))
def test_any_header_ends_in_a_record(tiny_camera, exposure, quadrant):
    facts = RawFacts(NAME, 1, "m", (), exposure, {1: QuadrantFacts((), quadrant, None)})
    record = judge(facts, tiny_camera)
    assert record.status == "set aside"
    assert to_json(record)


@given(st.text(max_size=60))
def test_any_name_ends_in_a_record(tiny_camera, name):
    try:
        key, fault = parse_raw_name(name), ""
    except (BadName, BadKey) as error:
        key, fault = None, str(error)
    record = verdict(
        RawFacts(name, 0, "m", ("empty",)),
        key,
        fault,
        night=NIGHT,
        archive_path="",
        camera=tiny_camera,
        settings=Ingest(),
    )
    assert record.status == "set aside"
    assert record.reasons[""].startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        ("-1.5E+2", -150.0),
        ("1.5D2", 150.0),
        (" 7 ", 7.0),
        ("", None),
        ("1e", None),
        ("0x1", None),
        ("1_0", None),
    ],
)
def test_numbers_as_headers_write_them(text, value):
    assert number({"A": text}, "A") == value


# --- Accounts ---------------------------------------------------------------------------------------------------------

names = st.integers(0, 7).map("file{}".format)


def record(name, status="accepted", size=10, md5="m", filefracday="", **given):
    return IngestRecord(
        NIGHT,
        name,
        status,
        md5,
        size,
        given.get("reasons", {}),
        "",
        10,
        (1, 2),
        {"filefracday": filefracday or name},
        {},
    )


@given(
    st.none() | st.dictionaries(names, st.none() | st.integers(9, 10)),
    st.dictionaries(names, st.integers(9, 10)),
    st.dictionaries(names, st.sampled_from(["accepted", "set aside"])),
)
def test_accounts_always_add_up_or_say_so(announced, sizes, verdicts):
    announcements = None if announced is None else {n: Announcement(n, size) for n, size in announced.items()}
    made = accounts(NIGHT, announcements, sizes, [record(n, status) for n, status in verdicts.items()], "digest")
    counts = made.counts
    total = counts["accepted"] + counts["set aside"] + counts["not received"] + counts["without record"]
    assert counts["sent"] == total == len(sizes if announced is None else announced)
    assert counts["unannounced"] == (0 if announced is None else len(set(sizes) - set(announced)))
    assert {entry.record.name for entry in made.entries} == set(sizes) | set(announced or {})
    unseen = [n for n, size in sizes.items() if n not in verdicts or size != 10]
    assert made.complete == (not unseen)
    assert (made.incoming_digest == "digest") == made.complete
    assert made.summary.startswith("The accounts do not add up") == bool(unseen)


def test_file_still_being_written_leaves_the_accounts_open():
    growing = record("a", "set aside", reasons={"": "a: still being written"})
    assert not accounts(NIGHT, None, {"a": 10}, [growing], "digest").complete


def test_summary_counts_quadrants_left_out():
    half = record("a", reasons={"3": "a quadrant 3: overscan is all zero"})
    made = accounts(NIGHT, None, {"a": 10}, [half], "digest")
    assert made.summary.endswith("; 1 quadrant of accepted files left out")


@pytest.mark.parametrize(
    ("size", "md5", "status"), [(10, "m", "accepted"), (11, "m", "set aside"), (None, "n", "set aside")]
)
def test_announced_size_and_md5(size, md5, status):
    made = accounts(NIGHT, {"a": Announcement("a", size, md5)}, {"a": 10}, [record("a")], "digest")
    assert made.entries[0].record.status == status


def test_same_exposure_twice():
    one, two = record("x.fits", md5="1", filefracday="t"), record("x.fits.fz", md5="2", filefracday="t")
    made = accounts(NIGHT, None, {"x.fits": 10, "x.fits.fz": 10}, [one, two], "digest")
    states = {entry.record.name: entry.record.status for entry in made.entries}
    assert states == {"x.fits.fz": "accepted", "x.fits": "set aside"}  # the compressed one is what the archive holds
    same = accounts(NIGHT, None, {"x.fits": 10, "x.fits.fz": 10}, [one, replace(two, md5="1")], "digest")
    assert same.counts["accepted"] == 2


# --- Plan -------------------------------------------------------------------------------------------------------------


def planned(camera, raw_key, biases, flats, previous=lambda kind, key: None, **limits):
    """The plan of a night with so many biases and r flats, all quadrants fit."""
    keys = {f"b{index}": raw_key("b", f"{100000 + index:06d}") for index in range(biases)}
    keys |= {f"f{index}": raw_key("f", f"{200000 + index:06d}") for index in range(flats)}
    entries = tuple(ManifestEntry(True, record(name)) for name in keys)
    manifest = Manifest(NIGHT, "", True, "digest", {}, entries)
    usual = {"frames_min": 3, "frames_max": 5, "previous_master_nights": 14}
    plan = plan_night(manifest, keys, camera, previous, **{**usual, **limits})
    return {(one.kind, one.filter, one.qid): one for one in plan.masters}


def test_first_frames_in_order_of_time(tiny_camera, raw_key):
    bias = planned(tiny_camera, raw_key, biases=9, flats=0)["bias", "00", 1]
    assert [key.exposure.fracday for key in bias.frames] == [f"{100000 + index:06d}" for index in range(5)]


@pytest.mark.parametrize(("biases", "tonight"), [(2, False), (3, True)])
def test_fewest_frames(tiny_camera, raw_key, biases, tonight):
    bias = planned(tiny_camera, raw_key, biases=biases, flats=0)["bias", "00", 1]
    assert bias.made_tonight is tonight
    assert (bias.note == "") is tonight


def test_flat_needs_a_bias(tiny_camera, raw_key):
    without = planned(tiny_camera, raw_key, biases=0, flats=5)["hifreqflat", "zr", 1]
    assert (without.made_tonight, without.key) == (False, None)
    assert without.note == "no bias to subtract; no earlier master within 14 nights"
    earlier = {"bias": CalibrationKey("20180320", "00", 10, 1)}
    with_earlier = planned(tiny_camera, raw_key, 0, 5, previous=lambda kind, key: earlier.get(kind))
    assert with_earlier["hifreqflat", "zr", 1].made_tonight
    assert not with_earlier["hifreqflat", "zg", 1].made_tonight
    # Quadrants that the record does not list have no frames.
    assert with_earlier["hifreqflat", "zr", 3].frames == ()
