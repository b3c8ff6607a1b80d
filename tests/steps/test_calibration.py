"""The steps through files, on a camera of one small quadrant."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from ztfpipe.camera import CAMERA_FOLDER, Camera
from ztfpipe.config import Config
from ztfpipe.errors import BadFile, BadName
from ztfpipe.model.images import RawCcd, RawQuadrant
from ztfpipe.model.keys import CalibrationKey, ExposureKey, QuadrantKey
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.arrival.raw import write_raw_ccd
from ztfpipe.products.formats.fits import read_image
from ztfpipe.products.images.calibration import read_master
from ztfpipe.products.names import path_of
from ztfpipe.steps import calibration

NIGHT, CCD, QID = "20180325", 10, 1
BIAS = CalibrationKey(NIGHT, "00", CCD, QID)
FLAT = CalibrationKey(NIGHT, "zr", CCD, QID)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A camera of one quadrant of 64 x 96 pixels, its settings file, and an archive to work in."""
    folder = tmp_path / "camera"
    folder.mkdir()
    for name in ("ztf.yaml", "quadrant.yaml"):
        (folder / name).write_text((CAMERA_FOLDER / name).read_text())
    (folder / "ztf").symlink_to(CAMERA_FOLDER / "ztf")
    (folder / "tiny.yaml").write_text("extends: quadrant\nname: tiny\nquadrant_shape: [64, 96]\n")
    config = Config(camera=str(folder / "tiny.yaml"), workspace=str(tmp_path))
    settings = write_settings(tmp_path / "settings", "calibration", config)
    (tmp_path / "archive").mkdir()
    monkeypatch.chdir(tmp_path / "archive")
    return Camera.load(config.camera), settings


def write_raws(camera, imgtype, n, signal, seed):
    """Raw files of `n` exposures; their archive paths."""
    rng = np.random.default_rng(seed)
    paths = []
    for i in range(n):
        exposure = ExposureKey(f"{NIGHT}{100000 + 500 * i:06d}", 0, "bi" if imgtype == "b" else "zr", imgtype)
        key = QuadrantKey(exposure, CCD, QID)
        level = 1000 + rng.uniform(-3, 3)
        image = np.round(level + signal + 1.5 * rng.standard_normal(camera.quadrant_shape))
        overscan = np.round(level + 1.5 * rng.standard_normal(camera.overscan_shape))
        header = {"CCD_ID": (CCD, "CCD number")}
        quadrant = RawQuadrant(image.astype(np.uint16), overscan.astype(np.uint16), header)
        path = path_of("raw", key.raw)
        write_raw_ccd(path, RawCcd(header, {QID: quadrant}), camera)
        paths.append((path, key))
    return [Path(path) for path, _ in paths], [key for _, key in paths]


def record(product, key):
    return json.loads(Path(path_of(product, key)).read_text())


def test_bias_and_flat_from_raw_files(site):
    camera, settings = site
    biases, _ = write_raws(camera, "b", 20, 0, 1)
    calibration.bias(path_of("bias", BIAS), settings, biases)
    master = read_master(path_of("bias", BIAS))
    assert master.usable
    assert master.header["NFRAMES"][0] == 20
    assert master.header["FRAME001"][0] == biases[0].name
    assert master.header["CALTYPE"][0] == "bias"
    # 20 frames, 640 overscan pixels each.
    assert master.number("LEVEL") == pytest.approx(0, abs=5 * 1.53 / np.sqrt(20 * 640))
    flats, _ = write_raws(camera, "f", 20, 15_000, 2)
    calibration.flat(path_of("hifreqflat", FLAT), settings, flats, bias=Path(path_of("bias", BIAS)))
    flat = read_master(path_of("hifreqflat", FLAT))
    assert flat.usable
    assert flat.header["FILTER"][0] == "ZTF_r"
    assert flat.header["CIDBIAS"][0] == master.header["CIDBIAS"][0]
    assert flat.mean.mean() == pytest.approx(1, abs=1e-4)
    for product, key in (("biaslog", BIAS), ("hifreqflatlog", FLAT)):
        assert "20 frames stacked" in Path(path_of(product, key)).read_text()


def test_record_holds_what_was_read_and_what_it_cost(site):
    camera, settings = site
    biases, _ = write_raws(camera, "b", 20, 0, 3)
    calibration.bias(path_of("bias", BIAS), settings, biases)
    qa = record("biasqa", BIAS)
    assert qa["status"] == 1
    assert set(qa["inputs"]) == {str(path) for path in biases}
    assert len(set(qa["inputs"].values())) == 20
    assert qa["timings_s"]["cpu"] > 0
    assert qa["metrics"]["peak_memory_mb"] > 10
    assert qa["settings"]["frames_min"] == 20
    assert qa["versions"]["recipe"]


