"""Raw CCD files: nine HDUs as the camera lays them out, read quadrant by quadrant."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model.images import RawCcd, RawQuadrant
from ztfpipe.products.arrival import raw


@pytest.fixture
def path(tmp_path, raw_ccd, tiny_camera):
    path = tmp_path / "raw.fits.fz"
    raw.write_raw_ccd(path, raw_ccd, tiny_camera)
    return path


@pytest.mark.parametrize("qid", [1, 2, 3, 4])
def test_round_trip(path, raw_ccd, tiny_camera, qid):
    read = raw.read_raw_quadrant(path, tiny_camera, 10, qid)
    expected = raw_ccd.quadrants[qid]
    np.testing.assert_array_equal(read.image, expected.image)
    np.testing.assert_array_equal(read.overscan, expected.overscan)
    assert read.image.dtype == read.overscan.dtype == np.uint16
    header = dict(read.header)
    assert header.pop("EXTNAME")[0] == str(qid)
    assert header == dict(expected.header)
    # The exposure's keywords come first.
    assert list(header)[: len(raw_ccd.header)] == list(raw_ccd.header)


def test_extremes_of_the_digitiser(tmp_path, raw_ccd, tiny_camera):
    image = np.zeros(tiny_camera.quadrant_shape, np.uint16)
    image[::2] = 65535
    quadrant = RawQuadrant(image, raw_ccd.quadrants[1].overscan, raw_ccd.quadrants[1].header)
    path = tmp_path / "raw.fits.fz"
    raw.write_raw_ccd(path, RawCcd(raw_ccd.header, {**raw_ccd.quadrants, 1: quadrant}), tiny_camera)
    np.testing.assert_array_equal(raw.read_raw_quadrant(path, tiny_camera, 10, 1).image, image)


def test_layout_as_others_see_it(path, raw_ccd, tiny_camera):
    with astropy_fits.open(path, checksum=True) as hdus:
        assert len(hdus) == 9
        assert hdus[0].data is None
        assert hdus[0].header["FIELDID"] == 314
        for qid in (1, 2, 3, 4):
            assert hdus[qid].name == str(qid)
            assert hdus[qid].shape == tiny_camera.quadrant_shape
            assert hdus[qid + 4].shape == tiny_camera.overscan_shape
            assert hdus[qid].header["AMP_ID"] == qid - 1
            assert "FIELDID" not in hdus[qid].header
    with astropy_fits.open(path, disable_image_compression=True) as hdus:
        for hdu in hdus[1:]:
            assert (hdu.header["ZCMPTYPE"], hdu.header["ZBITPIX"], hdu.header["BZERO"]) == ("RICE_1", 16, 32768)
            assert {"CHECKSUM", "DATASUM"} <= set(hdu.header)


def test_same_ccd_same_bytes(tmp_path, path, raw_ccd, tiny_camera):
    raw.write_raw_ccd(tmp_path / "again.fits.fz", raw_ccd, tiny_camera)
    assert (tmp_path / "again.fits.fz").read_bytes() == path.read_bytes()


def test_extension_names_do_not_matter(tmp_path, path, raw_ccd, tiny_camera):
    """What the public archive calls its overscan extensions is not known; their place is."""
    with astropy_fits.open(path) as hdus:
        plain = [astropy_fits.PrimaryHDU(header=hdus[0].header)]
        plain += [
            astropy_fits.ImageHDU(hdu.data, hdu.header, name=f"OTHER{index}") for index, hdu in enumerate(hdus[1:])
        ]
        astropy_fits.HDUList(plain).writeto(tmp_path / "plain.fits")
    read = raw.read_raw_quadrant(tmp_path / "plain.fits", tiny_camera, 10, 2)
    np.testing.assert_array_equal(read.image, raw_ccd.quadrants[2].image)
    np.testing.assert_array_equal(read.overscan, raw_ccd.quadrants[2].overscan)


def rewritten(path, tmp_path, dtype, change=lambda data: data):
    """The file with its images unpacked to another pixel type."""
    other = tmp_path / "other.fits"
    with astropy_fits.open(path) as hdus:
        plain = [astropy_fits.PrimaryHDU(header=hdus[0].header)]
        for hdu in hdus[1:]:
            header = hdu.header.copy()
            for word in ("BZERO", "BSCALE"):
                header.remove(word, ignore_missing=True)
            plain.append(astropy_fits.ImageHDU(change(hdu.data.astype(dtype)), header))
        astropy_fits.HDUList(plain).writeto(other)
    return other


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_counts_in_a_wider_type_are_counts(tmp_path, path, raw_ccd, tiny_camera, dtype):
    read = raw.read_raw_quadrant(rewritten(path, tmp_path, dtype), tiny_camera, 10, 3)
    assert read.image.dtype == np.uint16
    np.testing.assert_array_equal(read.image, raw_ccd.quadrants[3].image)


@pytest.mark.parametrize("change", [lambda data: data + 0.5, lambda data: data - 70000, lambda data: data * np.nan])
def test_what_is_not_a_count_is_refused(tmp_path, path, tiny_camera, change):
    other = rewritten(path, tmp_path, np.float32, change)
    with pytest.raises(BadFile, match=r"other.fits\[3\]: pixels are not 16-bit counts"):
        raw.read_raw_quadrant(other, tiny_camera, 10, 3)


def test_reading_refuses_another_ccd_shape_or_file(tmp_path, path, tiny_camera):
    with pytest.raises(BadFile, match=r"\[1\]: CCD_ID is 10, not 11"):
        raw.read_raw_quadrant(path, tiny_camera, 11, 1)
    with pytest.raises(BadFile, match=r"\[1\]: shape \(64, 56\) is not \(520, 512\)"):
        raw.read_raw_quadrant(path, Camera.load("mini"), 10, 1)
    with pytest.raises(BadFile, match="no such file"):
        raw.read_raw_quadrant(tmp_path / "none.fits.fz", tiny_camera, 10, 1)
    short = tmp_path / "short.fits.fz"
    short.write_bytes(path.read_bytes()[: path.stat().st_size // 2 // 2880 * 2880])
    with pytest.raises(BadFile):
        raw.read_raw_quadrant(short, tiny_camera, 10, 4)


def test_writing_refuses_wrong_pixels(tmp_path, raw_ccd, tiny_camera):
    path = tmp_path / "raw.fits.fz"
    first = raw_ccd.quadrants[1]
    for image in (first.image[:-1], first.image.astype(np.float32)):
        spoilt = {**raw_ccd.quadrants, 1: RawQuadrant(image, first.overscan, first.header)}
        with pytest.raises(BadFile, match="is not uint16"):
            raw.write_raw_ccd(path, RawCcd(raw_ccd.header, spoilt), tiny_camera)
    missing = {qid: quadrant for qid, quadrant in raw_ccd.quadrants.items() if qid != 3}
    with pytest.raises(BadFile, match="quadrant 3 missing"):
        raw.write_raw_ccd(path, RawCcd(raw_ccd.header, missing), tiny_camera)
    assert not path.exists()


def test_one_quadrant_camera(tmp_path, raw_ccd, tiny_camera):
    """A camera of one quadrant has one image and one overscan; the code knows no four."""
    layout = tiny_camera.raw.model_copy(update={"image_hdu": {1: 1}, "overscan_hdu": {1: 2}})
    camera = tiny_camera.model_copy(update={"qids": (1,), "raw": layout})
    path = tmp_path / "raw.fits.fz"
    raw.write_raw_ccd(path, raw_ccd, camera)
    with astropy_fits.open(path) as hdus:
        assert len(hdus) == 3
    np.testing.assert_array_equal(raw.read_raw_quadrant(path, camera, 10, 1).image, raw_ccd.quadrants[1].image)
