"""The step `difference image` on files: what the products say of planted transients, and what bad input becomes."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.difference_scene import NEW, VERSION, difference_settings, inputs_of, write_epochs, write_reference
from ztfpipe.errors import BadFile, BadName
from ztfpipe.model.candidates import RAW_TABLE
from ztfpipe.model.difference import CANDIDATE_TABLE, STREAK_COLUMNS
from ztfpipe.model.keys import ReferenceKey, ReferenceVersionKey
from ztfpipe.products.catalogs.events import read_candidates, read_raw_detections, read_streaks
from ztfpipe.products.names import path_of
from ztfpipe.steps.difference import image

OUTPUT = path_of("scimrefdiffimg", NEW)
PRODUCTS = (
    *("scimrefdiffimg", "diffimgpsf", "candidates", "rawdetections", "streaks"),
    *("diffpreview", "diffimlog", "diffqa"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An archive with a reference and the difference of a new epoch, and what was planted there."""
    archive = tmp_path_factory.mktemp("difference") / "archive"
    archive.mkdir()
    with contextlib.chdir(archive):
        planted = write_epochs()
        write_reference()
        image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION))
    return archive, planted


@pytest.fixture
def archive(made, tmp_path, monkeypatch):
    """A copy of it, as working directory, without the difference."""
    shutil.copytree(made[0], tmp_path / "archive")
    monkeypatch.chdir(tmp_path / "archive")
    for name in PRODUCTS:
        Path(path_of(name, NEW)).unlink()
    return tmp_path / "archive"


def record():
    return json.loads(Path(path_of("diffqa", NEW)).read_text())


def nearest(table, x_px, y_px):
    """Row of the candidate nearest to a place, and its distance [px]."""
    distance = np.hypot(table.xpos - 1 - x_px, table.ypos - 1 - y_px)
    return table.loc[distance.idxmin()], distance.min()


def test_transients_are_found_where_and_as_bright_as_they_are(made, monkeypatch):
    monkeypatch.chdir(made[0])
    planted, table = made[1], read_candidates(path_of("candidates", NEW))
    pulls = []
    for x, y, flux in zip(planted.x_px, planted.y_px, planted.flux_adu, strict=True):
        row, distance = nearest(table, x, y)
        # Placed to FWHM / 2.35 / (S/N 15) = 0.07 px per axis: four sigma of both axes.
        assert distance < 0.4
        assert row.isdiffpos
        pulls.append((row.flux - flux) / row.sigflux)
    # The mean of eight pulls scatters by 0.35.
    assert abs(np.mean(pulls)) < 4 * 0.35
    assert np.abs(pulls).max() < 5
    row, distance = nearest(table, *planted.gone_px)
    assert distance < 0.4
    assert not row.isdiffpos
    assert row.flux == pytest.approx(planted.gone_flux_adu, abs=5 * float(row.sigflux))


def test_products_and_their_words(made, monkeypatch):
    monkeypatch.chdir(made[0])
    assert all(Path(path_of(name, NEW)).exists() for name in PRODUCTS)
    science = fits.getheader(path_of("sciimg", NEW))
    with fits.open(OUTPUT) as hdus:
        header, pixels = hdus[1].header, hdus[1].data
        assert hdus[0].data is None
    assert header["MAGZP"] == science["MAGZP"]
    assert header["CRVAL1"] == science["CRVAL1"]
    assert {name: header[name] for name in ("STATUS", "REFVERS", "RFID")} == {
        "STATUS": 1, "REFVERS": 1, "RFID": 473120236,
    }  # fmt: skip
    assert np.isnan(pixels).mean() == pytest.approx(header["DIFPCBAD"] / 100, abs=1e-3)
    stamp = fits.getdata(path_of("diffimgpsf", NEW))
    assert np.unravel_index(stamp.argmax(), stamp.shape) == (12, 12)
    # D's PSF has rings that the stamp cuts.
    assert stamp.sum() == pytest.approx(1, abs=0.02)
    metrics = record()["metrics"]
    assert metrics["ncandscimref"] + metrics["ncandrefmsci"] == len(read_candidates(path_of("candidates", NEW)))
    # Registration: a hundred stars of S/N over 20 each to 0.05 px.
    assert max(metrics["registration_x_px"], metrics["registration_y_px"]) < 0.05
    reference = fits.getheader(path_of("vrefimg", VERSION))
    expected = 10 ** (0.4 * (science["MAGZP"] - reference["MAGZP"]))
    assert metrics["fluxrat"] == pytest.approx(expected, rel=0.01)
    candid = read_candidates(path_of("candidates", NEW)).candid
    assert candid.is_unique


