"""HEALPix pixels in nested order: their centres, and the promise that no pixel a cone touches is left out."""

import numpy as np
import pytest
from astropy import units
from astropy_healpix import HEALPix

from ztfpipe.methods.sky.healpix import partitions, pixel_centres, pixels_near, pixels_of
from ztfpipe.model.skycatalogs import Cone


def test_base_pixels_are_where_the_paper_puts_them():
    """Gorski et al. 2005, figure 4: three rings of four; faces 0 to 3 in the north, 4 to 7 on the equator from 0."""
    centres = pixel_centres(0, np.arange(12))
    np.testing.assert_allclose(centres[:, 2], np.repeat([2 / 3, 0, -2 / 3], 4), atol=1e-15)
    longitude = np.degrees(np.arctan2(centres[:, 1], centres[:, 0])) % 360
    expected = [45, 135, 225, 315, 0, 90, 180, 270, 45, 135, 225, 315]
    np.testing.assert_allclose(longitude, expected, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_rings_and_nesting(order):
    nside = 2**order
    centres = pixel_centres(order, np.arange(12 * nside**2))
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1, atol=1e-14)
    # 4 nside - 1 rings of latitude; ring i of a cap has 4 i pixels, an equatorial one 4 nside.
    _, counts = np.unique(np.round(centres[:, 2], 10), return_counts=True)
    cap = 4 * np.arange(1, nside)
    np.testing.assert_array_equal(counts, [*cap, *[4 * nside] * (2 * nside + 1), *cap[::-1]])
    # The four children of a pixel lie around it: nearer to its centre than its corners are.
    parents = pixel_centres(order - 1, np.arange(12 * nside**2 // 4))
    distance = np.linalg.norm(centres.reshape(-1, 4, 3) - parents[:, None], axis=2)
    assert distance.max() < 1.1 * np.sqrt(4 * np.pi / len(parents)) * 0.6


def test_agrees_with_an_independent_implementation():
    for order in (3, 6):
        grid = HEALPix(nside=2**order, order="nested")
        lon, lat = grid.healpix_to_lonlat(np.arange(grid.npix))
        x, y, z = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
        np.testing.assert_allclose(pixel_centres(order, np.arange(grid.npix)), np.stack([x, y, z], 1), atol=1e-14)


@pytest.mark.parametrize("place", [(10.0, 20.0), (359.9, 0.0), (200.0, 89.7), (45.0, -41.8), (315.0, 66.0)])
def test_a_cone_misses_no_pixel_and_takes_few(place):
    """Every pixel of order 8 whose centre is in the cone has its ancestors of order 3 and 5 among those found."""
    cone = Cone(*place, 1.0)
    fine = np.arange(12 * 4**8)
    ra, dec = np.radians(place)
    direction = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    inside = pixel_centres(8, fine) @ direction > np.cos(np.radians(cone.radius_deg))
    assert inside.sum() > 20
    for order in (3, 5):
        near = np.flatnonzero(pixels_near(order, np.arange(12 * 4**order), cone))
        assert set(fine[inside] >> (2 * (8 - order))) <= set(near)
        # A pixel of order 3 is 7.3 deg wide: a one-degree cone touches at most 4, and its reach adds a ring.
        assert len(near) < 30


@pytest.mark.parametrize("order", [0, 1, 5, 12, 29])
def test_pixels_of_directions_are_those_of_astropy_healpix(order):
    rng = np.random.default_rng(6)
    ra = np.concatenate([rng.uniform(0, 360, 5000), [0, 90, 180, 270, 360 - 1e-12, 45]])
    dec = np.concatenate([np.degrees(np.arcsin(rng.uniform(-1, 1, 5000))), [0.1, 41.9, -41.9, 89.999999, -89.9, 90]])
    expected = HEALPix(1 << order, order="nested").lonlat_to_healpix(ra * units.deg, dec * units.deg)
    found = pixels_of(order, ra, dec)
    # At order 29 a pixel is 0.4 mas, some 10^4 rounding errors of a direction: one direction in thousands may be on the
    # other side of an edge.
    assert np.mean(found != expected) < (2e-3 if order == 29 else 1e-9)


def test_partitions_hold_every_row_and_no_more_than_they_may():
    rng = np.random.default_rng(7)
    pixel, count = np.unique(rng.integers(0, 200, 5000) ** 2, return_counts=True)
    found = partitions(5, dict(zip(pixel.tolist(), count.tolist(), strict=True)), 100)
    held = [count[pixel >> 2 * (5 - order) == one].sum() for order, one in found]
    assert sum(held) == 5000
    assert all(rows <= 100 or order == 5 for rows, (order, _) in zip(held, found, strict=True))
    # None could be joined with its neighbours: what holds it has too many.
    assert all(count[pixel >> 2 * (6 - order) == one >> 2].sum() > 100 for order, one in found if order)
    assert partitions(3, {}, 10) == []
