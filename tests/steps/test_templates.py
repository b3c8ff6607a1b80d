"""The steps that freeze a list and make a version, and what a plan takes of the versions there are."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TINY
from ztfpipe.config import Config
from ztfpipe.errors import BadName, Unusable
from ztfpipe.model.catalogs import PhotometricCalibrators, PsfCatalog
from ztfpipe.model.keys import CalibrationKey, ExposureKey, FieldQuadrantKey, NightKey, QuadrantKey
from ztfpipe.model.plan import NightPlan, TemplateChoice
from ztfpipe.model.records import QaRecord
from ztfpipe.model.science import FringesTaken, FringeTemplate
from ztfpipe.model.skycatalogs import PS1_BANDS
from ztfpipe.model.templates import MadeFringes, MadeResponsivity
from ztfpipe.products.accounts.plan import read_plan, write_plan
from ztfpipe.products.accounts.records import read_record, write_record
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.accounts.templates import read_frames
from ztfpipe.products.catalogs.catalogs import write_psfcat
from ztfpipe.products.formats.fits import read_header, write_image
from ztfpipe.products.images.templates import (
    fringe_cards,
    read_fringes,
    read_lofreqflat,
    write_fringes,
    write_lofreqflat,
)
from ztfpipe.products.names import path_of
from ztfpipe.steps import ingest, templates

SETTINGS = Path("../settings/templates.json")
NIGHT, EARLIER = "20180325", "20180320"
VERSION = CalibrationKey(NIGHT, "zi", 10, 1)
SKY = 500.0


def image_key(night, index, filter_code="zi", qid=1):
    return QuadrantKey(ExposureKey(f"{night}{200000 + 100 * index}", 473, filter_code, "o"), 10, qid)


def fringes(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.cos(2 * np.pi * (x + 0.5 * y) / 24.0)


@pytest.fixture
def site(workspace, tiny_camera):
    """An archive with settings for small numbers of frames."""
    small = {
        "fringe_frames_min": 4, "fringe_components": 1, "fringe_block_px": 4, "fringe_smooth_blocks": 9,
        "fringe_period_min_px": 12.0, "lofreqflat_frames_min": 4, "stars_min": 100, "cell_px": 16,
    }  # fmt: skip
    config = Config.model_validate({"camera": str(TINY), "workspace": "work", "templates": small})
    write_settings(workspace / "settings", "templates", config, tiny_camera)
    return tiny_camera


def plan_night(night, keys, versions=()):
    write_plan(path_of("plan", NightKey(night)), NightPlan(night, "tiny", "", tuple(keys), (), (), tuple(versions)))


def make_image(camera, key, *, status=1, cloudy=0.0, header=None, added=0.0):
    """A science image with fringes, its mask, its record, and a catalog of forty stars of its field."""
    rng = np.random.default_rng(int(key.exposure.fracday))
    shape = camera.quadrant_shape
    image = SKY * (1 + 0.02 * fringes(shape)) + rng.normal(0, 2, shape) + added
    cards = {"STATUS": (status, ""), **(header or {})}
    write_image(path_of("sciimg", key), image.astype(np.float32), cards)
    write_image(path_of("mskimg", key), np.zeros(shape, np.int16), cards)
    metrics = {"photometric_bad": 0.0, "cloud_structured": cloudy}
    write_record(path_of("sciqa", key), QaRecord("science image", "", status, "", metrics))
    n, zero = 40, np.zeros(40)
    stars = np.random.default_rng(1)
    x, y = stars.uniform(0, shape[1] - 1, n), stars.uniform(0, shape[0] - 1, n)
    flux = 10 ** (-0.4 * (stars.uniform(15, 18, n) - 26)) * (1 + 0.02 * x / shape[1]) * rng.normal(1, 0.005, n)
    catalog = PsfCatalog(
        x, y, 150 + x / 3600, 2 + y / 3600, flux, 0.005 * flux, zero, zero, np.zeros(n, np.int16)
    )  # fmt: skip
    write_psfcat(path_of("psfcat", key), catalog, cards)


@pytest.fixture
def calibrators(monkeypatch, tiny_camera):
    """True magnitudes of the stars of `make_image`, in place of the field's file."""
    stars, n = np.random.default_rng(1), 40
    shape = tiny_camera.quadrant_shape
    x, y = stars.uniform(0, shape[1] - 1, n), stars.uniform(0, shape[0] - 1, n)
    mag = stars.uniform(15, 18, n)
    known = PhotometricCalibrators(
        150 + x / 3600, 2 + y / 3600, dict.fromkeys(PS1_BANDS, mag), dict.fromkeys(PS1_BANDS, np.full(n, 0.005))
    )
    expected = path_of("ps1calibrators", FieldQuadrantKey(473, 10, 1))

    def read(path):
        assert str(path) == expected
        return known

    monkeypatch.setattr(templates, "read_photometric_calibrators", read)


