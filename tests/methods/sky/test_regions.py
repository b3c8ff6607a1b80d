"""Regions of the sky and lists in order of declination, beside tests of every row."""

import math

import numpy as np
import pytest

from ztfpipe.errors import BadKey
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.sky.regions import Caps, cap_of, inside, rows_inside, rows_near, separation_deg, spread, stars_of
from ztfpipe.model.regions import Box, Polygon
from ztfpipe.model.skycatalogs import Cone


@pytest.fixture(scope="module")
def sky():
    """Directions all over the sphere, with some near the poles, in order of declination."""
    rng = np.random.default_rng(3)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, 20_000)))
    dec[:500] = 90 - rng.exponential(0.5, 500)
    return rng.uniform(0, 360, dec.size), np.sort(np.clip(dec, -90, 90))


def test_angles_are_those_of_vectors_and_small_ones_keep_their_digits():
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, (2, 100)), rng.uniform(-90, 90, (2, 100))
    first, second = unit_vectors(ra[0], dec[0]), unit_vectors(ra[1], dec[1])
    angle = np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second), axis=1), (first * second).sum(axis=1)))
    # Both are good to a few units of the last place of a radian.
    assert separation_deg(ra[0], dec[0], ra[1], dec[1]) == pytest.approx(angle, abs=1e-12)
    assert separation_deg(10, 0, 10 + 1e-9, 0) == pytest.approx(1e-9, rel=1e-5)
    assert separation_deg(0, -90, 123, 90) == pytest.approx(180)


REGIONS = [
    Cone(10.0, 20.0, 3.0),
    Cone(0.1, 89.9, 2.0),
    Cone(359.9, -40.0, 3.0),
    Box(350.0, 10.0, -20.0, 30.0),
    Box(10.0, 350.0, -20.0, 30.0),
    Box(0.0, 360.0, 80.0, 90.0),
    Polygon((355.0, 5.0, 2.0), (10.0, 12.0, -3.0)),
    Polygon((0.0, 90.0, 180.0, 270.0), (85.0, 86.0, 87.0, 84.0)),
]


@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_rows_found_are_all_that_are_inside_and_the_cone_about_a_region_holds_them(sky, region):
    every = np.flatnonzero(inside(region, *sky))
    assert every.size > 5
    assert rows_inside(region, *sky).tolist() == every.tolist()
    cap = cap_of(region)
    assert separation_deg(sky[0][every], sky[1][every], cap.ra_deg, cap.dec_deg).max() <= cap.radius_deg


def test_a_polygon_is_on_the_inner_side_of_every_arc_and_may_be_concave():
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(-8, 8, 5000) % 360, rng.uniform(-8, 8, 5000)
    square = Polygon((353.0, 7.0, 7.0, 353.0), (-7.0, -7.0, 7.0, 7.0))
    corners = unit_vectors(square.ra_deg, square.dec_deg)
    poles = np.cross(corners, np.roll(corners, -1, axis=0))
    expected = (unit_vectors(ra, dec) @ poles.T > 0).all(axis=1)
    assert inside(square, ra, dec).tolist() == expected.tolist()
    # An arrow that points north, whose notch is the triangle between the middle and the southern corners.
    arrow = Polygon((353.0, 0.0, 7.0, 0.0), (-7.0, 0.0, -7.0, 7.0))
    assert inside(arrow, np.array([0.0, 0.0, 4.0]), np.array([3.0, -3.0, -2.0])).tolist() == [True, False, True]
    assert not inside(square, np.array([180.0]), np.array([0.0])).any()


POLYGONS = (
    # A camera of 24 degrees, across the origin of right ascension; a strip of four of them; one around a pole; a hook.
    [(350, -12), (14, -10), (15, 13), (349, 12)],
    [(80, -5), (104, -3), (110, -75), (70, -77)],
    [(0, 70), (90, 65), (180, 72), (270, 60)],
    [(100, 0), (125, 0), (125, 25), (115, 25), (115, 8), (100, 8)],
)


