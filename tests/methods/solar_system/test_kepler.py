"""Two-body motion beside an integration of its equation of motion, step by step."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ztfpipe.methods.solar_system.kepler_nb import GM_SUN, LIGHT_AU_PER_DAY, near, propagate, see, stumpff

RNG = np.random.default_rng(20181104)


def integrated(position, velocity, days):
    """Slow twin: DOP853 on the equation of motion."""

    def derivative(_, state):
        return np.concatenate([state[3:], -GM_SUN * state[:3] / np.linalg.norm(state[:3]) ** 3])

    start = np.concatenate([position, velocity])
    end = solve_ivp(derivative, (0, days), start, method="DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
    return end[:3], end[3:]


def circular_speed(distance):
    return np.sqrt(GM_SUN / distance)


@pytest.mark.parametrize(
    ("distance", "speed_ratio", "days"),
    [
        (2.7, 1.0, 800.0),
        (2.7, 0.8, -350.0),
        (0.6, 1.25, 40.0),
        (40.0, 1.05, 3000.0),
        (1.0, np.sqrt(2), 200.0),
        (1.2, 1.7, 300.0),
        (3.0, 1.0, 1e-4),
    ],
)
def test_motion_is_that_of_the_equation(distance, speed_ratio, days):
    position = distance * np.array([0.6, -0.64, 0.48])
    across = np.cross(position, [0.1, 0.3, 1.0])
    along = position / distance
    velocity = (
        speed_ratio * circular_speed(distance) * (0.95 * across / np.linalg.norm(across) + np.sqrt(0.0975) * along)
    )
    moved = propagate(position[None], velocity[None], np.array([days]))
    expected = integrated(position, velocity, days)
    # The integrator keeps about 1e-12 of the state per revolution.
    np.testing.assert_allclose(moved[0][0], expected[0], atol=1e-9 * distance)
    np.testing.assert_allclose(moved[1][0], expected[1], atol=1e-9 * np.linalg.norm(velocity))


def test_many_periods_come_back():
    position, velocity = np.array([[1.5, 0.0, 0.0]]), np.array([[0.0, circular_speed(1.5), 0.0]])
    period = 2 * np.pi * np.sqrt(1.5**3 / GM_SUN)
    moved, _ = propagate(position, velocity, np.array([1000 * period]))
    # 1000 periods of 671 d in float64: the phase is known to 1000 * 2 pi * 2e-16, the period's rounding the same.
    np.testing.assert_allclose(moved, position, atol=1e-10)


def test_an_orbit_without_meaning_is_nan():
    moved, _ = propagate(np.zeros((1, 3)), np.ones((1, 3)), np.ones(1))
    assert np.isnan(moved).all()


@pytest.mark.parametrize("psi", [-30.0, -0.31, -0.29, 0.0, 0.29, 0.31, 30.0])
def test_stumpff_functions_are_their_series(psi):
    c2 = c3 = 0.0
    term = 0.5
    for k in range(40):
        c2 += term
        c3 += term / (2 * k + 3)
        term *= -psi / ((2 * k + 3) * (2 * k + 4))
    # Two branches meet at |psi| = 0.3; beside it the closed form cancels to 3e-15.
    np.testing.assert_allclose(stumpff(psi), (c2, c3), rtol=1e-12)


def test_light_left_when_the_body_was_there():
    """The twin asks the exact motion at the moment the light left, found by repetition."""
    position, velocity = np.array([[2.2, 0.9, -0.1]]), np.array([[-0.004, 0.0101, 0.0007]])
    observer = np.array([0.3, 0.9, 0.4])
    seen, sun_au = see(position, velocity, 3.0, observer)
    delay = 0.0
    for _ in range(20):
        then, _ = propagate(position, velocity, np.array([3.0 - delay]))
        delay = np.linalg.norm(then[0] - observer) / LIGHT_AU_PER_DAY
    # The change of the Sun's pull over the light time is left out: below 1e-9 au (0.0001 arcsec).
    np.testing.assert_allclose(seen[0], then[0] - observer, atol=1e-9)
    assert sun_au[0] == pytest.approx(np.linalg.norm(then[0]), abs=1e-9)


def test_near_is_an_angle():
    vectors = RNG.normal(size=(3000, 3))
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    reach = RNG.uniform(0, 0.3, 3000)
    towards = np.array([0.0, 0.6, 0.8])
    angle = np.arccos(vectors @ towards)
    clear = np.abs(angle - reach - 0.5) > 1e-6  # float32 directions
    found = near(vectors.astype(np.float32), reach.astype(np.float32), towards, 0.5)
    np.testing.assert_array_equal(found[clear], (angle <= reach + 0.5)[clear])
