"""The step that makes a quadrant's science image: files in, files out."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from benchmarks.science_scenes import expose_sky, sky_settings, write_inputs
from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile, BadName
from ztfpipe.model.zero_points import UsualZeroPoint, UsualZeroPoints
from ztfpipe.products.accounts.zero_points import write_zero_points
from ztfpipe.products.names import path_of
from ztfpipe.steps.science import image

PRODUCTS = (
    "sciimg", "mskimg", "psfcat", "sexcat", "sciimgdao", "sciimgdaopsfcent", "scipreview", "sciimlog", "log",
    "sciqa",
)  # fmt: skip


@pytest.fixture(scope="module")
def exposure():
    return expose_sky(Camera.load("mini"), sky_settings())


@pytest.fixture(scope="module")
def written(exposure, tmp_path_factory):
    """A workspace with all inputs, and the step's arguments."""
    folder = tmp_path_factory.mktemp("inputs")
    return folder, write_inputs(exposure, folder)


@pytest.fixture(scope="module")
def made(exposure, written, tmp_path_factory):
    """Archive after a good call, and the paths of its products."""
    folder = tmp_path_factory.mktemp("good") / "w"
    shutil.copytree(written[0], folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "archive")
        image(path_of("sciimg", exposure.key), **written[1])
    return {name: folder / "archive" / path_of(name, exposure.key) for name in PRODUCTS}


@pytest.fixture
def archive(written, tmp_path, monkeypatch):
    """A copy of the inputs, as working directory."""
    shutil.copytree(written[0] / "archive", tmp_path / "archive")
    monkeypatch.chdir(tmp_path / "archive")
    return tmp_path / "archive"


def assert_all_written(exposure):
    """All declared products exist, are not empty, and can be opened; the record says STATUS 0 and why."""
    for name in PRODUCTS:
        assert Path(path_of(name, exposure.key)).stat().st_size > 0, name
    with fits.open(path_of("sciimg", exposure.key)) as stored:
        assert stored[0].header["STATUS"] == 0
        assert stored[0].data.shape == exposure.camera.quadrant_shape
    for name in ("psfcat", "sexcat"):
        with fits.open(path_of(name, exposure.key)) as stored:
            assert len(stored) > 1
    record = json.loads(Path(path_of("sciqa", exposure.key)).read_text())
    assert record["status"] == 0
    assert record["reason"]
    return record


def test_all_products_exist_under_archive_names(made):
    for name, path in made.items():
        assert path.stat().st_size > 0, name
    record = json.loads(made["sciqa"].read_text())
    assert (record["status"], record["reason"]) == (1, "")
    assert record["metrics"]["infobits"] == fits.getheader(made["sciimg"])["INFOBITS"]
    # Raw file, two masters: each with the checksum of its pixels.
    assert len(record["inputs"]) == 3
    assert {"read", "recipe", "write"} <= set(record["timings_s"])
    assert time.time() - 3600 < record["ended_unix"] < time.time()


def test_header_is_a_wcs_for_astropy(exposure, made):
    """astropy puts the stars of the truth on their pixels: 31 mas of turbulence, 60 of a fit to few stars: 0.1 px."""
    header = fits.getheader(made["sciimg"])
    stars = exposure.tables["stars"]
    ny, nx = exposure.camera.quadrant_shape
    stars = stars[stars.x_px.between(0, nx - 1) & stars.y_px.between(0, ny - 1) & (stars.mag < 18)]
    wcs = WCS(header)
    x, y = wcs.all_world2pix(stars.ra_deg, stars.dec_deg, 0)
    assert len(stars) > 50
    assert np.median(np.hypot(x - stars.x_px, y - stars.y_px)) < 0.1
    assert (header["CTYPE1"], header["NAXIS1"], header["NAXIS2"]) == ("RA---TPV", nx, ny)
    # The record's corners are those of the outermost pixels, to what a header's digits leave: 1e-7 deg.
    metrics = json.loads(made["sciqa"].read_text())["metrics"]
    corners = wcs.all_pix2world([-0.5, nx - 0.5, nx - 0.5, -0.5], [-0.5, -0.5, ny - 0.5, ny - 0.5], 0)
    for axis, values in zip(("ra", "dec"), corners, strict=True):
        assert [metrics[f"{axis}{corner}"] for corner in (1, 2, 3, 4)] == pytest.approx(values.tolist(), abs=1e-7)


def test_header_tells_the_calibration(exposure, made):
    header = fits.getheader(made["sciimg"])
    # 26.1 +- 0.2 from the truth; the fit is judged in the tests of the recipe.
    assert header["MAGZP"] == pytest.approx(exposure.zero_point_mag, abs=0.05)
    assert 19 < header["MAGLIM"] < 21.5
    assert (header["STATUS"], header["CCDID"], header["QID"]) == (1, 10, 1)
    for keyword in ("CIDBIAS", "CIDHIFLT", "CIDPMASK", "ASTRRMS1", "APCOR6", "SEEING", "PV2_16", "OBSJD", "GAIN"):
        assert keyword in header, keyword


def test_catalogs_agree_with_the_image(made):
    """Positions of the table, one-based, are those of the sky through the header's WCS, to what float32 holds."""
    header = fits.getheader(made["sciimg"])
    with fits.open(made["psfcat"]) as stored:
        table = next(hdu.data for hdu in stored if isinstance(hdu, fits.BinTableHDU))
        names = {name.lower(): name for name in table.names}
        ra, dec = WCS(header).all_pix2world(table[names["xpos"]], table[names["ypos"]], 1)
        assert len(table) > 300
        np.testing.assert_allclose(table[names["ra"]], ra, atol=1e-6)
        np.testing.assert_allclose(table[names["dec"]], dec, atol=1e-6)


