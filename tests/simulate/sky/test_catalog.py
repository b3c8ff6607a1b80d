"""The fixed sky has the counts, colours and motions it is told to have, and is the same for everyone who looks."""

from __future__ import annotations

import numpy as np
import pytest

from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import from_gnomonic, gnomonic, sky_position, unit_vectors
from ztfpipe.simulate.sky.catalog import galaxies_around, select, stars_around
from ztfpipe.simulate.sky.tiles import TILE_DEG, moved_position, tiles_around
from ztfpipe.simulate.sky.variables import KINDS

CENTRE = (200.0, 30.0)


@pytest.fixture(scope="module")
def stars():
    return stars_around(Simulate(stars={"stars_per_square_degree": 40000}), *CENTRE, 0.8, 0.8)


def _in_box(table, half_deg, centre=CENTRE):
    east, north = gnomonic(unit_vectors(table.ra_deg, table.dec_deg), unit_vectors(*centre))
    return select(table, (np.abs(east) < half_deg) & (np.abs(north) < half_deg))


def test_density_and_slope_of_the_counts(stars):
    inside = _in_box(stars, 0.75)
    expected = 40000 * 1.5**2
    # Poisson: 1 / sqrt(90000) = 0.3 %; the tangent plane is 0.01 % larger than the sphere. Four sigma.
    assert (inside.r_mag < 20.5).sum() == pytest.approx(expected, abs=4 * expected**0.5)
    # The slope by maximum likelihood: limit - m is exponential with rate ln10 * slope, cut at 6 mag; four sigma of the
    # mean of such numbers.
    mags = inside.r_mag[(inside.r_mag > 15) & (inside.r_mag < 21)]
    rate, span = np.log(10) * 0.30, 6.0
    truncated_mean = 1 / rate - span / np.expm1(rate * span)
    assert (21 - mags).mean() == pytest.approx(truncated_mean, abs=4 * (21 - mags).std() / len(mags) ** 0.5)
    bright = inside.r_mag[inside.r_mag < 14]
    assert (14 - bright).mean() == pytest.approx(1 / (np.log(10) * 0.45), rel=4 / len(bright) ** 0.5 + 0.02)


def test_positions_are_uniform_on_the_sphere(stars):
    inside = _in_box(stars, 0.75)
    east, north = gnomonic(unit_vectors(inside.ra_deg, inside.dec_deg), unit_vectors(*CENTRE))
    counts, _, _ = np.histogram2d(east, north, bins=12, range=[[-0.75, 0.75]] * 2)
    chi2 = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    # chi^2 with 143 degrees of freedom: mean 143, sigma 17.
    assert abs(chi2 - 143) < 4 * 17


def test_tiles_cover_the_sky_once():
    area = sum(tile.area_square_degrees for tile in tiles_around(10.0, -90.0, 8.0, 8.0))
    inner = [tile for tile in tiles_around(10.0, -90.0, 8.0, 8.0) if tile.dec_deg[1] <= -84]
    assert len({tile.number for tile in inner}) == len(inner)
    # A cap of 6 degrees: 2 pi (1 - cos 6 deg) sr.
    cap = 2 * np.pi * (1 - np.cos(np.radians(6.0))) * np.degrees(1) ** 2
    assert sum(tile.area_square_degrees for tile in inner) == pytest.approx(cap, rel=1e-6)
    assert area > cap


@pytest.mark.parametrize("dec", [-88.9, -45.0, 0.0, 61.0, 88.0])
def test_every_position_of_a_box_lies_in_a_tile_of_it(dec):
    rng = np.random.default_rng(5)
    ra, dec_points = sky_position(from_gnomonic(*rng.uniform(-0.4, 0.4, (2, 400)), unit_vectors(0.05, dec)))
    tiles = list(tiles_around(0.05, dec, 0.4, 0.4))
    for a, d in zip(ra, dec_points, strict=True):
        assert any(t.ra_deg[0] <= a < t.ra_deg[1] and t.dec_deg[0] <= d < t.dec_deg[1] for t in tiles)


