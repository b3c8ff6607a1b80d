"""The known bodies of a night by part of the sky, and the nearest of them to candidates, beside searches of all."""

import numpy as np

from tests.methods.solar_system.test_ephemeris import NIGHT_JD, here, main_belt, orbits_at
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, places
from ztfpipe.methods.solar_system.known import STRAY_CELL, cells_near, known_bodies, nearest_known, sky_cells
from ztfpipe.model.orbits import Places
from ztfpipe.model.skycatalogs import Cone

TIMES = NIGHT_JD + np.array([-0.3, 0.0, 1 / 24, 0.7])


def a_night(positions, velocities):
    orbits = orbits_at(positions, velocities, dynamical_time(NIGHT_JD))
    jd_tdb = np.array([dynamical_time(jd) for jd in TIMES])
    return known_bodies(orbits, np.array([f"({n})" for n in orbits.name]), jd_tdb, np.array([here(jd) for jd in TIMES]))


def seen_at(ra_deg, dec_deg, v_mag):
    n = len(ra_deg)
    return Places(np.array(ra_deg), np.array(dec_deg), *(np.ones(n) for _ in range(3)), np.array(v_mag))


def test_motion_is_the_difference_of_places():
    bodies = a_night(*main_belt(100, 1))
    orbits = bodies.sky.orbits
    first, later = (places(orbits, dynamical_time(jd), here(jd)) for jd in (NIGHT_JD - 0.01, NIGHT_JD + 0.01))
    north = (later.dec_deg - first.dec_deg) * 3600 / 0.48
    east = (later.ra_deg - first.ra_deg + 180) % 360 - 180
    # Rates change by a few arcsec per hour and hour as the Earth turns; these are half an hour apart.
    np.testing.assert_allclose(bodies.rate_dec_arcsec_h, north, atol=3)
    np.testing.assert_allclose(bodies.rate_ra_arcsec_h, east * np.cos(np.radians(first.dec_deg)) * 7500, atol=3)


def test_parts_of_the_sky_near_a_cone_have_all_bodies_that_come_into_it():
    rng = np.random.default_rng(2)
    ra, dec = rng.uniform(0, 360, 200_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 200_000)))
    reach = rng.uniform(0, 1.2, 200_000)
    cell = sky_cells(ra, dec, reach)
    assert (cell[reach > 1] == STRAY_CELL).all()
    assert (cell[reach <= 1] >= 0).all()
    for cone in (Cone(10.0, 89.5, 0.7), Cone(359.9, -2.0, 0.7), Cone(184.0, -89.0, 0.7), Cone(45.0, 41.8, 0.7)):
        towards = unit_vectors([cone.ra_deg], [cone.dec_deg])[0]
        away = np.degrees(np.arccos(np.clip(unit_vectors(ra, dec) @ towards, -1, 1)))
        may_come = away <= cone.radius_deg + reach
        near = cells_near(cone)
        assert may_come.sum() > 10
        assert np.isin(cell[may_come], near).all()
        # And most of the sky is left alone: a cone of 1.7 degrees touches at most some twenty parts of 3072.
        assert len(near) < 40


def test_the_nearest_within_reach_as_a_search_of_all_finds_it():
    rng = np.random.default_rng(3)
    ra, dec = 359.99 + rng.uniform(-0.1, 0.1, 300), 60 + rng.uniform(-0.1, 0.1, 300)
    body_ra, body_dec = 359.99 + rng.uniform(-0.1, 0.1, 40), 60 + rng.uniform(-0.1, 0.1, 40)
    names = np.array([f"n{k}" for k in range(40)])
    found = nearest_known(ra % 360, dec, names, seen_at(body_ra % 360, body_dec, np.arange(40.0)), radius_arcsec=30.0)
    for k in range(300):
        away = 3600 * np.hypot((body_ra - ra[k]) * np.cos(np.radians(dec[k])), body_dec - dec[k])
        if abs(away.min() - 30) < 0.1:
            continue
        if away.min() > 30:
            assert (found.distance_arcsec[k], found.v_mag[k], found.name[k]) == (-999, -999, "null")
        else:
            # The flat sky is good to a tenth of an arcsec over half an arcminute at 60 degrees.
            assert abs(found.distance_arcsec[k] - away.min()) < 0.1
            assert found.v_mag[k] == float(found.name[k][1:])
    assert 0 < (found.name != "null").sum() < 300


def test_without_candidates_bodies_or_magnitudes():
    one = np.array([10.0]), np.array([5.0])
    none = nearest_known(np.zeros(0), np.zeros(0), np.array(["a"]), seen_at([10.0], [5.0], [20.0]), radius_arcsec=30)
    assert len(none.name) == 0
    alone = nearest_known(*one, np.zeros(0, np.str_), seen_at([], [], []), radius_arcsec=30)
    assert (alone.distance_arcsec[0], alone.name[0]) == (-999, "null")
    dark = nearest_known(*one, np.array(["2010AB12"]), seen_at([10.0], [5.001], [np.nan]), radius_arcsec=30)
    assert dark.name[0] == "2010AB12"
    assert dark.v_mag[0] == -999
    assert abs(dark.distance_arcsec[0] - 3.6) < 1e-3
    assert {name: column.dtype.kind for name, column in dark.columns().items()} == {
        "ssdistnr": "f", "ssmagnr": "f", "ssnamenr": "U",
    }  # fmt: skip


def test_bodies_that_cannot_be_followed_are_left_out():
    positions, velocities = main_belt(5, 4)
    positions[1] = np.nan
    bodies = a_night(positions, velocities)
    assert list(bodies.designation) == ["(b0)", "(b2)", "(b3)", "(b4)"]
    assert list(bodies.sky.orbits.name) == ["b0", "b2", "b3", "b4"]
