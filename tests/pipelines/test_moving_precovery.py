"""Pieces of precovery that need no archive: names of objects, cutouts at edges, orbits of many nights, the drawing."""

import numpy as np
import pytest

from tests.products.catalogs.test_orbits import CERES, UNNUMBERED, VESTA, write_lines
from ztfpipe.camera import Camera
from ztfpipe.model.keys import ExposureKey, QuadrantKey
from ztfpipe.model.precovery import Sighting
from ztfpipe.pipelines.moving import precovery as recipe
from ztfpipe.pipelines.moving.known import orbits_on
from ztfpipe.products.catalogs.orbits import read_orbits

CAMERA = Camera.load("mini")
KEY = QuadrantKey(ExposureKey("20180325187500", 473, "zg", "o"), 10, 1)


@pytest.fixture
def catalog(tmp_path):
    return read_orbits(write_lines(tmp_path / "orbits.dat", CERES, VESTA, UNNUMBERED))


def seen_at(x_px, y_px):
    frame = recipe.nominal_frame(KEY, "sci/x.fits", CAMERA)
    return Sighting(frame, 185.0, 4.0, 2.5, 1.5, 5.0, 19.0, x_px, y_px, 0.3, -0.2, 0.1, True)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1", ["1"]), ("ceres", ["1"]), ("(4) Vesta", ["4"]), ("4 VESTA", ["4"]), ("2010AB12", ["2010AB12"]),
        ("2010 ab12", ["2010AB12"]), ("10", []), ("", []),
    ],
)  # fmt: skip
def test_an_object_is_named_in_many_ways(catalog, text, names):
    assert list(recipe.named(catalog, text).name) == names


def test_a_cutout_at_the_edge_is_nan_beyond_it():
    pixels = np.arange(100.0, dtype=np.float32).reshape(10, 10)
    middle = recipe.cutout(pixels, seen_at(5.2, 4.9), 3)
    np.testing.assert_array_equal(middle, pixels[4:7, 4:7])
    corner = recipe.cutout(pixels, seen_at(0.0, 9.4), 5)
    assert corner[2, 2] == pixels[9, 0]
    assert np.isnan(corner[:, :2]).all()
    assert np.isnan(corner[3:]).all()
    assert np.isnan(recipe.cutout(pixels, seen_at(-50.0, 4.0), 3)).all()


def test_a_cutout_s_frame_has_the_body_where_the_image_has_it():
    one = seen_at(100.3, 57.8)
    cut = recipe.cut_frame(one, 21)
    np.testing.assert_allclose(one.frame.wcs.crpix_px - cut.wcs.crpix_px, [100 - 10, 58 - 10])


def test_orbits_from_night_to_night_are_those_of_a_single_step(catalog):
    """Both sides of the epoch, out of order: step by step as in one go."""
    ceres = recipe.named(catalog, "Ceres")
    nights = ["20260401", "20251101", "20260820", "20260402"]
    found = recipe.orbits_of_nights(ceres, nights, CAMERA.observatory)
    assert set(found) == set(nights)
    for orbits in found.values():
        alone = orbits_on(ceres, orbits.epoch_jd)
        # Other step sizes: milliarcseconds at 2 au are 1e-8 au.
        np.testing.assert_allclose(orbits.position_au, alone.position_au, atol=3e-8)


def test_the_drawing_shows_the_planets_that_matter(catalog):
    shown = recipe.drawing(recipe.named(catalog, "1"), [seen_at(1.0, 1.0)])
    names = [name for name, _ in shown.planets]
    assert names == ["Mercury", "Venus", "Earth", "Mars"]
    radius = np.linalg.norm(shown.path, axis=1)
    # Perihelion and aphelion of the elements.
    assert radius.min() == pytest.approx(2.7655526 * (1 - 0.0796923), rel=1e-4)
    assert radius.max() == pytest.approx(2.7655526 * (1 + 0.0796923), rel=1e-4)
    earth = np.linalg.norm(shown.earth_at, axis=1)
    assert earth == pytest.approx(1.0, abs=0.02)
    # The ecliptic: Earth does not leave it, Ceres by sin 10.6 degrees.
    assert abs(shown.earth_at[:, 2]).max() < 1e-3
    assert np.abs(shown.path[:, 2]).max() == pytest.approx(2.9 * np.sin(np.radians(10.588)), abs=0.1)