@pytest.fixture
def six_images(site):
    """Four images of the night and two of an earlier one; others that do not belong."""
    keys = [image_key(NIGHT, index) for index in range(4)]
    earlier = [image_key(EARLIER, index) for index in range(2)]
    for key in keys + earlier:
        make_image(site, key)
    others = [image_key(NIGHT, 5, "zr"), image_key(NIGHT, 6, qid=2), image_key(NIGHT, 7), image_key(NIGHT, 8)]
    make_image(site, others[2], status=0)
    make_image(site, others[3], cloudy=1.0)
    not_made = image_key(NIGHT, 9)
    plan_night(NIGHT, [*keys, *others, not_made])
    plan_night(EARLIER, earlier)
    plan_night("20180101", [image_key("20180101", 0)])
    make_image(site, image_key("20180101", 0))
    return earlier + keys


def test_a_list_holds_the_good_images_of_the_nights_before(six_images):
    templates.fringe_frames(path_of("fringeframes", VERSION), SETTINGS)
    listed = read_frames(path_of("fringeframes", VERSION))
    assert [one.science for one in listed.frames] == six_images
    assert (listed.kind, listed.key, listed.candidates) == ("fringe", VERSION, 6)


def test_too_few_images_leave_no_list(site):
    plan_night(NIGHT, [image_key(NIGHT, 0)])
    make_image(site, image_key(NIGHT, 0))
    for step, product in ((templates.fringe_frames, "fringeframes"), (templates.lofreqflat_frames, "lofreqflatframes")):
        with pytest.raises(Unusable, match="images=1, needed=4"):
            step(path_of(product, VERSION), SETTINGS)
        assert not Path(path_of(product, VERSION)).exists()


def test_no_fringes_in_other_filters(six_images):
    with pytest.raises(BadName, match="no fringes in zr"):
        templates.fringe_frames(path_of("fringeframes", dataclasses.replace(VERSION, filter="zr")), SETTINGS)


def make_fringes():
    templates.fringe_frames(path_of("fringeframes", VERSION), SETTINGS)
    templates.fringe(path_of("fringe", VERSION), SETTINGS, Path(path_of("fringeframes", VERSION)))
    return json.loads(Path(path_of("fringeqa", VERSION)).read_text())


def test_fringes_of_a_list(six_images):
    record = make_fringes()
    assert record["status"] == 1
    assert set(record["inputs"]) == {path_of("sciimg", key) for key in six_images}
    template, header = read_fringes(path_of("fringe", VERSION))
    assert header["NFRAMES"][0] == 6
    assert template.components.shape == (1, 16, 14)
    assert "6 used" in Path(path_of("fringelog", VERSION)).read_text()


def test_images_made_again_otherwise_are_left_out(site, six_images):
    """What is put back must be what was taken out: an image whose template is another one than listed is no use."""
    templates.fringe_frames(path_of("fringeframes", VERSION), SETTINGS)
    make_image(site, six_images[0], header={"FRNGNITE": ("20180319", "")})
    Path(path_of("sciimg", six_images[1])).unlink()
    templates.fringe(path_of("fringe", VERSION), SETTINGS, Path(path_of("fringeframes", VERSION)))
    record = read_record(QaRecord, path_of("fringeqa", VERSION))
    assert (record.metrics["frames_used"], record.metrics["frames_left_out"]) == (4, 2)
    log = Path(path_of("fringelog", VERSION)).read_text()
    assert "made again with the fringe of 20180319, not of no night" in log
    assert "no such file" in log


