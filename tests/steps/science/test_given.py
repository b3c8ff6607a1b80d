"""The step that measures a science image of the archive: files in, files out; what is no such image is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from benchmarks.science_scenes import expose_sky, sky_settings, write_inputs
from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile, BadName
from ztfpipe.products.names import path_of
from ztfpipe.steps.science import image, measure

PRODUCTS = (
    "sciimg", "mskimg", "psfcat", "sexcat", "sciimgdao", "sciimgdaopsfcent", "scipreview", "sciimlog", "sciqa",
)  # fmt: skip


@pytest.fixture(scope="module")
def exposure():
    return expose_sky(Camera.load("mini"), sky_settings())


@pytest.fixture(scope="module")
def downloaded(exposure, tmp_path_factory):
    """A workspace with our own science image and mask as they would be downloaded, and the step's arguments."""
    folder = tmp_path_factory.mktemp("downloaded")
    arguments = write_inputs(exposure, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "archive")
        image(path_of("sciimg", exposure.key), **arguments)
        for name in ("sciimg", "mskimg"):
            copy = Path(path_of(f"given{name}", exposure.key))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path_of(name, exposure.key), copy)
    return folder, arguments


@pytest.fixture
def archive(downloaded, tmp_path, monkeypatch):
    """A copy of it, as working directory."""
    shutil.copytree(downloaded[0] / "archive", tmp_path / "archive")
    monkeypatch.chdir(tmp_path / "archive")
    return tmp_path / "archive"


@pytest.fixture
def call(exposure, downloaded, archive):
    """The step on the downloaded image, with other inputs where asked."""

    def step(output=None, **others):
        output = output or path_of("measuredsciimg", exposure.key)
        inputs = {"sciimg": Path(path_of("givensciimg", exposure.key)), **others}
        measure(output, downloaded[1]["settings"], **inputs)

    return step


def table(path):
    with fits.open(path) as stored:
        return next(hdu.data.copy() for hdu in stored if isinstance(hdu, fits.BinTableHDU))


def change(exposure, **cards):
    """Put other keywords into the downloaded image."""
    with fits.open(path_of("givensciimg", exposure.key), mode="update") as stored:
        for keyword, value in cards.items():
            stored[0].header[keyword] = value


def assert_nothing_written(archive):
    assert not (archive / "measured").exists()


def test_all_products_are_made_beside_the_downloads(exposure, call, archive):
    before = Path(path_of("givensciimg", exposure.key)).read_bytes()
    call(mskimg=Path(path_of("givenmskimg", exposure.key)))
    for name in PRODUCTS:
        assert Path(path_of(f"measured{name}", exposure.key)).stat().st_size > 0, name
    assert Path(path_of("givensciimg", exposure.key)).read_bytes() == before
    record = json.loads(Path(path_of("measuredsciqa", exposure.key)).read_text())
    assert (record["step"], record["status"], record["reason"]) == ("science measure", 1, "")
    assert len(record["inputs"]) == 2


def test_its_own_wcs_and_zero_point_stand(exposure, call):
    call()
    given = fits.getheader(path_of("givensciimg", exposure.key))
    found = fits.getheader(path_of("measuredsciimg", exposure.key))
    for keyword in ("CRVAL1", "CRPIX2", "CD1_1", "PV2_16", "MAGZP", "MAGZPUNC", "NMATCHES", "ASTROMN", "GAIN", "EXPID"):
        assert found[keyword] == given[keyword], keyword
    assert (found["INFOBITS"], found["STATUS"]) == (given["INFOBITS"], 1)


def test_it_measures_what_the_recipe_measured_from_the_raw_file(exposure, call):
    """The same pixels, PSF and stars; what differs is which rays and tracks were masked when."""
    call(mskimg=Path(path_of("givenmskimg", exposure.key)))
    ours, first = (table(path_of(name, exposure.key)) for name in ("measuredpsfcat", "psfcat"))
    assert abs(len(ours) / len(first) - 1) < 0.1
    bright = first["snr"] > 50
    distance = np.hypot(
        ours["xpos"][:, None] - first["xpos"][bright], ours["ypos"][:, None] - first["ypos"][bright]
    )  # fmt: skip
    nearest = distance.argmin(axis=0)
    assert np.median(distance.min(axis=0)) < 0.01
    difference = ours["mag"][nearest] - first["mag"][bright]
    # S/N 50 is 0.02 mag, of the same photons; the unit of a PSF of some twenty stars is their mean, known to 0.01 mag.
    assert abs(np.median(difference)) < 0.02
    assert np.median(np.abs(difference - np.median(difference))) < 0.005
    found, given = (fits.getheader(path_of(f"{family}sciimg", exposure.key)) for family in ("measured", "given"))
    assert found["SEEING"] == pytest.approx(given["SEEING"], rel=0.02)
    assert found["MAGLIM"] == pytest.approx(given["MAGLIM"], abs=0.05)


