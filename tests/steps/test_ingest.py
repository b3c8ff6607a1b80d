"""Steps of ingest, file by file: a good one, and one of every bad kind.

Each bad file must give one sentence that names it, a record, a set-aside copy, and leave the incoming file as it was.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.steps.ingest_calls import (
    NIGHT,
    SETTINGS,
    archive,
    assert_set_aside,
    flip_bit,
    rewrite,
    set_card,
    verify,
)
from ztfpipe.model.images import RawCcd, RawQuadrant
from ztfpipe.model.keys import IncomingKey
from ztfpipe.products import names
from ztfpipe.products.arrival import raw_facts
from ztfpipe.products.arrival.raw import read_raw_quadrant, write_raw_ccd
from ztfpipe.products.formats import fits_blocks

# --- A good file ------------------------------------------------------------------------------------------------------


def test_good_file_is_accepted_and_archived_as_it_came(send, raw_key, tiny_camera):
    path = send(raw_key())
    record = verify(path)
    assert (record.status, record.quadrants, record.reasons) == ("accepted", (1, 2, 3, 4), {})
    assert record.archive_path == names.path_of("raw", raw_key())
    archive(path, record)
    assert Path(record.archive_path).read_bytes() == path.read_bytes()
    # Nothing but the record and the archived file: no set-aside copy, no temporary file.
    files = sorted(str(one) for one in Path().rglob("*") if one.is_file())
    assert files == sorted([record.archive_path, names.path_of("ingestrecord", IncomingKey(NIGHT, path.name))])


def test_record_holds_facts_and_metrics_of_the_pixels(send, raw_key):
    record = verify(send(raw_key()))
    assert record.facts["expid"] == 44830000  # night 448 since 2017-01-01, fraction 0.30000
    assert record.facts["filefracday"] == "20180325300000"
    assert (record.facts["field"], record.facts["fid"], record.facts["exptime_s"]) == (314, 2, 30.0)
    assert record.facts["ccd10_temperature_k"] == 168.4  # a number, although the header has it as a string
    assert record.facts["dewar_pressure_mtorr"] is None  # -9999 stands for no reading
    # The median of 3584 pixels of sigma 5 is known to 1.25 * 5 / sqrt(3584) = 0.10 DN; truncation to counts takes 0.5.
    assert record.metrics["q1_median_adu"] == pytest.approx(1499.5, abs=0.5)
    assert record.metrics["q3_overscan_adu"] == pytest.approx(1099.5, abs=1.0)
    assert record.metrics["q2_saturated_fraction"] == 0


def test_the_same_file_gives_the_same_record(send, raw_key):
    path = send(raw_key())
    verify(path)
    record = Path(names.path_of("ingestrecord", IncomingKey(NIGHT, path.name)))
    first = record.read_bytes()
    record.unlink()
    verify(path)
    assert record.read_bytes() == first


def test_uncompressed_file_without_checksums_is_accepted(send, raw_key, tiny_camera):
    """As other tools unpack a file downloaded from the public archive: plain images, here without any checksum."""
    from astropy.io import fits

    packed = send(raw_key())
    plain = packed.with_name(packed.name.removesuffix(".fz"))
    with fits.open(packed) as hdus:
        images = [fits.ImageHDU(hdu.data, hdu.header) for hdu in hdus[1:]]
        primary = fits.PrimaryHDU(header=hdus[0].header)
        for hdu in [primary, *images]:
            for word in ("CHECKSUM", "DATASUM"):
                hdu.header.remove(word, ignore_missing=True)
        fits.HDUList([primary, *images]).writeto(plain)
    original = read_raw_quadrant(packed, tiny_camera, 10, 3)
    packed.unlink()
    record = verify(plain)
    assert (record.status, record.facts["checksums"]) == ("accepted", "none")
    archive(plain, record)
    read = read_raw_quadrant(record.archive_path, tiny_camera, 10, 3)
    np.testing.assert_array_equal(read.image, original.image)
    np.testing.assert_array_equal(read.overscan, original.overscan)


@pytest.mark.parametrize("imgtype", ["b", "f"])
def test_biases_and_flats_need_no_field(send, raw_key, imgtype):
    without = dict.fromkeys(["FIELDID", "OBJRAD", "OBJDECD", "AIRMASS"], ...)
    assert verify(send(raw_key(imgtype), header=without)).status == "accepted"


# --- Not a whole FITS file --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.999, 0.5, 0.02])
def test_truncated(send, raw_key, kept):
    path = send(raw_key())
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    record = verify(path)
    assert_set_aside(path, record, "truncated")


def test_truncated_between_hdus(send, raw_key):
    path = send(raw_key())
    content = path.read_bytes()
    path.write_bytes(content[: fits_blocks.scan(content)[7].end])
    assert_set_aside(path, verify(path), "8 HDUs instead of 9")


def test_missing_extension(send, raw_key):
    path = send(raw_key())
    content = path.read_bytes()
    gone = fits_blocks.scan(content)[2]
    path.write_bytes(content[: gone.start] + content[gone.end :])
    assert_set_aside(path, verify(path), "8 HDUs instead of 9")


def test_empty(send, raw_key):
    path = send(raw_key())
    path.write_bytes(b"")
    assert_set_aside(path, verify(path), "empty")


@pytest.mark.parametrize("content", [b"<html>503</html>", b"\x1f\x8b\x08" + bytes(5000), bytes(5760)])
def test_not_fits(send, raw_key, content):
    path = send(raw_key())
    path.write_bytes(content)
    assert_set_aside(path, verify(path), "not FITS")


def test_header_without_end(send, raw_key):
    path = send(raw_key())
    path.write_bytes(path.read_bytes()[:2880].replace(b"END     ", b"ENDED   ") * 600)
    assert_set_aside(path, verify(path), "no END card")


def test_growing_while_it_is_read(send, raw_key, monkeypatch):
    path = send(raw_key())
    content = path.read_bytes()

    def grow(_seconds):
        path.write_bytes(content + bytes(2880))

    monkeypatch.setattr(raw_facts.time, "sleep", grow)
    config = json.loads(SETTINGS.read_text())
    config["values"]["settle_s"] = 0.01
    SETTINGS.write_text(json.dumps(config))
    assert_set_aside(path, verify(path), "still being written")


# --- Flipped bits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["header", "data"])
@pytest.mark.parametrize(("hdu", "quadrant"), [(1, 1), (4, 4), (5, 1), (7, 3)])
def test_flipped_bit_takes_out_its_quadrant_only(send, raw_key, tiny_camera, hdu, quadrant, part):
    path = send(raw_key())
    original = {qid: read_raw_quadrant(path, tiny_camera, 10, qid) for qid in tiny_camera.qids}
    flip_bit(path, hdu, part)
    record = verify(path)
    others = tuple(qid for qid in (1, 2, 3, 4) if qid != quadrant)
    assert (record.status, record.quadrants) == ("accepted", others)
    assert list(record.reasons) == [str(quadrant)]
    assert record.reasons[str(quadrant)].startswith(f"{path.name} quadrant {quadrant}: HDU {hdu}: ")
    assert "CHECKSUM" in record.reasons[str(quadrant)]
    archive(path, record)
    for qid in others:
        read = read_raw_quadrant(record.archive_path, tiny_camera, 10, qid)
        np.testing.assert_array_equal(read.image, original[qid].image)


def test_flipped_bit_in_the_primary_header_sets_the_file_aside(send, raw_key):
    path = send(raw_key())
    flip_bit(path, 0, "header")
    assert_set_aside(path, verify(path), "HDU 0: CHECKSUM does not match")


def test_flipped_bits_in_all_quadrants_set_the_file_aside(send, raw_key):
    path = send(raw_key())
    for hdu in (1, 2, 7, 8):
        flip_bit(path, hdu, "data")
    record = verify(path)
    assert_set_aside(path, record, "no quadrant is fit for use")
    assert sorted(record.reasons) == ["", "1", "2", "3", "4"]


def test_checksum_missing_in_one_hdu_only(send, raw_key):
    path = send(raw_key())
    content = bytearray(path.read_bytes())
    extent = fits_blocks.scan(content)[2]
    place = content.index(b"CHECKSUM=", extent.start)
    content[place : place + 8] = b"CHUCKSUM"
    path.write_bytes(content)
    record = verify(path)
    assert record.quadrants == (1, 3, 4)
    assert "CHECKSUM missing" in record.reasons["2"]


# --- Headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"OBSJD": ...}, "OBSJD is missing"),
        ({"IMGTYPE": ...}, "IMGTYPE is missing"),
        ({"EXPTIME": 301.0}, "EXPTIME is 301.0, not within 0 to 300"),
        ({"EXPTIME": "long"}, "EXPTIME is long, not a finite number"),
        ({"EXPTIME": None}, "EXPTIME is empty, not a finite number"),
        ({"OBJDECD": 97.0}, "OBJDECD is 97.0"),
        ({"AIRMASS": 0.2}, "AIRMASS is 0.2"),
        ({"PROGRMID": 4}, "PROGRMID is 4"),
        ({"FIELDID": 315}, "its name says field 314, FIELDID says 315"),
        ({"FILTERID": 1}, "its name says filter number 2, FILTERID says 1"),
        ({"FILTERID": 9}, "FILTERID is 9"),
        ({"FILTER": "ZTF_g"}, "its name says filter ZTF_r, FILTER says ZTF_g"),
        ({"FILTER": "Johnson V"}, "FILTER says Johnson V"),
        ({"IMGTYPE": "bias"}, "its name says object, IMGTYPE says bias"),
        ({"FILENAME": "ztf_20180325300000_000315_zr_c10_o.fits"}, "FILENAME says ztf_20180325300000_000315"),
        ({"ORIGNAME": "other.fits"}, "ORIGNAME says other.fits"),
        # 0.3 of 25 March 2018 is JD 2458202.8; 130 s later is 1.505e-3 d.
        ({"OBSJD": 2458202.801505}, "OBSJD is +130 s from the time in its name, more than 120 s"),
    ],
)
def test_header_that_is_wrong_or_contradicts_the_name(send, raw_key, changes, fragment):
    path = send(raw_key(), header=changes)
    assert_set_aside(path, verify(path), fragment)


@pytest.mark.parametrize("good", [{"FILTER": "ZTF r"}, {"OBSJD": 2458202.80116}, {"AIRMASS": "1.2"}, {"ORIGNAME": ...}])
def test_header_variants_of_real_files_are_accepted(send, raw_key, good):
    assert verify(send(raw_key(), header=good)).status == "accepted"


def test_nan_in_a_keyword_that_is_needed(send, raw_key):
    path = send(raw_key())
    rewrite(path, lambda content: set_card(content, 0, "AIRMASS", "NaN"))
    assert_set_aside(path, verify(path), "AIRMASS is NaN, not a finite number")


def test_nan_in_a_keyword_that_is_not_needed(send, raw_key, tiny_camera):
    """A broken sensor is no reason to lose an exposure; readers get a keyword without value."""
    path = send(raw_key())
    rewrite(path, lambda content: set_card(content, 0, "HEADTEMP", "NaN"))
    record = verify(path)
    assert (record.status, record.facts["head_temperature_k"]) == ("accepted", None)
    archive(path, record)
    assert read_raw_quadrant(record.archive_path, tiny_camera, 10, 1).header["HEADTEMP"] == (None, "")


def test_other_ccd_than_the_name_says(send, raw_key):
    path = send(raw_key(), quadrant_header={qid: {"CCD_ID": 11} for qid in (1, 2, 3, 4)})
    assert_set_aside(path, verify(path), "its name says CCD 10, CCD_ID says 11")


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"CCD_ID": 11}, "CCD_ID is 11, not 10"),
        ({"AMP_ID": 3}, "AMP_ID is 3, not 1"),
        ({"GAIN": ...}, "GAIN is missing"),
        ({"READNOI": -1.0}, "READNOI is -1.0"),
    ],
)
def test_header_fault_of_one_quadrant(send, raw_key, changes, fragment):
    record = verify(send(raw_key(), quadrant_header={2: changes}))
    assert (record.status, record.quadrants) == ("accepted", (1, 3, 4))
    assert fragment in record.reasons["2"]


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("ztf_20180325300000_000314_zu_c10_o.fits.fz", "filter 'zu' is not one of zg, zr, zi"),
        ("ztf_20180325300000_000314_zr_c17_o.fits.fz", "ccd 17"),
        ("ztf_20180325300000_000314_zr_c11_o.fits.fz", "camera tiny has no CCD 11"),
        ("ztf_20180326300000_000314_zr_c10_o.fits.fz", "its name says night 20180326, it came with 20180325"),
        ("ztf_20180325300000_000314_zr_c10_x.fits.fz", "image type 'x'"),
        ("ztf_2018032530000_000314_zr_c10_o.fits.fz", "not a raw file name"),
        ("notes.txt", "not a raw file name"),
    ],
)
def test_names_that_are_not_of_this_night_and_camera(send, raw_key, name, fragment):
    path = send(raw_key())
    path = path.rename(path.with_name(name))
    assert_set_aside(path, verify(path), fragment)


# --- Pixels -----------------------------------------------------------------------------------------------------------


def replaced(raw_ccd, qid, **arrays):
    quadrant = raw_ccd.quadrants[qid]
    new = RawQuadrant(arrays.get("image", quadrant.image), arrays.get("overscan", quadrant.overscan), quadrant.header)
    return RawCcd(raw_ccd.header, {**raw_ccd.quadrants, qid: new})


def test_overscan_all_zero(send, raw_key, raw_ccd, tiny_camera):
    path = send(raw_key())
    write_raw_ccd(path, replaced(raw_ccd, 3, overscan=np.zeros(tiny_camera.overscan_shape, np.uint16)), tiny_camera)
    record = verify(path)
    assert record.quadrants == (1, 2, 4)
    assert record.reasons["3"] == f"{path.name} quadrant 3: overscan is all zero"


def test_saturated_quadrant(send, raw_key, raw_ccd, tiny_camera):
    path = send(raw_key())
    image = raw_ccd.quadrants[1].image.copy()
    image[: int(0.95 * image.shape[0])] = 65535
    write_raw_ccd(path, replaced(raw_ccd, 1, image=image), tiny_camera)
    record = verify(path)
    assert record.quadrants == (2, 3, 4)
    assert "top of the digitiser's range" in record.reasons["1"]


def test_wrong_shape_takes_out_its_quadrant_only(send, raw_key, raw_ccd, tiny_camera):
    """Written by a camera whose quadrant 2 has one column fewer: every checksum is right."""
    from ztfpipe.products.formats.fits import ImageExtension, write_images

    path = send(raw_key())
    quadrants = raw_ccd.quadrants
    images = [quadrants[q].image if q != 2 else quadrants[q].image[:, :-1] for q in (1, 2, 3, 4)]
    headers = [{word: quadrants[q].header[word] for word in ("CCD_ID", "AMP_ID", "GAIN", "READNOI")} for q in quadrants]
    extensions = [
        ImageExtension(str(index + 1), np.ascontiguousarray(image), header, rice=True)
        for index, (image, header) in enumerate(zip(images, headers, strict=True))
    ]
    extensions += [ImageExtension(str(4 + q), quadrants[q].overscan, rice=True) for q in quadrants]
    write_images(path, raw_ccd.header, extensions)
    record = verify(path)
    assert (record.status, record.quadrants) == ("accepted", (1, 3, 4))
    assert "HDU 2: NAXIS 2, 55 x 64 instead of 56 x 64 pixels" in record.reasons["2"]


def test_wrong_naxis_in_an_uncompressed_file(send, raw_key, raw_ccd, tiny_camera):
    from ztfpipe.products.formats.fits import ImageExtension, write_images

    path = send(raw_key())
    quadrants = raw_ccd.quadrants
    extensions = [ImageExtension(str(q), quadrants[q].image, quadrants[q].header) for q in (1, 2, 3)]
    extensions.append(ImageExtension("4", quadrants[4].image[np.newaxis], quadrants[4].header))
    extensions += [ImageExtension(str(4 + q), quadrants[q].overscan) for q in quadrants]
    write_images(path, raw_ccd.header, extensions)
    record = verify(path)
    assert (record.status, record.quadrants) == ("accepted", (1, 2, 3))
    assert "HDU 4: NAXIS 3" in record.reasons["4"]
