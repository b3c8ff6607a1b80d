"""Footprints against the pixels that they are of."""

import numpy as np
import pytest

from ztfpipe.methods.sky.footprint import FOOTPRINT, covers, footprint
from ztfpipe.methods.sky.projection import pixel_to_sky, sky_to_pixel, tangent_wcs

SHAPE = (520, 500)


@pytest.mark.parametrize(("ra", "dec"), [(185.0, 4.7), (0.01, -30.0), (20.0, 89.9), (300.0, -89.99)])
def test_a_place_is_covered_when_its_pixel_is_on_the_image(ra, dec):
    wcs = tangent_wcs(ra, dec, 0.0, 0.0, reference_pixel=(250.0, 260.0), pixel_scale_arcsec=1.012)
    found = footprint(wcs, SHAPE)
    assert list(found) == list(FOOTPRINT)
    corners = np.array([[found[f"ra{k}"], found[f"dec{k}"]] for k in (1, 2, 3, 4)])
    rng = np.random.default_rng(4)
    x, y = rng.uniform(-0.3, 1.3, (2, 300)) * np.array([[SHAPE[1]], [SHAPE[0]]])
    for place in zip(*pixel_to_sky(wcs, x, y), strict=True):
        px, py = sky_to_pixel(wcs, *place)
        inside = -0.5 <= px <= SHAPE[1] - 0.5 and -0.5 <= py <= SHAPE[0] - 0.5
        assert covers(corners, *place).tolist() == [inside]
    assert covers(corners, ra, dec)[0]
    assert not covers(corners, (ra + 180.0) % 360.0, -dec)[0]


def test_what_has_no_corners_covers_nothing():
    assert covers(np.full((2, 4, 2), np.nan), 1.0, 2.0).tolist() == [False, False]
