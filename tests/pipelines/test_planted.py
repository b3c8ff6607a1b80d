"""Sources planted into a pair in memory: what noise lets expect is found, with the flux that was planted."""

from dataclasses import replace

import numpy as np
import pytest

from tests.difference_scene import read_pair
from ztfpipe.camera import Camera
from ztfpipe.config import Difference, Planted
from ztfpipe.methods.difference.planting import Sources
from ztfpipe.model.planted import PLANTED_COLUMNS
from ztfpipe.pipelines.difference.planted import efficiencies, plant_and_recover
from ztfpipe.pipelines.difference.recipe import make_difference

CAMERA = Camera.load("mini")
SETTINGS = Difference(streaks=False)
# The small image holds 80 sources 30 px apart.
DENSE = Planted(points_per_megapixel=300, streaks_per_megapixel=8)
SEEDS = range(3)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return read_pair(tmp_path_factory.mktemp("planted") / "archive", CAMERA)


@pytest.fixture(scope="module")
def known(pair):
    made = make_difference(*pair, CAMERA, SETTINGS)
    return Sources(made.candidates.x_px, made.candidates.y_px), made.metrics["diffmaglim"]


def recover(pair, known, seed, settings=SETTINGS, planted=DENSE):
    return plant_and_recover(
        *pair, CAMERA, settings, planted, known=known[0], limit_mag=known[1], rng=np.random.default_rng(seed)
    )


@pytest.fixture(scope="module")
def tables(pair, known):
    return [recover(pair, known, seed).table for seed in SEEDS]


@pytest.fixture(scope="module")
def points(tables):
    joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    return {name: values[~joined["streak"]] for name, values in joined.items()}


def test_as_many_are_found_as_noise_lets_expect(points):
    assert len(points["mag"]) == len(SEEDS) * 80
    expected = points["expected"].astype(float)
    sigma = np.sqrt(np.sum(expected * (1 - expected)))
    # Four sigma; a peak is also sought beside the pixel of the source, which near the threshold finds 6 per cent more:
    # a third of the sources lie within one sigma of it.
    allowed = 4 * sigma + 0.06 * len(points["mag"]) / 3
    assert points["found"].sum() == pytest.approx(expected.sum(), abs=allowed)
    bright, faint = points["snr"] > 8, points["snr"] < 2
    assert bright.sum() > 30
    # 0.13 per cent of these are below the threshold.
    assert points["found"][bright].mean() > 0.96
    assert points["found"][faint].mean() < 0.06


def test_flux_is_what_was_planted(points):
    clear = points["found"] & (points["snr"] > 8)
    pulls = (points["fluxfound"] - points["flux"])[clear] / points["sigfluxfound"][clear]
    # The mean to one over the root of the number, the width to that over root two; four sigma, and the bar's tenth.
    count = clear.sum()
    assert abs(pulls.mean()) < 4 / np.sqrt(count)
    assert pulls.std() == pytest.approx(1.0, abs=0.1 + 4 / np.sqrt(2 * count))


def test_candidates_cut_at_eight_sigma_are_missed_below_it(pair, known, tables):
    """The same sources, and the same difference: what is told is of the candidates."""
    table = recover(pair, known, SEEDS[0], SETTINGS.model_copy(update={"candidate_scorr_min": 8.0})).table
    np.testing.assert_array_equal(table["flux"], tables[0]["flux"])
    point = ~table["streak"]
    lost = point & tables[0]["found"] & ~table["found"]
    assert lost.sum() > 3
    assert table["expected"][lost].mean() < 0.5 < tables[0]["expected"][lost].mean()
    assert tables[0]["scorr"][lost].max() < 8 < table["scorr"][point & table["found"]].min()


def test_streaks_are_told_apart_from_points_and_found(pair, known):
    planted = DENSE.model_copy(update={"streak_snr": (14.0, 20.0), "points_per_megapixel": 40})
    made = [recover(pair, known, seed, Difference(), planted) for seed in (0, 1)]
    table = {name: np.concatenate([one.table[name] for one in made]) for name in made[0].table}
    streak = table["streak"]
    assert streak.sum() == 6
    assert np.isfinite(table["x1"][streak]).all()
    assert np.isnan(table["x1"][~streak]).all()
    # Nine of ten at a signal-to-noise ratio of ten; all but one of six here.
    assert table["found"][streak].sum() >= 5
    found = streak & table["found"]
    ratio = table["fluxfound"][found] / table["flux"][found]
    # Each to a fifteenth; ends that are set wrong add to that.
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)


def test_the_same_numbers_plant_the_same(pair, known, tables):
    again = recover(pair, known, SEEDS[0]).table
    for column in PLANTED_COLUMNS:
        np.testing.assert_array_equal(again[column.name], tables[0][column.name])


def test_nothing_is_planted_near_what_was_there(pair, known, points):
    distance = np.hypot(points["xpos"][:, None] - 1 - known[0].x_px, points["ypos"][:, None] - 1 - known[0].y_px)
    assert distance.min() > DENSE.apart_px


@pytest.mark.parametrize(
    ("changes", "limit"), [({"status": 0}, 20.0), ({}, np.nan)], ids=["science unusable", "no difference"]
)
def test_where_there_is_no_difference_nothing_is_planted(pair, known, changes, limit):
    made = recover((replace(pair[0], **changes), pair[1]), (known[0], limit), 0)
    assert made.status == 0
    assert made.notes
    assert all(len(made.table[column.name]) == 0 for column in PLANTED_COLUMNS)


def test_efficiency_of_a_night_joins_its_quadrants_by_filter(tables):
    empty = {column.name: np.zeros(0, column.dtype) for column in PLANTED_COLUMNS}
    curves = efficiencies([("zr", tables[0]), ("zr", tables[1]), ("zg", tables[2]), ("zg", empty)])
    assert [(one.filter, one.hosted, one.quadrants) for one in curves] == [
        ("zg", False, 1), ("zg", True, 1), ("zr", False, 2), ("zr", True, 2),
    ]  # fmt: skip
    red = curves[2]
    off = [~table["streak"] & ~table["hosted"] for table in tables[:2]]
    assert sum(red.planted) == sum(one.sum() for one in off)
    assert sum(red.found) == sum(table["found"][one].sum() for table, one in zip(tables[:2], off, strict=True))
    # The limit of five sigma is where half are found; a fitted place errs by 0.08 mag, and the limit holds for the
    # middle of a pixel, from which sources are up to half a pixel away: 0.06 mag.
    assert red.fit.converged
    limit = 0.5 * sum(red.mag[k] for k in (0, -1))
    assert red.mag[0] < red.fit.half_mag < red.mag[-1]
    assert limit - 1.5 < red.fit.half_mag < limit + 1.5
