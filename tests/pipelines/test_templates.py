"""Recipes of templates on small images and star lists made here."""

from dataclasses import replace

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.config import Templates
from ztfpipe.errors import BadFile, Unusable
from ztfpipe.methods.detector.fringes import fit_fringes, fringe_image, fringe_signal
from ztfpipe.model.catalogs import PhotometricCalibrators, PsfCatalog
from ztfpipe.model.keys import CalibrationKey, ExposureKey, QuadrantKey
from ztfpipe.model.science import FringesTaken
from ztfpipe.model.templates import SkyFrame, StarFrame, TemplateCandidate, TemplateFrame
from ztfpipe.pipelines.templates import choose_frames, make_fringe_template, make_lofreqflat

BAND = Camera.load("mini").filter("zi")
SHAPE = (384, 320)
SKY, NOISE, AMPLITUDE = 800.0, 10.0, 0.012
FRINGES = Templates(fringe_frames_min=8, fringe_components=1, fringe_period_min_px=24.0, fringe_smooth_blocks=15)
KEY = CalibrationKey("20180325", "zi", 10, 1)
PLACE_DEG = (150.0, 2.0)


def pattern():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.cos(2 * np.pi * np.hypot(x + 60, y + 80) / 48.0)


def sky_frame(seed, strength=AMPLITUDE, noise=NOISE):
    """An exposure of sky and fringes, with stars that its mask marks as sources."""
    rng = np.random.default_rng(seed)
    image = SKY * (1 + strength * pattern()) + rng.normal(0, noise, SHAPE)
    mask = np.zeros(SHAPE, np.uint16)
    for y, x in rng.integers(8, 312, (25, 2)):
        image[y - 3 : y + 4, x - 3 : x + 4] += 500.0
        mask[y - 5 : y + 6, x - 5 : x + 6] = 2
    return SkyFrame(f"image {seed}", image.astype(np.float32), mask)


def named(frames):
    return ((frame.name, frame) for frame in frames)


@pytest.fixture(scope="module")
def ten():
    return [sky_frame(seed, AMPLITUDE * (0.6 + 0.08 * seed)) for seed in range(10)]


