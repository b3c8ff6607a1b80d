"""Scores in the recipe, on a pair whose PSFs, round Gaussians, no classifier has been trained on."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from tests.difference_scene import NEW, VERSION, inputs_of, write_epochs, write_reference
from ztfpipe.camera import Camera
from ztfpipe.config import Difference
from ztfpipe.pipelines.difference.recipe import make_difference
from ztfpipe.pipelines.difference.scores import score_medians
from ztfpipe.products.images.difference import read_reference_side, read_science_side
from ztfpipe.products.weights import read_scorers

CAMERA = Camera.load("mini")
SETTINGS = Difference(streaks=False)
HITS = 16


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """The products of a pair with eight new sources of S/N 15, a star gone, and as many hits; and where these are."""
    archive = tmp_path_factory.mktemp("scored") / "archive"
    archive.mkdir()
    with contextlib.chdir(archive):
        planted = write_epochs()
        write_reference()
        paths = inputs_of(NEW, VERSION)
        science, _ = read_science_side(*(paths[name] for name in ("image", "mask", "psfcat")), NEW, CAMERA)
        names = ("refimg", "refmsk", "refunc", "refpsfcat")
        reference, _ = read_reference_side(*(paths[name] for name in names), NEW, CAMERA)
    x = np.append(planted.x_px, planted.gone_px[0])
    y = np.append(planted.y_px, planted.gone_px[1])
    ny, nx = science.image_adu.shape
    trial = np.random.default_rng(8).integers(20, (nx - 20, ny - 20), (400, 2))
    busy_x, busy_y = np.append(science.catalog.x_px, x), np.append(science.catalog.y_px, y)
    alone = np.hypot(trial[:, :1] - busy_x, trial[:, 1:] - busy_y).min(axis=1) > 12
    hit_x, hit_y = trial[alone][:HITS].T
    image = science.image_adu.copy()
    # Thirty times the noise of a pixel.
    image[hit_y, hit_x] += 210
    science = replace(science, image_adu=image)
    settings = read_scorers(SETTINGS.rb_version, SETTINGS.drb_version)
    return make_difference(science, reference, CAMERA, SETTINGS, scorers=settings), (x, y), (hit_x, hit_y)


def scores_at(made, name, x, y):
    """Scores of the candidates within 2 px of places."""
    found = made.candidates
    near = np.hypot(found.x_px[:, None] - x, found.y_px[:, None] - y).min(axis=1) < 2
    return made.more[name][near]


@pytest.mark.parametrize("name", ["rb", "drb"])
def test_sources_are_told_from_hits(scored, name):
    made, real, hits = scored
    good, bad = scores_at(made, name, *real), scores_at(made, name, *hits)
    assert len(good) == 9
    assert len(bad) >= HITS - 2
    # 98 % and 2 % are asked for on average: one in nine and two in sixteen amiss happen to one pair in a hundred.
    assert np.count_nonzero(good > 0.5) >= 8
    assert np.count_nonzero(bad > 0.5) <= 2


def test_every_candidate_says_who_scored_it(scored):
    made = scored[0]
    assert set(made.more["rbversion"]) == {SETTINGS.rb_version}
    assert set(made.more["drbversion"]) == {SETTINGS.drb_version}
    assert np.isfinite(made.more["rb"]).all()
    assert np.isfinite(made.more["drb"]).all()


def test_the_record_has_the_median_scores_by_which_a_drift_shows(scored):
    made = scored[0]
    for name in ("rb", "drb"):
        assert made.metrics[f"{name}median"] == np.median(made.more[name])
    assert np.isnan(score_medians({"rb": np.zeros(0), "drb": np.zeros(0)})["drbmedian"])
