"""Circles and polygons on the sky, beside sums of angles."""

import math

import numpy as np
import pytest

from ztfpipe.methods.sky.footprints import in_cone, in_polygon
from ztfpipe.methods.sky.matching import unit_vectors

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
    found = in_polygon(ra, dec, corners)
    slow = np.array([winds_around(place, corners) for place in zip(ra, dec, strict=True)])
    np.testing.assert_array_equal(found, slow & ahead)
    assert 5 < found.sum() < 1000


def test_cones():
    rng = np.random.default_rng(8)
    ra, dec = rng.uniform(0, 360, 5000), np.degrees(np.arcsin(rng.uniform(-1, 1, 5000)))
    for centre, radius in (((0.5, 0.0), 30.0), ((200.0, 89.0), 5.0), ((10.0, -40.0), 120.0), ((3.0, 3.0), 180.0)):
        cosine = unit_vectors(ra, dec) @ unit_vectors([centre[0]], [centre[1]])[0]
        np.testing.assert_array_equal(in_cone(ra, dec, centre, radius), cosine >= math.cos(math.radians(radius)))
    assert in_cone([10.0], [20.0], (10.0, 20.0), 1e-9)[0]


def test_corners_all_around_are_no_polygon():
    with pytest.raises(ValueError, match="hemisphere"):
        in_polygon([0.0], [0.0], [(0, 0), (120, 0), (240, 0), (0, 9)])
