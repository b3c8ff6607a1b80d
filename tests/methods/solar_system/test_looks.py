"""How often tracks are seen: chances beside trials, images beside a slow test of places, brightness, refusals."""

import itertools

import numpy as np
import pytest
from scipy.stats import kstest

from benchmarks.moving_scenes import FIRST_JD, SITE, bodies_of
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, observer, places
from ztfpipe.methods.solar_system.looks import Attendance, at_most, attendance, likelihood, steadiness, unlikely
from ztfpipe.methods.solar_system.orbit_fit import FittedOrbits
from ztfpipe.model.moving import Detections, Looks
from ztfpipe.model.orbits import Orbits

CHOICE = {"share": 0.9, "width_mag": 0.4, "margin_arcsec": 10.0}
SIDE_DEG = 0.5


def test_the_distribution_is_that_of_all_outcomes():
    chances = np.array([0.1, 0.5, 0.9, 0.3])
    expected = 0.0
    for outcome in itertools.product([0, 1], repeat=4):
        if sum(outcome) <= 2:
            expected += np.prod([p if one else 1 - p for p, one in zip(chances, outcome, strict=True)])
    assert at_most(2, chances) == pytest.approx(expected, rel=1e-12)
    assert at_most(4, chances) == pytest.approx(1.0)
    assert at_most(0, np.empty(0)) == 1.0


def orbits_of(n, rng):
    """Orbits of n bodies at different epochs, as a fit leaves them."""
    position, velocity = bodies_of("main belt", n, rng)
    epoch = dynamical_time(FIRST_JD) + np.zeros(n)
    none = np.zeros(n)
    return FittedOrbits(
        epoch, position, velocity, none, none, none, none == 0, (np.zeros((4, 2)),) * n, np.zeros((n, 6, 6))
    )


def looks_about(orbits, rng, exposures):
    """Images of half a degree near the bodies' places at some times, two halves an exposure; and where they are."""
    parts, where = [], []
    for exposure in range(exposures):
        jd = FIRST_JD + rng.uniform(-1, 2)
        here, tdb = observer(jd, SITE.longitude_deg, SITE.latitude_deg, SITE.height_m), dynamical_time(jd)
        n = len(orbits.epoch_jd)
        known = Orbits(np.arange(n).astype(str), orbits.epoch_jd[0], orbits.position_au, orbits.velocity_au_d,
                       np.full(n, 15.0), np.full(n, 0.15))  # fmt: skip
        seen = places(known, tdb, here)
        body = rng.integers(n)
        ra, dec = seen.ra_deg[body] - rng.uniform(-0.1, 1.1), seen.dec_deg[body] - rng.uniform(-0.1, 0.6)
        for half in (0, 1):
            low = ra + half * SIDE_DEG
            corners = unit_vectors(low + SIDE_DEG * np.array([0, 1, 1, 0]), dec + SIDE_DEG * np.array([0, 0, 1, 1]))
            parts.append((tdb, here, exposure, corners, 20.5))
            where.append((low, dec, seen))
    return Looks(*(np.array(one) for one in zip(*parts, strict=True))), where


def test_looks_are_those_whose_images_hold_the_place():
    rng = np.random.default_rng(4)
    orbits = orbits_of(30, rng)
    looks, where = looks_about(orbits, rng, exposures=200)
    slow = [set() for _ in range(30)]
    for number, (low, dec, seen) in enumerate(where):
        for body in range(30):
            x = (seen.ra_deg[body] - low + 180) % 360 - 180
            # Great circles between corners are not parallels: over half a degree they part by far less than the margin
            # at these declinations, and a place within it of an edge is left open.
            edge = min(x, SIDE_DEG - x, seen.dec_deg[body] - dec, dec + SIDE_DEG - seen.dec_deg[body])
            if edge > 0.01:
                slow[body].add(int(looks.exposure[number]))
    members = [np.array([body]) for body in range(30)]
    own = Detections(*np.zeros((2, 30)), np.zeros(30), np.ones(30), np.zeros((30, 3)), np.full(30, -1))
    seen = attendance(own, members, orbits, np.full(30, 15.0), looks, **CHOICE)
    counted = np.array([len(one) for one in slow])
    assert counted.sum() > 60
    # The detection itself is on an exposure of its own.
    assert (seen.looked - 1 >= counted).all()
    assert (seen.looked - 1 - counted).sum() <= 0.15 * counted.sum()
    np.testing.assert_allclose(seen.expected, 0.9 * seen.looked, rtol=1e-9)  # five magnitudes above the limit
    faint = attendance(own, members, orbits, np.full(30, 20.5), looks, **CHOICE)
    np.testing.assert_allclose(faint.expected, 0.9 + 0.45 * (faint.looked - 1), rtol=1e-9)
    unknown = Looks(looks.jd_mid, looks.observer_au, looks.exposure, looks.corners, np.full(len(looks), np.nan))
    assert (attendance(own, members, orbits, np.full(30, 15.0), unknown, **CHOICE).looked == 1).all()


def test_an_orbit_that_is_none_has_its_own_exposures_only():
    rng = np.random.default_rng(4)
    orbits = orbits_of(2, rng)
    looks, _ = looks_about(orbits, rng, exposures=30)
    orbits.position_au[0] = np.nan
    own = Detections(*np.zeros((2, 8)), np.zeros(8), np.ones(8), np.zeros((8, 3)), np.arange(8) - 10)
    seen = attendance(own, [np.arange(4), np.arange(4, 8)], orbits, np.full(2, 15.0), looks, **CHOICE)
    assert seen.looked[0] == 4
    assert seen.looked[1] > 4


def test_steady_bodies_have_chances_that_are_uniform():
    rng = np.random.default_rng(6)
    sigmas = [rng.uniform(0.05, 0.3, 5) for _ in range(2000)]
    mags = [19 + rng.normal(0, np.hypot(one, 0.2)) for one in sigmas]
    assert kstest(steadiness(mags, sigmas, 0.2), "uniform").pvalue > 1e-3
    assert steadiness([np.array([17.0, 19.0, 18.0, 20.0])], [np.full(4, 0.1)], 0.2)[0] < 1e-6
    assert steadiness([np.full(4, np.nan)], [np.full(4, 0.1)], 0.2)[0] == 1.0


def test_bodies_are_refused_as_rarely_as_is_said():
    """Of 2000 bodies' tracks of four, whose chances are uniform: the share below 0.05 has a sigma of 0.005."""
    rng = np.random.default_rng(7)
    n = 2000
    orbits = orbits_of(n, rng)
    fitted = FittedOrbits(
        orbits.epoch_jd, orbits.position_au, orbits.velocity_au_d, rng.chisquare(2, n), np.zeros(n),
        rng.chisquare(2, n), orbits.settled, orbits.residuals_arcsec, orbits.covariance,
    )  # fmt: skip
    lengths = np.full(n, 4)
    likely = likelihood(fitted, lengths, rng.random(n), rng.random(n))
    assert kstest(likely, "uniform").pvalue > 1e-3
    seen = Attendance(np.full(n, 6), np.full(n, 5.4), rng.random(n))
    refused = unlikely(seen, likely, lengths, chance_of_four=0.05, chance=1e-3)
    assert np.mean([bool(one) for one in refused]) == pytest.approx(0.05, abs=0.02)
    longer = unlikely(seen, likely, lengths + 1, chance_of_four=0.05, chance=1e-3)
    assert np.mean([bool(one) for one in longer]) <= 0.005
    assert "4 of 6 exposures, 5.4 expected" in next(one for one in refused if one)