def test_without_its_mask_one_is_made(exposure, call):
    """A saturated core with its trail, flat-fielded by some per cent either way, and pixels that are not numbers."""
    path = path_of("givensciimg", exposure.key)
    with fits.open(path, mode="update") as stored:
        level = stored[0].header["SATURATE"]
        stored[0].data[200:215, 300:303] = level * np.linspace(0.92, 1.05, 45).reshape(15, 3)
        stored[0].data[50, 60:70] = np.nan
    call()
    made = fits.getdata(path_of("measuredmskimg", exposure.key))
    assert (made[200:215, 300:303] & 1 << 8 > 0).all()
    assert (made[50, 60:70] & 1 << 10 > 0).all()
    assert np.isfinite(fits.getdata(path_of("measuredsciimg", exposure.key))).all()
    # The trail and its neighbours, and no other pixel.
    assert np.count_nonzero(made & 1 << 8) < 200


def test_a_cut_out_is_an_image(exposure, call):
    path = path_of("givensciimg", exposure.key)
    with fits.open(path) as stored:
        pixels, header = stored[0].data[100:420, 50:450], stored[0].header
    header["CRPIX1"], header["CRPIX2"] = header["CRPIX1"] - 50, header["CRPIX2"] - 100
    fits.writeto(path, pixels, header, overwrite=True)
    call()
    ours, first = (table(path_of(name, exposure.key)) for name in ("measuredpsfcat", "psfcat"))
    inside = (np.abs(first["xpos"] - 251) < 190) & (np.abs(first["ypos"] - 261) < 150) & (first["snr"] > 50)
    distance = np.hypot(ours["ra"][:, None] - first["ra"][inside], ours["dec"][:, None] - first["dec"][inside])
    assert inside.sum() > 5
    # 0.01 deg / 3600 is a thirtieth of a pixel; both have the same WCS.
    assert np.median(distance.min(axis=0)) < 1e-5


def test_the_word_of_the_archive_is_kept_where_it_cannot_be_judged(exposure, call):
    """Bit 26 is of many nights, bit 9 of calibrators that are not at hand."""
    change(exposure, INFOBITS=(1 << 26) + (1 << 9), FILENAME="")
    call()
    found = fits.getheader(path_of("measuredsciimg", exposure.key))["INFOBITS"]
    in_force = {bit.bit for bit in exposure.camera.infobits if bit.in_force(exposure.key.night)}
    assert found >> 9 & 1
    assert bool(found >> 26 & 1) == (26 in in_force)


def test_without_stars_every_product_is_written(exposure, call):
    path = path_of("givensciimg", exposure.key)
    noise = np.random.default_rng(5).normal(300, 8, exposure.camera.quadrant_shape).astype(np.float32)
    with fits.open(path, mode="update") as stored:
        stored[0].data = noise
    call()
    for name in PRODUCTS:
        assert Path(path_of(f"measured{name}", exposure.key)).stat().st_size > 0, name
    header = fits.getheader(path_of("measuredsciimg", exposure.key))
    assert header["STATUS"] == 0
    assert header["INFOBITS"] >> 20 & 1
    assert "MAGZP" in header
    # What was measured on the pixels by the archive is not taken for our own word.
    assert "APCOR1" not in header
    assert "MAGLIM" not in header


def test_a_file_cut_short_is_refused(exposure, call, archive):
    path = Path(path_of("givensciimg", exposure.key))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(BadFile, match="not readable as FITS"):
        call()
    assert_nothing_written(archive)


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        ({"CCDID": 11}, "it is of CCD 11, not 10"),
        ({"FILTERID": 3}, "it is of filter number 3"),
        ({"FILENAME": "ztf_20200101123456_000001_zr_c10_o.fits"}, "its header ztf_20200101123456"),
        ({"GAIN": "unknown"}, "GAIN is missing or no number"),
        ({"CTYPE1": "RA---SIN"}, "projection"),
    ],
)
def test_another_image_under_its_name_is_refused(exposure, call, archive, cards, reason):
    change(exposure, **cards)
    with pytest.raises(BadFile, match=reason):
        call()
    assert_nothing_written(archive)


def test_a_foreign_image_is_refused(exposure, call, archive):
    fits.writeto(path_of("givensciimg", exposure.key), np.zeros((50, 60), np.float32), overwrite=True)
    with pytest.raises(BadFile, match="not a science image of this survey"):
        call()
    fits.writeto(path_of("givensciimg", exposure.key), np.zeros((50, 60), np.int16), overwrite=True)
    with pytest.raises(BadFile, match="not real numbers"):
        call()
    fits.writeto(path_of("givensciimg", exposure.key), np.zeros((4000, 60), np.float32), overwrite=True)
    with pytest.raises(BadFile, match="more than a quadrant has"):
        call()
    assert_nothing_written(archive)


def test_the_mask_of_another_image_is_refused(exposure, call, archive):
    fits.writeto(path_of("givenmskimg", exposure.key), np.zeros((50, 60), np.int16), overwrite=True)
    with pytest.raises(BadFile, match="not the mask of its image"):
        call(mskimg=Path(path_of("givenmskimg", exposure.key)))
    assert_nothing_written(archive)


def test_only_the_path_of_a_measured_image_is_an_output(exposure, call):
    with pytest.raises(BadName, match="measured"):
        call(output=path_of("sciimg", exposure.key))
