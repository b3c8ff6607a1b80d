"""Places of known bodies: beside an n-body integration of another hand, and beside a search of all of them."""

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.methods.solar_system.ephemeris import (
    bodies_near,
    dynamical_time,
    night_sky,
    observer,
    phase_dimming_mag,
    places,
    states_of_elements,
)
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN
from ztfpipe.model.orbits import Orbits
from ztfpipe.simulate.sky import orbits as simulated

SITE = Camera.load("ztf").observatory
NIGHT_JD = 2458202.8


def here(jd_utc):
    return observer(jd_utc, SITE.longitude_deg, SITE.latitude_deg, SITE.height_m)


def separation_arcsec(ra_deg, dec_deg, ra_true_deg, dec_true_deg):
    east = (ra_deg - ra_true_deg + 180) % 360 - 180
    return 3600 * np.hypot(east * np.cos(np.radians(dec_true_deg)), dec_deg - dec_true_deg)


def main_belt(n, seed):
    """States (n, 3) drawn like the main belt's, at NIGHT_JD."""
    rng = np.random.default_rng(seed)
    a, e = rng.uniform(2.1, 3.3, n), np.minimum(rng.rayleigh(0.12, n), 0.4)
    period = 2 * np.pi * np.sqrt(a**3 / GM_SUN)
    angles = (rng.uniform(0, 360, n) for _ in range(2))
    return states_of_elements(a * (1 - e), e, rng.rayleigh(7, n), *angles, rng.uniform(-0.5, 0.5, n) * period)


def orbits_at(positions, velocities, jd):
    n = len(positions)
    return Orbits(np.array([f"b{i}" for i in range(n)]), jd, positions, velocities, np.full(n, 15.0), np.full(n, 0.15))


def test_elements_and_back():
    rng = np.random.default_rng(5)
    n = 200
    a, e = rng.uniform(0.8, 40, n), rng.uniform(0, 0.95, n)
    i, node, argument = rng.uniform(0, 170, n), rng.uniform(0, 360, n), rng.uniform(0, 360, n)
    period = 2 * np.pi * np.sqrt(a**3 / GM_SUN)
    since = rng.uniform(-0.5, 0.5, n) * period
    position, velocity = states_of_elements(a * (1 - e), e, i, node, argument, since)
    back = simulated.elements(position, velocity)
    for name, value in {"a_au": a, "e": e, "i_deg": i}.items():
        np.testing.assert_allclose(back[name], value, rtol=1e-9, atol=1e-9)
    for name, value in {"node_deg": node, "mean_anomaly_deg": 360 * since / period, "peri_deg": argument}.items():
        # An angle of a nearly circular or nearly flat orbit is known to rounding over e or sin i.
        loose = 1e-9 / np.minimum(np.maximum(e, 1e-6), np.sin(np.radians(i)))
        assert (np.abs((back[name] - value + 180) % 360 - 180) < 1e-6 + loose).all()


def test_main_belt_is_within_an_arcsecond_of_an_n_body_integration():
    """Five days from the epoch: planets move two-body positions by about 0.1 arcsec in ten days, a quarter in five."""
    position, velocity = main_belt(300, 1)
    jd_utc = NIGHT_JD + 5
    truth = simulated.integrate(position, velocity, NIGHT_JD, NIGHT_JD, dynamical_time(jd_utc) + 0.1)
    direction, distance, sun = simulated.seen_from(truth, jd_utc, SITE)
    seen = places(orbits_at(position, velocity, NIGHT_JD), dynamical_time(jd_utc), here(jd_utc))
    ra = np.degrees(np.arctan2(direction[:, 1], direction[:, 0])) % 360
    off = separation_arcsec(seen.ra_deg, seen.dec_deg, ra, np.degrees(np.arcsin(direction[:, 2])))
    assert off.max() < 1.0
    assert np.quantile(off, 0.9) < 0.1
    np.testing.assert_allclose(seen.observer_au, distance, rtol=1e-5)
    np.testing.assert_allclose(seen.sun_au, sun, rtol=1e-5)


def test_bodies_near_are_those_of_a_search_of_all():
    position, velocity = main_belt(20000, 2)
    orbits = orbits_at(position, velocity, NIGHT_JD)
    ends = np.array([-0.25, 0.0, 0.25]) + NIGHT_JD
    night = night_sky(orbits, np.array([dynamical_time(jd) for jd in ends]), np.array([here(jd) for jd in ends]))
    for jd, ra, dec in ((ends[0], 30.0, 12.0), (ends[2] - 0.03, 190.0, -3.0), (ends[1], 100.0, 22.0)):
        everything = places(orbits, dynamical_time(jd), here(jd))
        away = separation_arcsec(everything.ra_deg, everything.dec_deg, ra, dec)
        expected = set(orbits.name[away < 3600 * 1.5])  # flat-sky separations are good to a few arcsec over 1.5 degrees
        doubtful = set(orbits.name[np.abs(away - 3600 * 1.5) < 10])
        found, seen = bodies_near(night, dynamical_time(jd), here(jd), ra, dec, 1.5)
        assert len(expected) > 3
        assert set(found.name) ^ expected <= doubtful
        index = {name: i for i, name in enumerate(orbits.name)}
        np.testing.assert_allclose(seen.ra_deg, everything.ra_deg[[index[name] for name in found.name]], atol=1e-9)


def test_a_body_that_cannot_be_computed_is_left_out_of_the_night():
    position, velocity = main_belt(5, 3)
    position[2] = np.nan
    times = np.full(3, NIGHT_JD)
    night = night_sky(orbits_at(position, velocity, NIGHT_JD), times, np.array([here(NIGHT_JD)] * 3))
    assert list(night.orbits.name) == ["b0", "b1", "b3", "b4"]


def test_brightness_at_opposition_and_beyond_the_system():
    """At phase 0 nothing is lost; 20 degrees cost about 1.0 mag at G = 0.15 (Bowell et al. 1989: 0.95 to 1.05)."""
    loss = phase_dimming_mag(np.radians([0.0, 20.0, 130.0]), np.full(3, 0.15))
    assert loss[0] == 0
    assert 0.9 < loss[1] < 1.1
    assert np.isnan(loss[2])