def winds_around(place, corners):
    """Slow and obviously right: the angles at the place between neighbouring corners add up to a whole turn inside."""
    axis = unit_vectors([place[0]], [place[1]])[0]
    along = [v - axis * (v @ axis) for v in unit_vectors(*np.array(corners, float).T)]
    total = 0.0
    for a, b in zip(along, along[1:] + along[:1], strict=True):
        total += math.atan2(axis @ np.cross(a, b), a @ b)
    return abs(total) > math.pi


@pytest.mark.parametrize("corners", POLYGONS)
def test_polygons(corners):
    rng = np.random.default_rng(7)
    ra, dec = rng.uniform(0, 360, 3000), np.degrees(np.arcsin(rng.uniform(-1, 1, 3000)))
    near = unit_vectors(*np.array(corners, float).T).sum(axis=0)
    # About the far side a turn around the polygon's antipode is a whole one too.
    ahead = unit_vectors(ra, dec) @ near > 0
    found = inside(Polygon(*zip(*corners, strict=True)), ra, dec)
    slow = np.array([winds_around(place, corners) for place in zip(ra, dec, strict=True)])
    np.testing.assert_array_equal(found, slow & ahead)
    assert 5 < found.sum() < 1000


def test_impossible_regions_are_refused():
    for wrong in (lambda: Box(0, 1, 5, 4), lambda: Box(-1, 1, 0, 1), lambda: Polygon((1, 2), (1, 2))):
        with pytest.raises(BadKey):
            wrong()
    with pytest.raises(BadKey, match="within 80 deg"):
        cap_of(Polygon((0.0, 120.0, 240.0), (0.0, 0.0, 1.0)))


def test_pairs_are_those_of_every_position_with_every_row(sky):
    rng = np.random.default_rng(4)
    at_ra, at_dec = rng.uniform(0, 360, 60), np.append(rng.uniform(-90, 90, 58), [89.99, -90])
    position, row, distance = rows_near(*sky, at_ra, at_dec, 2.0)
    apart = separation_deg(at_ra[:, None], at_dec[:, None], *sky)
    assert sorted(zip(position, row, strict=True)) == list(zip(*np.nonzero(apart <= 2.0), strict=True))
    assert distance.tolist() == apart[position, row].tolist()
    assert position.size > 100
    assert (np.diff(position) >= 0).all()
    assert (np.diff(distance)[np.diff(position) == 0] >= 0).all()


def test_cones_that_touch(sky):
    rng = np.random.default_rng(5)
    radius = rng.uniform(0, 3, 300)
    these = rng.choice(sky[0].size, 300, replace=False)
    caps = Caps(unit_vectors(sky[0][these], sky[1][these]), radius)
    ra, dec, wide = np.array([10.0, 200.0]), np.array([0.0, 70.0]), np.array([20.0, 1.0])
    other, this = caps.touching(unit_vectors(ra, dec), wide)
    apart = separation_deg(ra[:, None], dec[:, None], sky[0][these], sky[1][these])
    expected = np.nonzero(apart <= wide[:, None] + radius)
    found = set(zip(other.tolist(), this.tolist(), strict=True))
    assert found == set(zip(*(one.tolist() for one in expected), strict=True))
    nothing = Caps(np.zeros((0, 3)), np.zeros(0)).touching(unit_vectors(ra, dec), wide)
    assert [one.size for one in nothing] == [0, 0]


def test_stars_are_chains_of_near_positions():
    ra = np.array([10.0, 50.0, 10.0002, 10.0004, 50.0])
    assert stars_of(ra, np.zeros(5), 1.0 / 3600).tolist() == [0, 1, 0, 0, 1]
    assert stars_of(ra, np.zeros(5), 0.1 / 3600).tolist() == [0, 1, 2, 3, 1]


def test_runs_end_to_end():
    run, row = spread(np.array([5, 0, 9]), np.array([2, 0, 1]))
    assert (run.tolist(), row.tolist()) == ([0, 0, 2], [5, 6, 9])
