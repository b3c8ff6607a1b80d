"""The camera as data: what the files say, that a broken one is refused, and that the small ones are cameras, too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from ztfpipe.camera import CAMERA_FOLDER, Camera
from ztfpipe.errors import BadKey, BadSettings

TINY = Path(__file__).parent / "data" / "camera" / "tiny.yaml"


@pytest.fixture(scope="module", params=["ztf", "mini", "quadrant", str(TINY)])
def camera(request):
    return Camera.load(request.param)


def test_every_quadrant_has_all_it_needs(camera):
    numbers = [camera.amplifier(ccdid, qid).rcid for ccdid, qid in camera.quadrants()]
    assert numbers == sorted(set(numbers))
    for ccdid, qid in camera.quadrants():
        assert set(camera.filters) >= {"zg", "zr", "zi"}
        assert camera.raw.image_hdu[qid] != camera.raw.overscan_hdu[qid]
        assert camera.amplifier(ccdid, qid).amp_id == qid - 1
        for night in ("20180325", "20191101", "20250101"):
            a_per_adu2, b_per_adu = camera.nonlinearity_coefficients(ccdid, qid, night)
            # At half the range the response departs from linear by percents, not by tens of percent.
            assert 0.9 < 1 / (a_per_adu2 * 3e4**2 + b_per_adu * 3e4 + 1) < 1.1


def test_hdus_of_a_raw_file_are_numbered_through(camera):
    used = [*camera.raw.image_hdu.values(), *camera.raw.overscan_hdu.values()]
    assert sorted(used) == list(range(1, 2 * len(camera.qids) + 1))


def test_the_large_camera():
    camera = Camera.load("ztf")
    assert len(list(camera.quadrants())) == 64
    assert camera.quadrant_shape == (3080, 3072)
    assert camera.overscan_shape == (3080, 30)
    assert camera.reference_pixel == (1535.5, 1539.5)  # CRPIX 1536.5, 1540.5 counted from zero
    assert len(camera.fields) == 1778
    assert [camera.filter_code(fid) for fid in (1, 2, 3)] == ["zg", "zr", "zi"]
    assert sorted(camera.zero_point_thresholds) == list(range(64))


def test_mask_values_of_the_archive():
    camera = Camera.load("ztf")
    assert camera.defect_mask == 6141  # the archive's criterion for a pixel without contamination
    assert camera.mask_value("track", "saturated", "track") == 2**0 + 2**8
    with pytest.raises(BadKey, match="mask bit"):
        camera.mask_value("streak")


def test_overscan_columns_are_those_read_last():
    layout = Camera.load("ztf").raw
    assert layout.overscan_columns_used(1) == layout.overscan_columns_used(4) == slice(20, 30)
    assert layout.overscan_columns_used(2) == layout.overscan_columns_used(3) == slice(0, 10)


def test_nonlinearity_table_of_the_night():
    camera = Camera.load("ztf")
    first = camera.nonlinearity_coefficients(10, 1, "20191022")
    second = camera.nonlinearity_coefficients(10, 1, "20191023")
    assert first == camera.nonlinearity_coefficients(10, 1, "20171001")
    assert first != second != camera.nonlinearity_coefficients(10, 1, "20200428")
    with pytest.raises(BadKey, match="covered by a non-linearity table"):
        camera.nonlinearity_coefficients(10, 1, "20170930")


def test_dated_quality_bits():
    bits = {entry.bit: entry for entry in Camera.load("ztf").infobits}
    assert (bits[18].threshold("20171229"), bits[18].threshold("20200428")) == (30.0, 55.0)
    assert bits[18].sentence("20200428") == "CHI-SQUARE FROM SECOND PASS SCAMP is > 55"
    assert bits[16].sentence("20200428") == "REL-PIXEL SCALE OUT OF RANGE: -0.20% - 2.00%"
    assert bits[8].sentence("20180325") == "PHOTOMETRIC CALIBRATION NOT POSSIBLE"
    assert not bits[22].in_force("20241231")
    assert bits[22].in_force("20250101")
    assert bits[8].in_force("20171001")


def test_what_the_camera_does_not_have():
    camera = Camera.load("mini")
    with pytest.raises(BadKey, match="a quadrant of camera mini"):
        camera.amplifier(1, 1)
    with pytest.raises(BadKey, match="one of zg, zr, zi"):
        camera.filter("zu")
    with pytest.raises(BadKey, match="filter number"):
        camera.filter_code(4)
    with pytest.raises(BadKey, match="field grid"):
        camera.field(900)


@pytest.fixture
def folder(tmp_path):
    """A copy of the camera files that a test may spoil."""
    shutil.copytree(CAMERA_FOLDER, tmp_path / "camera")
    return tmp_path / "camera"


def load(path):
    Camera.load.cache_clear()
    return Camera.load(str(path))


@pytest.mark.parametrize("table", ["ztf.yaml", "ztf/amplifiers.csv", "ztf/fields.csv", "ztf/nonlinearity_202004.csv"])
def test_digest_changes_with_every_file(folder, table):
    before = load(folder / "ztf.yaml").digest
    assert load(folder / "ztf.yaml").digest == before
    path = folder / table
    path.write_text(path.read_text() + "\n")
    assert load(folder / "ztf.yaml").digest != before


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("pixel_scale_arcsec",), "wide"),
        (("pixel_scale_arcsec",), float("nan")),
        (("x_axis",), "up"),
        (("unknown",), 1),
        (("raw", "overscan_columns"), 0),
        (("amplifiers",), "ztf/nowhere.csv"),
        (("mask_bits",), [{"bit": 16, "name": "a", "text": "A"}]),
        (("extends",), "nowhere"),
    ],
)
def test_broken_camera_is_refused_with_its_name(folder, keys, value):
    path = folder / "ztf.yaml"
    content = yaml.safe_load(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(BadSettings, match=r"ztf.yaml: not a camera"):
        load(path)


def test_missing_camera():
    with pytest.raises(BadSettings, match=r"nowhere.yaml: not a camera"):
        load("nowhere")


def test_table_that_is_not_numbers(folder):
    path = folder / "ztf" / "amplifiers.csv"
    path.write_text(path.read_text().replace("\n1,1,", "\n1,one,"))
    with pytest.raises(BadSettings):
        load(folder / "ztf.yaml")
