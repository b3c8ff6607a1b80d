import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile, BadName
from ztfpipe.model.images import MasterFrames
from ztfpipe.model.keys import CalibrationKey
from ztfpipe.products.formats.fits import read_image
from ztfpipe.products.images.calibration import master_header, master_id, read_master, write_master
from ztfpipe.products.names import path_of

CAMERA = Camera.load("mini")
BIAS = CalibrationKey("20180325", "00", 10, 2)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def some_frames():
    rng = np.random.default_rng(1)
    images = [rng.normal(size=(7, 9)).astype(np.float32) for _ in range(4)]
    return MasterFrames(*images, rng.integers(0, 20, (7, 9)).astype(np.int16))


def test_master_comes_back_as_written(archive):
    frames, mask = some_frames(), np.arange(63, dtype=np.uint16).reshape(7, 9)
    header = master_header(BIAS, CAMERA, {"STATUS": (1, ""), "LEVEL": (0.25, ""), "LEVELUNC": (None, "")}, ("a", "b"))
    write_master(BIAS, frames, mask, header)
    back = read_master(path_of("bias", BIAS))
    np.testing.assert_array_equal(back.mean, frames.mean)
    np.testing.assert_array_equal(back.uncertainty, frames.uncertainty)
    np.testing.assert_array_equal(back.mask, mask)
    assert back.key == BIAS
    assert back.usable
    assert back.number("LEVEL") == 0.25
    assert np.isnan(back.number("LEVELUNC"))
    assert back.header["FRAME002"][0] == "b"
    assert back.header["BUNIT"][0] == "DN"
    for suffix, image in (("stda", frames.std_trimmed), ("stdb", frames.std_all), ("num", frames.count)):
        np.testing.assert_array_equal(read_image(path_of(f"bias{suffix}", BIAS))[0], image)


def test_identifiers_are_those_of_real_headers():
    # CIDBIAS 36208002 and CIDHIFLT 36208014 stand in headers of 2017-12-29, readout channel 8.
    assert master_id(CalibrationKey("20171229", "00", 3, 1), CAMERA) == ("CIDBIAS", 36208002)
    assert master_id(CalibrationKey("20171229", "zg", 3, 1), CAMERA) == ("CIDHIFLT", 36208014)


def test_other_paths_are_refused(archive):
    with pytest.raises(BadFile, match="not a calibration master"):
        read_master(path_of("biasunc", BIAS))
    with pytest.raises(BadName):
        read_master("cal/nothing.fits")
    with pytest.raises(BadFile):
        read_master(path_of("bias", BIAS))
