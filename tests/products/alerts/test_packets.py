"""Packets as bytes, beside the library that clients read them with; and beside the published schema."""

import gzip
import io
import json
import random
import struct
import tarfile
from pathlib import Path

import fastavro
import numpy as np
import pytest
from astropy.io import fits

from tests.real_data import REAL_DATA
from ztfpipe.errors import BadFile
from ztfpipe.model.alerts import Alert
from ztfpipe.products.alerts import packets
from ztfpipe.products.alerts.encoding import long_bytes
from ztfpipe.products.alerts.stamps import fits_bytes, stamp_bytes

PARTS = ("candidate", "prv_candidate", "fp_hist")
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


def record(part, rng, null_share=0.3):
    """A record of a part with values that its types allow, of every size."""
    out = {}
    for one in packets.schema_of(part)["fields"]:
        optional = isinstance(one["type"], list)
        kind = one["type"][1] if optional else one["type"]
        values = {
            "int": lambda: rng.randrange(-(2**31), 2**31),
            "long": lambda: rng.randrange(-(2 ** rng.randrange(1, 64)), 2 ** rng.randrange(1, 63)),
            "float": lambda: float(np.float32(rng.gauss(0, 1e3))),
            "double": lambda: rng.gauss(0, 1e6),
            "string": lambda: "ä" * rng.randrange(0, 90),
        }
        out[one["name"]] = None if optional and rng.random() < null_share else values[kind]()
    return out


def alert(rng, n_history=5, n_forced=4, null_share=0.3):
    """An alert as the recipe makes it, and as a reader should see it."""
    one, history, forced = (
        [record(part, rng, null_share) for _ in range(n)]
        for part, n in zip(PARTS, (1, n_history, n_forced), strict=True)
    )
    pixels = np.random.default_rng(rng.randrange(10**6)).normal(100, 8, (3, 63, 63)).astype(np.float32)
    made = Alert(
        "ZTF18abcdefg", 442000003615010001, tuple(one[0].values()), [tuple(e.values()) for e in history],
        [tuple(e.values()) for e in forced], tuple((f"{k}.fits.gz", square) for k, square in enumerate(pixels)),
    )  # fmt: skip
    seen = {
        "schemavsn": "4.02", "publisher": "ZTF (www.ztf.caltech.edu)", "objectId": "ZTF18abcdefg",
        "candid": 442000003615010001, "candidate": one[0], "prv_candidates": history or None,
        "fp_hists": forced or None,
        **{
            name: {"fileName": f"{k}.fits.gz", "stampData": stamp_bytes(pixels[k])} for k, name in enumerate(CUTOUTS)
        },
    }  # fmt: skip
    return made, seen


@pytest.mark.parametrize("null_share", [0.0, 0.3, 1.0])
def test_a_packet_is_what_the_general_writer_makes_of_it(null_share):
    rng = random.Random(1)
    for n in (0, 1, 30):
        made, seen = alert(rng, n, n, null_share)
        content = packets.packet_bytes(made)
        assert list(fastavro.reader(io.BytesIO(content))) == [seen]
        slow = io.BytesIO()
        fastavro.schemaless_writer(slow, fastavro.parse_schema(packets.whole_schema()), seen)
        assert slow.getvalue() in content


def test_integers_are_spelt_as_avro_spells_them():
    for value in (0, -1, 1, 63, 64, -64, -65, 2**31 - 1, -(2**31), 2**62, 2**63 - 1, -(2**63)):
        slow = io.BytesIO()
        fastavro.schemaless_writer(slow, {"type": "long"}, value)
        assert long_bytes(value) == slow.getvalue()


def test_what_may_not_be_null_is_not():
    made, _ = alert(random.Random(2))
    broken = Alert(made.object_id, made.candid, (None, *made.candidate[1:]), made.history, made.forced, made.cutouts)
    with pytest.raises(struct.error):
        packets.packet_bytes(broken)


