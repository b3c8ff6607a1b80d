"""Orbits under the pull of the planets, beside an integration by another hand (simulate, an eighth-order method)."""

import numpy as np
import pytest

from tests.methods.solar_system.test_ephemeris import NIGHT_JD, main_belt
from ztfpipe.methods.solar_system.perturbed import carried
from ztfpipe.methods.solar_system.perturbed_nb import pull
from ztfpipe.methods.solar_system.planets import GM_BODIES, places_of_planets
from ztfpipe.simulate.sky import orbits as simulated

ARCSEC_PER_RAD = 206264.8


def off_arcsec(positions, truth):
    """Angle that a difference has at most for somebody one au from the Sun."""
    return np.linalg.norm(positions - truth, axis=1) / (np.linalg.norm(truth, axis=1) - 1) * ARCSEC_PER_RAD


def test_planets_are_in_their_order_at_their_distances():
    distance = np.linalg.norm(places_of_planets(np.array([NIGHT_JD])), axis=-1)[0]
    perihelia_aphelia = [
        (0.307, 0.467), (0.718, 0.729), (1.381, 1.666), (4.95, 5.46), (9.02, 10.09), (18.3, 20.1), (29.8, 30.4),
        (0.983, 1.017), (0.980, 1.020),
    ]  # fmt: skip
    assert all(low <= one <= high for one, (low, high) in zip(distance, perihelia_aphelia, strict=True))
    # Jupiter weighs more than all others together.
    assert GM_BODIES.argmax() == 3
    assert GM_BODIES[3] > GM_BODIES.sum() / 2


def test_pull_is_the_sum_over_planets():
    planets = places_of_planets(np.array([NIGHT_JD]))[0]
    place = np.array([1.2, -0.4, 0.1])
    apart = planets - place
    direct = apart / np.linalg.norm(apart, axis=1)[:, None] ** 3
    indirect = planets / np.linalg.norm(planets, axis=1)[:, None] ** 3
    expected = (GM_BODIES[:, None] * (direct - indirect)).sum(axis=0)
    *acceleration, nearest = pull(*place, planets, GM_BODIES)
    np.testing.assert_allclose(acceleration, expected, rtol=1e-12)
    assert nearest == pytest.approx(np.linalg.norm(apart, axis=1).min())


@pytest.mark.parametrize("days", [100.0, -100.0, 9.3])
def test_main_belt_is_where_another_integration_puts_it(days):
    """The leapfrog's error: the planets' displacement, ten arcsec in a hundred days, times (step * motion)^2 / 12 of
    1e-5 and (step * motion of the Earth)^2 / 12 of 4e-4: a few milliarcseconds; two-body motion is off by arcsec."""
    positions, velocities = main_belt(200, 1)
    epochs = np.full(200, NIGHT_JD)
    end = NIGHT_JD + days
    truth = simulated.integrate(positions, velocities, NIGHT_JD, min(NIGHT_JD, end), max(NIGHT_JD, end)).states(end)
    after, velocities_after = carried(positions, velocities, epochs, end)
    assert off_arcsec(after, truth[0]).max() < 0.02
    np.testing.assert_allclose(velocities_after, truth[1], atol=1e-9)


def test_each_body_starts_at_its_own_epoch():
    """Epochs between the dates of the table of planets, before and after the night: all end where the truth is."""
    positions, velocities = main_belt(6, 2)
    epochs = NIGHT_JD + np.array([-150.0, -20.013, -0.01, 0.0, 7.77, 90.031])
    paths = simulated.integrate(positions, velocities, NIGHT_JD, epochs.min() - 1, epochs.max() + 1)
    starts = [paths.states(jd) for jd in epochs]
    begin = [np.array([start[part][k] for k, start in enumerate(starts)]) for part in (0, 1)]
    after, _ = carried(*begin, epochs, NIGHT_JD)
    assert off_arcsec(after, positions).max() < 0.02


def test_a_flyby_of_the_earth_bends_the_orbit_as_it_should():
    """Closest at 0.005 au at NIGHT_JD with 6 km/s: the Earth turns its path there by 2 GM / (d v^2) = 1.7 degrees.
    Steps in which the pull turns by 3 degrees err by some (0.05)^2 / 12 of that: 1 arcsec."""
    before, earth, after = places_of_planets(NIGHT_JD + np.array([-0.5, 0.0, 0.5]))[:, -2]
    outwards = earth / np.linalg.norm(earth)
    position = (earth + 0.005 * outwards)[None]
    velocity = (after - before + 0.0035 * np.cross(outwards, [0.0, 0.0, 1.0]))[None]
    start = NIGHT_JD - 20
    paths = simulated.integrate(position, velocity, NIGHT_JD, start, NIGHT_JD + 2)
    begin, end = paths.states(start), paths.states(NIGHT_JD + 2)
    moved, _ = carried(*begin, np.array([start]), NIGHT_JD + 2)
    here = places_of_planets(np.array([NIGHT_JD + 2]))[0, -2]
    distance = np.linalg.norm(end[0][0] - here)
    assert distance < 0.02
    assert np.linalg.norm(moved - end[0]) / distance * ARCSEC_PER_RAD < 2.0


def test_nothing_and_what_cannot_be_followed():
    assert [part.shape for part in carried(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), NIGHT_JD)] == [(0, 3)] * 2
    positions, velocities = main_belt(2, 3)
    velocities[0] = 0.0
    positions[0] = [1e-30, 0, 0]
    after, _ = carried(positions, velocities, np.full(2, NIGHT_JD - 5), NIGHT_JD)
    assert np.isfinite(after[1]).all()