def left_of_the_fringes(template):
    """Share of the RMS of fringes without noise that a template leaves, away from the edges."""
    true = SKY * AMPLITUDE * pattern()
    blocks = (SKY + true)[: SHAPE[0] // 8 * 8, : SHAPE[1] // 8 * 8].reshape(SHAPE[0] // 8, 8, -1, 8).mean(axis=(1, 3))
    signal = fringe_signal(blocks.astype(np.float32), SKY, template.smooth_blocks)
    found = fringe_image(template, fit_fringes(signal, template), SKY, SHAPE)
    inner = np.s_[40:-40, 40:-40]
    return np.std((true - found)[inner]) / np.std(true[inner])


def test_fringes_are_learned_between_the_stars(ten):
    made = make_fringe_template(named(ten), FRINGES)
    assert (made.status, len(made.used), dict(made.left_out)) == (1, 10, {})
    # Noise of a block in the template: 1.25 x 10 / 8 / sqrt(10) DN of fringes of 6.8 DN rms is 7 %, of which the filter
    # lets pass (2 x 8 / 24)^2 pi / 4 of the variance: 4 %; the mean over blocks of a sixth of a period takes 5 %.
    assert left_of_the_fringes(made.template) < 0.1
    assert made.metrics["scatter_after"] < 0.5 * made.metrics["scatter_before"]


def test_what_an_earlier_version_took_out_is_put_back_first(ten):
    plain = make_fringe_template(named(ten), FRINGES)
    wrong = np.cos(0.9 * np.arange(SHAPE[1] // 8)) * np.ones((SHAPE[0] // 8, 1))
    old = replace(plain.template, components=(wrong / np.linalg.norm(wrong)).astype(np.float32)[None])
    corrected = []
    for strength, frame in zip(np.linspace(0.3, 0.6, 10), ten, strict=True):
        taken = FringesTaken((float(strength),), SKY)
        image = frame.image_adu - fringe_image(old, np.array(taken.strength), SKY, SHAPE)
        corrected.append(replace(frame, image_adu=image, taken=taken, template=old))
    again = make_fringe_template(named(corrected), FRINGES)
    # Float rounding only: 1e-7 of 800 DN against fringes of 7.
    np.testing.assert_allclose(again.template.components, plain.template.components, atol=1e-4)
    forgotten = make_fringe_template(named([replace(one, taken=None) for one in corrected]), FRINGES)
    assert left_of_the_fringes(forgotten.template) > 0.3


def test_frames_that_cannot_be_used_are_left_out_and_named(ten):
    noisy, crowded = sky_frame(20, noise=12 * NOISE), sky_frame(21)
    crowded = replace(crowded, mask=np.where(np.arange(SHAPE[1]) < 200, 2, crowded.mask).astype(np.uint16))
    dark = replace(sky_frame(22), image_adu=sky_frame(22).image_adu - np.float32(2 * SKY))
    frames = [*named([*ten, noisy, crowded, dark]), ("lost", BadFile("lost", "no such file"))]
    made = make_fringe_template(iter(frames), FRINGES)
    assert set(made.left_out) == {noisy.name, crowded.name, dark.name, "lost"}
    assert "scatter" in made.left_out[noisy.name]
    assert "free of stars" in made.left_out[crowded.name]
    assert made.status == 1


@pytest.mark.parametrize("n", [0, 7])
def test_too_few_images_make_no_template(ten, n):
    made = make_fringe_template(named(ten[:n]), FRINGES)
    assert (made.status, made.template) == (0, None)
    assert made.reason == f"{n} usable images of 8"


def response(x, y):
    u, v = 2 * x / SHAPE[1] - 1, 2 * y / SHAPE[0] - 1
    return 1 + 0.02 * u - 0.01 * v + 0.01 * u * v


MAPS = Templates(lofreqflat_frames_min=5, cell_px=32, smooth_cells=2.0, stars_min=1000)


def star_frame(seed, divided_by=None, n=300):
    """Stars of an image of its own zero point and colour term; their calibrators have errors of 10 mmag."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, SHAPE[1] - 1, n), rng.uniform(0, SHAPE[0] - 1, n)
    ra, dec = PLACE_DEG[0] + x / 3600, PLACE_DEG[1] + y / 3600
    i_mag, r_mag = rng.uniform(14.5, 18.5, (2, n))
    light = response(x, y)
    if divided_by is not None:
        light = light / divided_by[np.rint(y).astype(int), np.rint(x).astype(int)]
    zero_point = rng.uniform(25.5, 26.5)
    flux = light * 10 ** (-0.4 * (i_mag - zero_point - 0.1 * (r_mag - i_mag)))
    flux *= 1 + rng.normal(0, 0.01, n)
    zero, error = np.zeros(n), np.full(n, 0.01)
    stars = PsfCatalog(x, y, ra, dec, flux, 0.01 * flux, zero, zero, np.zeros(n, np.int16))
    mags = {"g": r_mag, "r": r_mag, "i": i_mag, "z": i_mag}
    known = PhotometricCalibrators(ra, dec, mags, dict.fromkeys("griz", error))
    return StarFrame(f"catalog {seed}", stars, known, divided_by)


def error_of(made):
    """RMS relative error of a map, on every fifth pixel."""
    y, x = np.mgrid[2 : SHAPE[0] : 5, 2 : SHAPE[1] : 5]
    ratio = made.response[2::5, 2::5] / response(x, y)
    return float(np.std(ratio / np.median(ratio)))


def test_three_percent_become_less_than_three_permille():
    made = make_lofreqflat(named(star_frame(seed) for seed in range(20)), BAND, SHAPE, MAPS)
    assert (made.status, made.metrics["stars"]) == (1, 6000)
    assert np.median(made.response) == pytest.approx(1.0, abs=1e-4)
    # 6000 residuals of 14 mmag over 30 independent places (cells of 32 px, width 2): 1 mmag each.
    assert error_of(made) < 0.003
    assert float(np.median(made.error)) == pytest.approx(error_of(made), rel=0.5)


def test_the_map_in_force_is_backed_out():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    old = (1 + 0.03 * np.cos(3 * np.pi * x / SHAPE[1]) * y / SHAPE[0]).astype(np.float32)
    plain = make_lofreqflat(named(star_frame(seed) for seed in range(10)), BAND, SHAPE, MAPS)
    again = make_lofreqflat(named(star_frame(seed, old) for seed in range(10)), BAND, SHAPE, MAPS)
    # The same stars and noise: only what the colour term and the clipping make of it differs.
    np.testing.assert_allclose(again.response, plain.response, atol=3e-4)


def test_images_without_calibrators_are_left_out_and_too_few_make_no_map():
    poor = star_frame(3, n=3)
    frames = [*(star_frame(seed) for seed in range(10, 14)), poor]
    made = make_lofreqflat(named(frames), BAND, SHAPE, MAPS)
    assert set(made.left_out) == {poor.name}
    assert made.status == 0
    assert "4 images of 5" in made.reason
    assert np.all(made.response == 1)


def candidates(n, **changes):
    for index in range(n):
        exposure = ExposureKey(f"20180325{200000 + 100 * index}", 473, "zi", "o")
        one = TemplateCandidate(TemplateFrame(QuadrantKey(exposure, 10, 1)), 1, True)
        yield replace(one, **changes)


def test_images_are_chosen_evenly():
    chosen = choose_frames("fringe", KEY, candidates(10), fewest=3, most=5)
    assert [one.science.exposure.fracday for one in chosen.frames] == ["200000", "200200", "200400", "200600", "200800"]
    assert chosen.candidates == 10
    assert len(choose_frames("fringe", KEY, candidates(4), fewest=3, most=5).frames) == 4


@pytest.mark.parametrize("fault", [{"status": 0}, {"clear": False}])
def test_bad_images_and_clouds_are_never_chosen(fault):
    pool = [*candidates(2), *candidates(5, **fault)]
    with pytest.raises(Unusable, match=r"too few.*images=2, needed=3"):
        choose_frames("fringe", KEY, pool, fewest=3, most=5)