def test_mask_has_the_images_shape_and_known_bits(exposure, made):
    mask = fits.getdata(made["mskimg"])
    assert mask.shape == exposure.camera.quadrant_shape
    assert mask.dtype.kind == "i"
    assert mask.min() >= 0
    assert int(np.bitwise_or.reduce(mask.ravel())) < 2**13


def test_same_inputs_same_pixels(exposure, written, made, archive):
    image(path_of("sciimg", exposure.key), **written[1])
    for name in ("sciimg", "mskimg", "psfcat"):
        assert Path(path_of(name, exposure.key)).read_bytes() == made[name].read_bytes(), name


@pytest.mark.parametrize("missing", [("bias",), ("flat",), ("bias", "flat")], ids="+".join)
def test_missing_masters_leave_all_products(exposure, written, archive, missing):
    arguments = {name: path for name, path in written[1].items() if name not in missing}
    image(path_of("sciimg", exposure.key), **arguments)
    record = assert_all_written(exposure)
    for name in missing:
        assert name in record["reason"]
    np.testing.assert_array_equal(fits.getdata(path_of("sciimg", exposure.key)), exposure.raw.image)


def test_unusable_master_is_as_none(exposure, written, archive):
    fits.setval(written[1]["bias"], "STATUS", value=0)
    image(path_of("sciimg", exposure.key), **written[1])
    assert "bias" in assert_all_written(exposure)["reason"]


def test_without_catalogs_all_products_exist(exposure, written, archive):
    arguments = {name: path for name, path in written[1].items() if name not in ("gaia", "ps1", "bright")}
    image(path_of("sciimg", exposure.key), **arguments)
    record = assert_all_written(exposure)
    assert "no astrometric calibrators" in record["reason"]
    assert record["metrics"]["npsfcat"] > 300


def cut_short(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("name", ["bias", "flat", "raw"])
def test_image_cut_short_is_named(exposure, written, archive, name):
    cut_short(written[1][name])
    with pytest.raises(BadFile) as caught:
        image(path_of("sciimg", exposure.key), **written[1])
    assert written[1][name].name in str(caught.value)
    assert not Path(path_of("sciimg", exposure.key)).exists()


@pytest.mark.parametrize(("name", "bit"), [("gaia", 12), ("ps1", 8)])
def test_catalog_cut_short_leaves_all_products(exposure, written, archive, name, bit):
    cut_short(written[1][name])
    image(path_of("sciimg", exposure.key), **written[1])
    record = assert_all_written(exposure)
    assert written[1][name].name in record["reason"]
    assert record["metrics"]["infobits"] >> bit & 1


def test_without_bright_stars_the_image_is_usable_and_says_so(exposure, written, archive):
    cut_short(written[1]["bright"])
    image(path_of("sciimg", exposure.key), **written[1])
    record = json.loads(Path(path_of("sciqa", exposure.key)).read_text())
    assert record["status"] == 1
    assert written[1]["bright"].name in record["reason"]


def test_log_tells_from_what_and_how(exposure, written, made):
    """Inputs with checksums, masters, versions, settings, times and the sentences of the bits that are set."""
    text = made["log"].read_text()
    for part in (
        str(written[1]["raw"]),
        "bias = 20180325",
        "versions: numpy",
        "ray_threshold = 4.5",
        "seconds: recipe",
    ):
        assert part in text
    assert "bit 14: NUMBER OF MATCHES FOR ASTROM CAL is < 100" in text


def test_other_outputs_are_refused(exposure, written, archive):
    with pytest.raises(BadName):
        image(path_of("mskimg", exposure.key), **written[1])


@pytest.mark.parametrize(("off_mag", "bit"), [(0.5, 1), (0.0, 0)])
def test_a_zero_point_off_the_usual_sets_its_bit_and_nothing_else(exposure, made, archive, written, off_mag, bit):
    """Header, catalog, mask and record say it; the image stays usable, and its pixels are as they were."""
    plain = json.loads(made["sciqa"].read_text())["metrics"]
    assert "zero_point_outlier" not in plain
    usual = UsualZeroPoint(plain["zpstandard"] + off_mag, 0.05, 40)
    channel = exposure.key.exposure.filter, exposure.key.rcid
    write_zero_points("usual.json", UsualZeroPoints(exposure.key.night, ("20180320",), {channel: usual}))
    image(path_of("sciimg", exposure.key), **written[1], usual=Path("usual.json"))
    for name in ("sciimg", "mskimg", "psfcat", "sexcat"):
        header = fits.getheader(path_of(name, exposure.key))
        assert header["INFOBITS"] == plain["infobits"] | bit << 26
        assert header["BIT26"] == 26
    record = json.loads(Path(path_of("sciqa", exposure.key)).read_text())
    assert record["status"] == 1
    assert record["metrics"]["infobits"] == plain["infobits"] | bit << 26
    # The table has five decimals.
    assert record["metrics"]["zpchange"] == pytest.approx(-off_mag, abs=1e-5)
    assert np.array_equal(fits.getdata(path_of("sciimg", exposure.key)), fits.getdata(made["sciimg"]))