def test_the_same_stars_whoever_looks():
    settings = Simulate()
    wide = _in_box(stars_around(settings, *CENTRE, 0.5, 0.5), 0.1)
    near = _in_box(stars_around(settings, CENTRE[0] + 0.1, CENTRE[1] - 0.1, 0.4, 0.4), 0.1)
    assert len(wide.identifier) > 100
    order_a, order_b = np.argsort(wide.identifier), np.argsort(near.identifier)
    for name in ("identifier", "ra_deg", "r_mag", "period_d"):
        np.testing.assert_array_equal(getattr(wide, name)[order_a], getattr(near, name)[order_b])
    other_noise = stars_around(Simulate(noise_seed=99), *CENTRE, 0.1, 0.1)
    np.testing.assert_array_equal(other_noise.ra_deg, stars_around(settings, *CENTRE, 0.1, 0.1).ra_deg)
    other_sky = stars_around(Simulate(sky_seed=99), *CENTRE, 0.1, 0.1)
    assert not set(other_sky.ra_deg) & set(other_noise.ra_deg)


def test_identifiers_are_unique(stars):
    galaxies = galaxies_around(Simulate(), *CENTRE, 0.8, 0.8)
    both = np.concatenate([stars.identifier, galaxies.identifier])
    assert len(np.unique(both)) == len(both)


def test_proper_motions_have_their_size(stars):
    total = np.hypot(stars.pm_east_mas, stars.pm_north_mas)
    at_15 = total[(np.abs(stars.r_mag - 15) < 0.5) & (stars.kind == 0)]
    # The median of a log-normal with sigma ln 2.5: error 1.25 sigma / sqrt(n).
    assert np.log(np.median(at_15)) == pytest.approx(np.log(7.0), abs=4 * 1.25 * np.log(2.5) / len(at_15) ** 0.5)
    still = stars_around(Simulate(off=("proper_motions",)), *CENTRE, 0.1, 0.1)
    assert np.all(still.pm_east_mas == 0)


def test_motion_moves_stars_by_its_size():
    ra, dec = moved_position(np.array([10.0]), np.array([60.0]), np.array([300.0]), np.array([-400.0]), 10.0)
    assert (ra[0] - 10) * np.cos(np.radians(dec[0])) * 3600 == pytest.approx(3.0, abs=1e-4)
    # East motion along a great circle at declination 60 lowers it by (3 arcsec)^2 / 2 * tan(60): 0.04 mas.
    assert (dec[0] - 60) * 3600 == pytest.approx(-4.0, abs=1e-4)


def test_fractions_of_variables(stars):
    fractions = Simulate().stars.variables
    n = len(stars.kind)
    for kind, fraction in fractions.items():
        found = (stars.kind == KINDS.index(kind)).sum()
        assert found == pytest.approx(fraction * n, abs=4 * (fraction * n) ** 0.5)
    constant = stars_around(Simulate(off=("variables",)), *CENTRE, 0.1, 0.1)
    assert np.all(constant.kind == 0)


def test_colours_lie_on_a_locus(stars):
    plain = select(stars, stars.kind == 0)
    g_r, r_i = plain.g_mag - plain.r_mag, plain.r_mag - plain.i_mag
    assert 0.3 < np.median(g_r[plain.r_mag < 16]) < 0.9
    blue = (g_r > 0.3) & (g_r < 0.7)
    residual = r_i[blue] - (0.40 * g_r[blue] - 0.02)
    assert np.median(residual) == pytest.approx(0, abs=0.005)
    # M dwarfs have r - i from 0.5 up to 2 at g - r near 1.25: both sides of the locus are there.
    assert (r_i > 1.0).sum() > 100


def test_galaxies_have_their_counts_and_sizes():
    table = _in_box(galaxies_around(Simulate(), *CENTRE, 0.8, 0.8), 0.75)
    expected = Simulate().stars.galaxies_per_square_degree * 1.5**2
    assert (table.r_mag < 20.5).sum() == pytest.approx(expected, abs=4 * expected**0.5)
    at_20 = table.radius_arcsec[np.abs(table.r_mag - 20) < 0.3]
    assert np.log(np.median(at_20)) == pytest.approx(np.log(1.5), abs=4 * 1.25 * np.log(1.5) / len(at_20) ** 0.5)
    assert len(galaxies_around(Simulate(off=("galaxies",)), *CENTRE, 0.2, 0.2).ra_deg) == 0


def test_tile_size_is_what_the_margins_assume():
    assert all(
        (t.ra_deg[1] - t.ra_deg[0]) * np.cos(np.radians(np.abs(t.dec_deg).min())) < 1.5 * TILE_DEG
        for t in tiles_around(0.0, 75.0, 1.0, 1.0)
    )