def test_the_packed_image_is_as_fpack_packs_it(made, monkeypatch):
    """Rice, subtractive dither, and the same bytes each time."""
    monkeypatch.chdir(made[0])
    with fits.open(OUTPUT, disable_image_compression=True) as hdus:
        words = hdus[1].header
        assert (words["ZCMPTYPE"], words["ZQUANTIZ"]) == ("RICE_1", "SUBTRACTIVE_DITHER_1")
        assert "CHECKSUM" in words
    content = Path(OUTPUT).read_bytes()
    image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION))
    assert Path(OUTPUT).read_bytes() == content


def set_words(path, **words):
    with fits.open(path) as hdus:
        hdus[0].header.update(words)
        hdus.writeto(Path(path).with_suffix(".new"), checksum=True)
    Path(path).with_suffix(".new").rename(path)


@pytest.mark.parametrize(
    ("product", "words", "reason"),
    [
        ("sciimg", {"STATUS": 0}, "science image has STATUS 0"),
        ("vrefimg", {"STATUS": 0}, "reference has STATUS 0"),
        ("vrefimg", {"CRVAL1": 10.0}, "do not overlap"),
    ],
    ids=["science unusable", "reference unusable", "no overlap"],
)
def test_what_cannot_be_subtracted_gives_products_with_status_0_and_no_rows(archive, product, words, reason):
    key = VERSION if product.startswith("v") else NEW
    set_words(path_of(product, key), **words)
    image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION))
    assert all(Path(path_of(name, NEW)).exists() for name in PRODUCTS)
    assert record()["status"] == 0
    assert reason in record()["reason"]
    with fits.open(OUTPUT) as hdus:
        assert hdus[1].header["STATUS"] == 0
        assert np.isnan(hdus[1].data).all()
    for table, contract in (
        (read_raw_detections(path_of("rawdetections", NEW)), RAW_TABLE),
        (read_candidates(path_of("candidates", NEW)), CANDIDATE_TABLE),
        (read_streaks(path_of("streaks", NEW)), STREAK_COLUMNS),
    ):
        assert len(table) == 0
        assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
            column.name: "str" if column.dtype == "str" else str(np.dtype(column.dtype)) for column in contract
        }


def test_too_many_candidates_are_a_failed_subtraction(archive):
    # Without the lower limit of the settings two sigma would do; here the cap is below what was planted.
    image(OUTPUT, difference_settings(candidate_scorr_min=3.0, candidates_max=10), **inputs_of(NEW, VERSION))
    assert record()["status"] == 0
    assert "too many candidates" in record()["reason"]
    assert len(read_candidates(path_of("candidates", NEW))) == 0


def test_the_reference_of_another_place_is_refused(archive):
    set_words(path_of("vrefimg", VERSION), FIELDID=474)
    with pytest.raises(BadFile, match="it is of field 474, not 473"):
        image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION))
    other = ReferenceVersionKey(ReferenceKey(474, "zr", 10, 1), 1)
    Path(path_of("vrefimg", other)).parent.mkdir(parents=True)
    for name in ("vrefimg", "vrefmsk", "vrefunc", "vrefpsfcat"):
        shutil.copy(path_of(name, VERSION), path_of(name, other))
    with pytest.raises(BadFile, match="not the reference of the science image's field"):
        image(OUTPUT, difference_settings(), **inputs_of(NEW, other))
    assert not Path(OUTPUT).exists()


@pytest.mark.parametrize("name", ["image", "mask", "psfcat", "refimg", "refunc"])
def test_a_file_cut_short_is_refused(archive, name):
    path = inputs_of(NEW, VERSION)[name]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadFile):
        image(OUTPUT, difference_settings(), **inputs_of(NEW, VERSION))
    assert not Path(OUTPUT).exists()


def test_calls_that_make_no_sense(archive):
    with pytest.raises(BadName, match="not the path of product scimrefdiffimg"):
        image(path_of("sciimg", NEW), difference_settings(), **inputs_of(NEW, VERSION))
