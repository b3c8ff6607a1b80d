"""What the science recipe masks and refuses, against truth: aircraft, ghosts, undersampled and trailed stars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.science_scenes import CCDID, expose_sky, sky_settings
from ztfpipe.camera import Camera
from ztfpipe.model.catalogs import BrightStars
from ztfpipe.model.quality import bits_set, info_bits, status
from ztfpipe.simulate.frames import GHOST, STREAK, sky_ccd
from ztfpipe.simulate.observe import scene
from ztfpipe.simulate.pixels.detector import Shot
from ztfpipe.simulate.scene import PointSources, Streaks

UNDERSAMPLED, TRAILED, RUINED = 28, 29, 30


def marked(made, camera, name):
    return (made.mask & camera.mask_value(name)) > 0


@pytest.fixture(scope="module")
def camera():
    return Camera.load("mini")


@pytest.fixture(scope="module")
def good(camera):
    return expose_sky(camera, sky_settings())


def seen_with(good, qid, **changes):
    """The exposure with parts of the scene of a quadrant replaced."""
    scenes = {**good.scenes, qid: replace(good.scenes[qid], **changes)}
    shot = Shot(good.camera, good.simulate.detector, good.simulate.noise_seed, good.plan, good.key.ccdid)
    return replace(good, scenes=scenes, frames=sky_ccd(shot, scenes))


def satellites(*lines):
    """Streaks in focus: 80,000 e- per pixel of length, 700 times the noise at the peak."""
    rows = [(*line, 80000 * np.hypot(line[2] - line[0], line[3] - line[1]), 0.0) for line in lines]
    return Streaks(*np.array(rows).T)


def test_bright_track_is_masked(good, camera):
    exposure = seen_with(good, good.qid, streaks=satellites((-100, 20, 700, 120)))
    made = exposure.science()
    truth, found = (exposure.truth_mask & STREAK) > 0, marked(made, camera, "track")
    assert found[truth].mean() >= 0.98
    assert made.status == 1
    assert RUINED not in bits_set(made.infobits)


@pytest.mark.parametrize(("percent", "usable"), [(24.0, 1), (26.0, 0)])
def test_a_quarter_of_the_pixels_on_tracks_ruins_an_image(camera, percent, usable):
    value = info_bits(camera, {"pcttrack": percent}, "20180325")
    assert (value >> RUINED & 1, status(camera, value)) == (1 - usable, usable)


def test_ghost_of_a_star_on_another_quadrant(good, camera):
    """A star in the middle of quadrant 3, V 8, reflects about the CCD's centre to the middle of quadrant 1."""
    tables = scene(good.simulate, camera, good.plan, CCDID, 3)[1]
    grid = tables["wcs"].iloc[len(tables["wcs"]) // 2]
    star = {"x_px": grid.x_px, "y_px": grid.y_px, "flux_e": 2e8, "dx_px": 0.0, "dy_px": 0.0}
    points = PointSources(
        **{name: np.append(getattr(good.scenes[3].stars, name), value) for name, value in star.items()}
    )
    exposure = seen_with(good, 3, stars=points)
    bright = BrightStars(np.array([grid.ra_deg]), np.array([grid.dec_deg]), np.array([8.0]))
    made = exposure.science(calibrators=replace(good.calibrators, bright=bright))
    truth, found = (exposure.truth_mask & GHOST) > 0, marked(made, camera, "ghost")
    assert truth.sum() > 5000
    assert found[truth].mean() >= 0.98
    # The hole of the ring, 16 % of the disc, and two arcseconds around it.
    assert found.sum() < 1.4 * truth.sum()
    faint = replace(bright, v_mag=np.array([10.5]))
    assert not marked(
        exposure.science(calibrators=replace(good.calibrators, bright=faint)), camera, "ghost"
    ).any()  # fmt: skip


def test_bright_stars_of_the_whole_ccd_are_in_the_catalog(good, camera):
    """Those of every quadrant, and not a field's width more."""
    catalog = good.catalogs.bright
    amplifiers = [camera.amplifier(CCDID, qid) for qid in camera.qids]
    half = 0.5 * np.array(camera.quadrant_shape[::-1]) * camera.pixel_scale_arcsec / 3600 + 8.0 / 60
    centre = camera.field(good.plan.key.field)
    east = (catalog.ra_deg - centre.ra_deg) * np.cos(np.radians(centre.dec_deg))
    north = catalog.dec_deg - centre.dec_deg
    low, high = (
        end([(one.east_deg, one.north_deg) for one in amplifiers], axis=0) + sign * half
        for end, sign in ((np.min, -1), (np.max, 1))
    )
    # A tangent plane differs from these flat offsets by less than 0.05 degrees within two degrees of its centre.
    assert ((east > low[0] - 0.05) & (east < high[0] + 0.05)).all()
    assert ((north > low[1] - 0.05) & (north < high[1] + 0.05)).all()


@pytest.mark.parametrize(("seeing_px", "bad"), [(0.8, True), (1.2, False)])
def test_undersampled_stars_are_told(camera, seeing_px, bad):
    """The pixel widens 0.8 px to 1.2 px, which is bad; 1.2 px to 1.5 px, which the survey has on its best nights."""
    made = expose_sky(camera, sky_settings({"optics": {"seeing_px": (seeing_px, seeing_px)}})).science()
    assert (UNDERSAMPLED in bits_set(made.infobits)) == bad
    assert made.status == (0 if bad else 1)
    assert made.seeing_px == pytest.approx(np.hypot(seeing_px, 0.83), rel=0.1)


@pytest.mark.parametrize(("drift_px", "bad"), [(3.0, False), (7.0, True), (12.0, True)])
def test_trailed_stars_are_told(camera, drift_px, bad):
    made = expose_sky(camera, sky_settings({"optics": {"drift_px": drift_px}})).science()
    assert (TRAILED in bits_set(made.infobits)) == bad
    assert made.status == (0 if bad else 1)