def test_what_an_earlier_version_took_out_is_put_back(site, six_images):
    make_fringes()
    plain, _ = read_fringes(path_of("fringe", VERSION))
    first = CalibrationKey("20180310", "zi", 10, 1)
    flat = FringeTemplate(np.full((1, 16, 14), 1 / np.sqrt(16 * 14), np.float32), 4, 9, np.array([1.0]))
    write_fringes(first, MadeFringes(1, "", (), {}, {}, flat), site, {})
    taken = FringesTaken((1.5,), SKY)
    words = {"FRNGNITE": ("20180310", ""), **fringe_cards(taken)}
    for key in six_images:
        make_image(site, key, header=words, added=-1.5 / np.sqrt(16 * 14) * SKY)
    Path(path_of("fringeframes", VERSION)).unlink()
    record = make_fringes()
    assert path_of("fringe", first) in record["inputs"]
    again, _ = read_fringes(path_of("fringe", VERSION))
    # A constant taken out and put back: only its rounding to float32 differs.
    np.testing.assert_allclose(again.components, plain.components, atol=1e-4)


def test_a_map_of_a_list(site, six_images, calibrators):
    templates.lofreqflat_frames(path_of("lofreqflatframes", VERSION), SETTINGS)
    templates.lofreqflat(path_of("lofreqflat", VERSION), SETTINGS, Path(path_of("lofreqflatframes", VERSION)))
    response, header = read_lofreqflat(path_of("lofreqflat", VERSION))
    assert (header["STATUS"][0], header["NFRAMES"][0]) == (1, 6)
    # The response grows by 2 % along x. 240 residuals of 7 mmag fix the rise of a straight line to 7 sqrt(12 / 240) =
    # 1.6 mmag; the parabolas here are almost as wide as the quadrant and their ends three times less certain.
    rise = float(np.mean(response[:, -5:]) / np.mean(response[:, :5])) - 1
    assert rise == pytest.approx(0.02 * 51 / 56, abs=3 * 3 * 0.0016)
    assert read_record(QaRecord, path_of("lofreqflatqa", VERSION)).metrics["stars"] == 240


def version(camera, kind, night, status=1, qid=1):
    key = CalibrationKey(night, "zi", 10, qid)
    if kind == "fringe":
        template = FringeTemplate(np.ones((1, 2, 2), np.float32), 4, 9, np.array([1.0]))
        write_fringes(key, MadeFringes(status, "", (), {}, {}, template if status else None), camera, {})
    else:
        ones = np.ones(camera.quadrant_shape, np.float32)
        write_lofreqflat(key, MadeResponsivity(status, "", (), {}, {}, ones, ones), camera, {})
    return TemplateChoice(kind, "zi", 10, qid, night)


def test_a_plan_takes_the_newest_usable_version_of_earlier_nights(site):
    version(site, "fringe", "20180201")
    newest = version(site, "fringe", EARLIER)
    version(site, "fringe", "20180322", status=0)
    version(site, "fringe", NIGHT)
    flat = version(site, "lofreqflat", "20180201", qid=3)
    assert ingest.templates_in_force(NIGHT, site) == (flat, newest)
    assert read_header(path_of("fringe", newest.key))["STATUS"][0] == 1


def test_a_plan_made_again_keeps_its_versions(site):
    path = path_of("plan", NightKey(NIGHT))
    kept = version(site, "fringe", "20180201")
    plan_night(NIGHT, [], [kept])
    version(site, "fringe", EARLIER)
    assert read_plan(path).templates == (kept,)
    assert ingest.earlier_plan(path).templates == (kept,)