def test_same_inputs_give_the_same_bytes(site):
    camera, settings = site
    biases, _ = write_raws(camera, "b", 20, 0, 4)
    products = ("bias", "biasunc", "biasstda", "biasstdb", "biasnum", "biascmask", "biaslog")
    calibration.bias(path_of("bias", BIAS), settings, biases)
    first = {name: Path(path_of(name, BIAS)).read_bytes() for name in products}
    calibration.bias(path_of("bias", BIAS), settings, biases)
    assert {name: Path(path_of(name, BIAS)).read_bytes() for name in products} == first


def test_unusable_masters_are_written_all_the_same(site):
    camera, settings = site
    biases, _ = write_raws(camera, "b", 5, 0, 5)
    biases[1].write_bytes(b"not FITS at all")
    calibration.bias(path_of("bias", BIAS), settings, biases, note="5 bias frames of 20")
    qa = record("biasqa", BIAS)
    assert qa["status"] == 0
    assert qa["reason"] == "4 usable frames of at least 20; 1 left out"
    assert biases[1].name in qa["metrics"]["rejected_1"]
    master = read_master(path_of("bias", BIAS))
    assert not master.usable
    assert master.header["REASON"][0] == qa["reason"]
    assert master.header["CALNOTE1"][0] == "5 bias frames of 20"
    flats, _ = write_raws(camera, "f", 3, 15_000, 6)
    calibration.flat(path_of("hifreqflat", FLAT), settings, flats, bias=Path(path_of("bias", BIAS)))
    flat = record("hifreqflatqa", FLAT)
    assert flat["status"] == 0
    assert "bias master" in flat["reason"]
    assert np.isnan(read_image(path_of("hifreqflat", FLAT))[0]).all()


def test_previous_master_is_compared_with(site):
    camera, settings = site
    earlier = dataclasses.replace(BIAS, night="20180324")
    biases, _ = write_raws(camera, "b", 20, 0, 7)
    calibration.bias(path_of("bias", earlier), settings, biases)
    previous = Path(path_of("bias", earlier))
    biases, _ = write_raws(camera, "b", 20, 3, 8)
    calibration.bias(path_of("bias", BIAS), settings, biases, previous=previous)
    header = read_master(path_of("bias", BIAS)).header
    assert header["PREVCAL"][0] == previous.name
    # 3 DN, of frames whose levels scatter by 0.06.
    assert header["PREVSIG"][0] > 5
    assert str(previous) in record("biasqa", BIAS)["inputs"]


def test_broken_previous_master_costs_only_the_comparison(site):
    camera, settings = site
    previous = Path(path_of("bias", dataclasses.replace(BIAS, night="20180324")))
    biases, _ = write_raws(camera, "b", 20, 0, 7)
    calibration.bias(path_of("bias", BIAS), settings, biases, previous=previous)
    assert read_master(path_of("bias", BIAS)).usable
    assert "no comparison with the previous master" in record("biasqa", BIAS)["metrics"]["note"]


def test_split(site):
    camera, settings = site
    paths, keys = write_raws(camera, "f", 1, 400, 9)
    output = path_of("split", keys[0])
    calibration.split(output, settings, paths[0])
    image, header = read_image(output)
    assert image.mean() == pytest.approx(400, abs=5 * 1.53 / np.sqrt(640))
    assert header["BUNIT"][0] == "DN"
    assert header["STATUS"][0] == 1
    assert record("splitqa", keys[0])["status"] == 1


def test_split_of_blank_overscan_is_marked_bad(site):
    camera, settings = site
    exposure = ExposureKey(f"{NIGHT}200000", 0, "zr", "f")
    key = QuadrantKey(exposure, CCD, QID)
    header = {"CCD_ID": (CCD, "")}
    blank = RawQuadrant(np.ones(camera.quadrant_shape, np.uint16), np.zeros(camera.overscan_shape, np.uint16), header)
    write_raw_ccd(path_of("raw", key.raw), RawCcd(header, {QID: blank}), camera)
    calibration.split(path_of("split", key), settings, Path(path_of("raw", key.raw)))
    image, header = read_image(path_of("split", key))
    assert np.isnan(image).all()
    assert header["STATUS"][0] == 0
    assert "overscan" in record("splitqa", key)["reason"]


def test_wrong_calls_are_refused(site):
    _, settings = site
    with pytest.raises(BadName, match="not the path of product bias"):
        calibration.bias(path_of("biasunc", BIAS), settings, [])
    with pytest.raises(BadFile):
        calibration.flat(path_of("hifreqflat", FLAT), settings, [], bias=Path(path_of("bias", BIAS)))
