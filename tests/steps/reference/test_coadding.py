"""The steps that make and publish a version, from files: what is wrong with a file is found and named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.io import fits

from tests.reference_scene import CAMERA, KEY, TARGET, frozen_inputs, stars, write_calibrators, write_science
from ztfpipe.config import Config, Reference
from ztfpipe.errors import BadFile, BadName
from ztfpipe.model.keys import ReferenceVersionKey
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs.catalogs import read_psfcat, read_sexcat
from ztfpipe.products.images import daophot
from ztfpipe.products.names import path_of
from ztfpipe.steps.reference import coadd, publish

N = 4
VERSION = ReferenceVersionKey(KEY, 1)
OUTPUT = path_of("vrefimg", VERSION)
SETTINGS = Reference(epochs_min=3)


@pytest.fixture(scope="module")
def field():
    return stars()


@pytest.fixture
def archive(tmp_path, monkeypatch, field):
    """Four science images, and their frozen list."""
    (tmp_path / "archive").mkdir()
    monkeypatch.chdir(tmp_path / "archive")
    write_calibrators(field)
    keys = [write_science(field, k) for k in range(N)]
    freeze(keys)
    return keys


def freeze(keys):
    Path(path_of("refinputs", VERSION)).unlink(missing_ok=True)
    accounts.write_frozen_inputs(Path(), frozen_inputs(VERSION, keys, SETTINGS))


def call(output=OUTPUT):
    # Settings of now that would make no reference at all: the frozen ones count.
    config = Config(camera="mini", workspace="w", reference=Reference(epochs_min=40))
    settings = write_settings(Path("../settings"), "reference", config)
    coadd(output, settings, Path(path_of("refinputs", VERSION)))
    return settings, json.loads(Path(path_of("vrefqa", VERSION)).read_text())


def test_all_products_under_their_names(archive):
    settings, record = call()
    assert (record["status"], record["metrics"]["nframes"]) == (1, N)
    publish(path_of("refimg", KEY), settings, Path(OUTPUT))
    header = fits.getheader(path_of("refimg", KEY))
    expected = {"MAGZP": TARGET, "NFRAMES": N, "REFVERS": 1, "RFID": 473120236, "STATUS": 1, "CTYPE1": "RA---TAN",
                "FIELDID": 473, "FILTERID": 2, "REFNIGHT": "20180401"}  # fmt: skip
    assert {name: header[name] for name in expected} == expected
    assert [header[f"INP{k:04d}"] for k in range(1, N + 1)] == [Path(path_of("sciimg", key)).name for key in archive]
    catalog, catalog_header = read_psfcat(path_of("refpsfcat", KEY))
    assert len(catalog) > 200
    assert catalog_header["MAGZP"][0] == TARGET
    apertures, aperture_header = read_sexcat(path_of("refsexcat", KEY))
    assert len(apertures) > 100
    assert aperture_header["APCOR1"][0] < aperture_header["APCOR4"][0] < 0.05
    assert daophot.read_daophot_psf(path_of("refimgdao", KEY)).flux_adu > 0
    assert fits.getdata(path_of("refcov", KEY)).max() == N
    for name in ("refunc", "refmsk", "refimgdaopsfcent", "refimlog", "reflog", "refqa"):
        assert Path(path_of(name, KEY)).samefile(path_of(f"v{name}", VERSION))


def test_the_same_inputs_give_the_same_bytes(archive):
    call()
    first = {path: path.read_bytes() for path in Path(OUTPUT).parent.iterdir() if not path.name.endswith("qa.json")}
    call()
    assert {path: path.read_bytes() for path in first} == first


def broken(kind: str, keys) -> str:
    """Break the second input; what its reason must say."""
    path = Path(path_of("sciimg", keys[1]))
    if kind == "gone":
        path.unlink()
        return "no such file"
    if kind == "cut short":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return "truncated"
    if kind == "damaged":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        return "DATASUM"
    with fits.open(path) as hdus:
        keyword, value = {"another field": ("FIELDID", 474), "unusable since": ("STATUS", 0)}[kind]
        hdus[0].header[keyword] = value
        hdus.writeto(path.with_suffix(".new"), checksum=True)
    path.with_suffix(".new").rename(path)
    return "it is of field 474" if kind == "another field" else "STATUS is not 1"


@pytest.mark.parametrize("kind", ["gone", "cut short", "damaged", "another field", "unusable since"])
def test_a_bad_input_is_left_out_and_named(archive, kind):
    reason = broken(kind, archive)
    _, record = call()
    assert (record["status"], record["metrics"]["nframes"], record["metrics"]["nreject"]) == (1, N - 1, 1)
    assert reason in record["inputs"][path_of("sciimg", archive[1])]
    assert fits.getval(OUTPUT, "OUT0001") == Path(path_of("sciimg", archive[1])).name
    assert reason in Path(path_of("vrefimlog", VERSION)).read_text()


def test_a_list_with_inputs_of_another_field_uses_none_of_them(archive):
    other = [replace(key, exposure=replace(key.exposure, field=474)) for key in archive[:2]]
    freeze([*other, *archive[2:]])
    _, record = call()
    assert record["status"] == 0
    assert "2 inputs are left of 3 needed" in record["reason"]
    assert "another field" in record["inputs"][path_of("sciimg", other[0])]
    header = fits.getheader(OUTPUT)
    assert (header["STATUS"], header["NFRAMES"], header["NREJECT"]) == (0, 2, 2)
    assert "MAGLIM" not in header
    assert len(read_psfcat(path_of("vrefpsfcat", VERSION))[0]) == 0


def test_a_list_of_another_version_is_refused(archive):
    with pytest.raises(BadFile, match="inputs of"):
        call(path_of("vrefimg", replace(VERSION, version=2)))
    with pytest.raises(BadName):
        call(path_of("refimg", KEY))


def test_only_the_version_in_force_is_published(archive):
    settings, _ = call()
    accounts.put_in_force(Path(), replace(VERSION, version=2), "a test")
    with pytest.raises(BadFile, match="version 2 is in force"):
        publish(path_of("refimg", KEY), settings, Path(OUTPUT))
    assert not Path(path_of("refimg", KEY)).exists()


def test_the_grid_is_that_of_the_field(archive):
    call()
    header = fits.getheader(OUTPUT)
    assert (header["NAXIS2"], header["NAXIS1"]) == CAMERA.quadrant_shape
    centre = CAMERA.field(KEY.field)
    assert (header["CRVAL1"], header["CRVAL2"]) == (centre.ra_deg, centre.dec_deg)