@pytest.mark.shared_data
def test_the_schema_is_the_published_one_field_for_field():
    folder = REAL_DATA / "alert_schema"
    for part in (*PARTS, "cutout", "alert"):
        ours, theirs = packets.schema_of(part), json.loads((folder / f"{part}.avsc").read_text())
        assert (ours["namespace"], ours["name"]) == (theirs["namespace"], theirs["name"])
        told = [[(f["name"], f["type"], f.get("default", "none")) for f in one["fields"]] for one in (ours, theirs)]
        assert told[0] == told[1]
        # The sentences are ours.
        docs = {f["name"]: f.get("doc") for f in theirs["fields"]}
        assert all(f.get("doc") != docs[f["name"]] for f in ours["fields"] if f.get("doc"))


@pytest.mark.shared_data
def test_the_published_schema_reads_our_packets():
    folder = REAL_DATA / "alert_schema"
    named = {}
    for part in ("cutout", *PARTS, "alert"):
        theirs = fastavro.parse_schema(json.loads((folder / f"{part}.avsc").read_text()), named_schemas=named)
    made, seen = alert(random.Random(3))
    assert list(fastavro.reader(io.BytesIO(packets.packet_bytes(made)), reader_schema=theirs)) == [seen]


@pytest.mark.parametrize("shape", [(63, 63), (51, 63), (63, 42), (1, 1)])
def test_a_stamp_is_the_file_that_astropy_writes(shape):
    pixels = np.random.default_rng(4).normal(0, 50, shape).astype(np.float32)
    pixels[0, 0] = np.nan
    unit = fits.PrimaryHDU(pixels)
    unit.header["BUNIT"] = "DN"
    slow = io.BytesIO()
    unit.writeto(slow)
    assert fits_bytes(pixels) == slow.getvalue()
    stored = stamp_bytes(pixels)
    assert gzip.decompress(stored) == slow.getvalue()
    assert stored == stamp_bytes(pixels.copy())
    with fits.open(io.BytesIO(gzip.decompress(stored))) as hdus:
        np.testing.assert_array_equal(hdus[0].data, pixels)


@pytest.mark.shared_data
def test_a_stamp_has_what_real_ones_have():
    paths = sorted((REAL_DATA / "alerts").glob("*.avro"))
    (real,) = fastavro.reader(io.BytesIO(paths[-1].read_bytes()))
    theirs = gzip.decompress(real["cutoutScience"]["stampData"])
    ours = fits_bytes(np.zeros((63, 63), np.float32))
    assert len(ours) == len(theirs)
    words = [{text[k : k + 8].strip() for k in range(0, 2880, 80)} for text in (ours[:2880], theirs[:2880])]
    assert words[0] - {b"EXTEND"} == words[1]


def test_an_archive_gives_back_its_packets_and_refuses_what_is_none(tmp_path):
    content = [(k, packets.packet_bytes(alert(random.Random(k))[0])) for k in (5, 3, 9)]
    paths = [tmp_path / name for name in ("a.tar.gz", "b.tar.gz")]
    for path in paths:
        assert packets.write_archive(path, content, 1_500_000_000) == 3
    assert list(packets.read_archive(paths[0])) == content
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with pytest.raises(BadFile, match="no such file"):
        list(packets.read_archive(tmp_path / "none"))
    paths[1].write_bytes(paths[0].read_bytes()[:2000])
    with pytest.raises(BadFile, match="not an archive"):
        list(packets.read_archive(paths[1]))
    with tarfile.open(paths[1], "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../1.avro"), io.BytesIO())
    with pytest.raises(BadFile, match="is no packet"):
        list(packets.read_archive(paths[1]))


def test_the_schema_files_are_all_there_are():
    folder = Path(packets.__file__).parent / "schema"
    assert {path.stem for path in folder.iterdir()} == {*PARTS, "cutout", "alert"}
