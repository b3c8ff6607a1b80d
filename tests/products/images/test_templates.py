"""Files of templates: what is written comes back, and what is none is refused."""

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model.keys import CalibrationKey, ExposureKey, QuadrantKey
from ztfpipe.model.science import FringesTaken, FringeTemplate
from ztfpipe.model.templates import MadeFringes, MadeResponsivity, TemplateFrame, TemplateFrames
from ztfpipe.products.accounts.templates import read_frames, write_frames
from ztfpipe.products.formats.fits import read_image, write_image
from ztfpipe.products.images.templates import (
    fringe_cards,
    fringes_taken,
    read_fringes,
    read_lofreqflat,
    write_fringes,
    write_lofreqflat,
)
from ztfpipe.products.names import path_of

CAMERA = Camera.load("mini")
KEY = CalibrationKey("20180325", "zi", 10, 1)
USED = ("one_sciimg.fits", "two_sciimg.fits")


@pytest.fixture(autouse=True)
def archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_fringes_come_back_as_written():
    components = np.random.default_rng(1).normal(size=(2, 5, 7)).astype(np.float32)
    template = FringeTemplate(components, 8, 25, np.array([0.5, 0.25]))
    write_fringes(KEY, MadeFringes(1, "", USED, {"three": "noisy"}, {}, template), CAMERA, {"PERIODMN": (40.0, "")})
    back, header = read_fringes(path_of("fringe", KEY))
    np.testing.assert_array_equal(back.components, components)
    np.testing.assert_array_equal(back.explained, [0.5, 0.25])
    assert (back.block_px, back.smooth_blocks) == (8, 25)
    assert [header[word][0] for word in ("NFRAMES", "NREJECT", "FRAME002", "PERIODMN", "FILTER")] == [
        2, 1, USED[1], 40.0, CAMERA.filter("zi").header,
    ]  # fmt: skip


def test_a_template_that_could_not_be_made_is_a_file_all_the_same():
    write_fringes(KEY, MadeFringes(0, "3 usable images of 20", USED, {}, {}), CAMERA, {})
    template, header = read_fringes(path_of("fringe", KEY))
    assert template is None
    assert header["REASON"][0] == "3 usable images of 20"


def test_a_map_comes_back_as_written():
    response, error = np.random.default_rng(2).normal(1, 0.01, (2, 6, 5)).astype(np.float32)
    write_lofreqflat(KEY, MadeResponsivity(1, "", USED, {}, {}, response, error), CAMERA, {})
    back, header = read_lofreqflat(path_of("lofreqflat", KEY))
    np.testing.assert_array_equal(back, response)
    np.testing.assert_array_equal(read_image(path_of("lofreqflatunc", KEY))[0], error)
    # Night 448 of the survey, readout channel 36, filter 3, type 5, by the rule of real headers.
    assert header["CIDLOFLT"][0] == 44836035


def test_a_map_of_status_0_is_not_used():
    ones = np.ones((6, 5), np.float32)
    write_lofreqflat(KEY, MadeResponsivity(0, "why", (), {}, {}, ones, ones), CAMERA, {})
    assert read_lofreqflat(path_of("lofreqflat", KEY))[0] is None


def test_other_files_are_refused():
    write_image("any.fits", np.zeros((3, 3), np.float32), {})
    for read in (read_fringes, read_lofreqflat):
        with pytest.raises(BadFile, match="no STATUS"):
            read("any.fits")
        with pytest.raises(BadFile):
            read("missing.fits")
    write_image("flat.fits", np.zeros((3, 3), np.float32), {"STATUS": (1, "")})
    with pytest.raises(BadFile, match="not a fringe template"):
        read_fringes("flat.fits")


def test_what_was_taken_out_is_read_from_the_header():
    taken = FringesTaken((0.25, -0.0625, 1e-7), 812.5)
    assert fringes_taken(fringe_cards(taken)) == taken
    assert fringes_taken({}) is None


def test_a_list_comes_back_as_written():
    keys = [QuadrantKey(ExposureKey(f"20180325{fracday}", 473, "zi", "o"), 10, 1) for fracday in (200000, 300000)]
    chosen = TemplateFrames(
        "fringe", KEY, (TemplateFrame(keys[0]), TemplateFrame(keys[1], "20180301", "20180302")), candidates=9
    )
    write_frames("list.json", chosen)
    assert read_frames("list.json") == chosen
    assert chosen.earlier("fringe") == (CalibrationKey("20180302", "zi", 10, 1),)


def test_a_list_of_something_else_is_refused(tmp_path):
    (tmp_path / "list.json").write_text('{"frames": [{"image": "raw/no.fits", "lofreqflat": "", "fringe": ""}]}')
    with pytest.raises(BadFile, match="not a list"):
        read_frames("list.json")
    with pytest.raises(BadFile, match="no such file"):
        read_frames("missing.json")
