"""Full orbits: the pull of planets beside a slow integration, covariances beside repeated errors, elements, doubts."""

import numpy as np
import pytest

from benchmarks.moving_scenes import SITE
from benchmarks.validate_moving import ORBITS
from ztfpipe.methods.solar_system.elements import doubts, element_sigmas, elements_of
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, states_of_elements
from ztfpipe.methods.solar_system.gravity import perturbers
from ztfpipe.methods.solar_system.gravity_nb import drift, pull
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN
from ztfpipe.methods.solar_system.orbit_fit import full_orbits, quick_orbits
from ztfpipe.model.moving import Detections
from ztfpipe.simulate.sky import orbits as simulated

from .test_orbit_fit import JD, TIMES, a_body, detections_of

TDB = dynamical_time(JD)


def sky_of(found):
    return found.gm, found.first_jd, found.step_d, found.places_au


def test_the_pull_is_newtons():
    found = perturbers(TDB - 5, TDB + 5)
    place, out = np.array([1.1, -0.6, 0.2]), np.empty(3)
    index = 17  # at a date of the table nothing is interpolated
    pull(place, found.first_jd + index * found.step_d, *sky_of(found), out)
    planets = found.places_au[index]
    expected = -GM_SUN * place / np.linalg.norm(place) ** 3
    for gm, planet in zip(found.gm, planets, strict=True):
        apart = planet - place
        expected = expected + gm * (apart / np.linalg.norm(apart) ** 3 - planet / np.linalg.norm(planet) ** 3)
    np.testing.assert_allclose(out, expected, rtol=1e-12)


@pytest.mark.parametrize(("a", "e", "days"), [(2.6, 0.15, 10.0), (1.3, 0.3, -10.0), (40.0, 0.1, 10.0)])
def test_motion_is_that_of_an_integration_by_another_hand(a, e, days):
    """The simulator's own equations and astropy's ephemeris: 1e-9 au is 0.0002 arcsec at 1 au. Two-body motion over the
    same days is off by 1e-7 au and more, which tells that planets pull at all."""
    place, motion = (np.ascontiguousarray(one) for one in a_body(a, e, 7.0, 0.2))
    truth = simulated.integrate(place[None], motion[None], TDB, TDB - 11, TDB + 11)
    kepler = simulated.integrate(place[None], motion[None], TDB, TDB - 11, TDB + 11, bodies=())
    found = perturbers(TDB - 11, TDB + 11)
    drift(place, motion, TDB, TDB + days, *sky_of(found), np.empty((8, 3)))
    expected, _ = truth.states(TDB + days)
    assert np.abs(place - expected[0]).max() < 1e-9
    if a < 10:
        assert np.abs(kepler.states(TDB + days)[0] - expected).max() > 3e-8


def test_elements_come_back_from_their_states():
    rng = np.random.default_rng(3)
    q, e = rng.uniform(0.3, 5, 200), rng.uniform(0, 1.5, 200)
    i, node, argument = rng.uniform(0, 179, 200), rng.uniform(0, 360, 200), rng.uniform(0, 360, 200)
    states = states_of_elements(q, e, i, node, argument, rng.uniform(-50, 50, 200))
    found = elements_of(*states)
    np.testing.assert_allclose(found.perihelion_au, q, rtol=1e-9)
    np.testing.assert_allclose(found.eccentricity, e, atol=1e-9)
    np.testing.assert_allclose(found.inclination_deg, i, atol=1e-6)
    np.testing.assert_allclose((found.node_deg - node + 180) % 360 - 180, 0, atol=1e-6)
    # Of a nearly circular orbit the perihelion is badly defined: rounding over the eccentricity.
    off = np.abs((found.argument_deg - argument + 180) % 360 - 180)
    assert (off < 1e-7 + 1e-8 / np.maximum(e, 1e-6)).all()
    assert np.isnan(found.mean_anomaly_deg[e > 1.001]).all()
    bound = e < 0.99
    since = np.radians(found.mean_anomaly_deg[bound]) / np.sqrt(GM_SUN * found.inverse_axis_per_au[bound] ** 3)
    assert np.isfinite(since).all()


def month_of(position, velocity, seed):
    """Detections over thirty days, which fix the orbit without the help of priors."""
    truth = simulated.integrate(position[None], velocity[None], TDB, JD - 1, JD + 31)
    times = np.array([0.0, 0.03, 8.0, 8.03, 17.0, 17.03, 25.0, 30.0])
    seen = [simulated.seen_from(truth, JD + t, SITE)[0][0] for t in times]
    ra = np.degrees(np.arctan2([one[1] for one in seen], [one[0] for one in seen])) % 360
    dec = np.degrees(np.arcsin([one[2] for one in seen]))
    error = np.random.default_rng(seed).normal(0, 0.1 / 3600, (2, len(times)))
    here = np.array([simulated.observer(JD + t, SITE) for t in times])
    jd = np.array([dynamical_time(JD + t) for t in times])
    n = np.arange(len(times))
    return Detections(jd, ra + error[0] / np.cos(np.radians(dec)), dec + error[1], np.full(len(n), 0.1), here, n), n


def test_uncertainties_are_those_of_many_fits_and_planets_are_heeded():
    """Forty fits of one body with other errors: the scatter of an element is known to 11 per cent, of pulls likewise.
    Pulls are corrected for nothing: priors are wide beside a month's arc."""
    position, velocity = a_body(2.6, 0.15, 8.0, 0.2)
    wide = {"inverse_axis_per_au": (0.4, 3.0), "eccentricity_width": 4.0}
    pulls, chi2 = [], []
    for seed in range(40):
        seen, track = month_of(position, velocity, seed)
        screened = quick_orbits(seen, [track], **wide)
        fitted = full_orbits(seen, [track], screened, steps_max=40, **wide)
        sigma = element_sigmas(fitted.position_au, fitted.velocity_au_d, fitted.covariance)
        elements = elements_of(fitted.position_au, fitted.velocity_au_d)
        truth = simulated.integrate(position[None], velocity[None], TDB, TDB - 1, TDB + 31)
        true = elements_of(*truth.states(float(fitted.epoch_jd[0])))
        pulls.append((elements.inverse_axis_per_au - true.inverse_axis_per_au) / sigma.inverse_axis_per_au)
        chi2.append(fitted.chi2[0])
        assert fitted.settled[0]
    # Four sigma of the scatter's own error; of the mean, 0.16.
    assert 0.55 < np.std(pulls) < 1.45
    assert abs(np.mean(pulls)) < 0.65
    # Sixteen numbers less six parameters: 10 +- 0.7.
    assert np.mean(chi2) == pytest.approx(10, abs=2.9)


def test_the_full_fit_of_days_agrees_with_the_screen_and_has_a_covariance():
    seen = detections_of(*a_body(2.4, 0.1, 5.0, 0.2), 0.1, 1)
    track = np.arange(len(TIMES))
    screened = quick_orbits(seen, [track], **ORBITS)
    fitted = full_orbits(seen, [track], screened, steps_max=40, **ORBITS)
    assert fitted.settled[0]
    # Planets bend three days' path by some hundredths of an arcsecond at most: a fraction of sigma.
    assert fitted.chi2[0] == pytest.approx(screened.chi2[0], abs=1.0)
    covariance = fitted.covariance[0]
    assert (np.linalg.eigvalsh(covariance * np.outer(*[1 / np.sqrt(np.diag(covariance))] * 2)) > -1e-9).all()
    assert fitted.residuals_arcsec[0].shape == (len(TIMES), 2)
    assert np.sqrt(np.mean(fitted.residuals_arcsec[0] ** 2)) == pytest.approx(fitted.rms_arcsec[0])


def test_a_track_without_an_orbit_sinks_no_other():
    seen = detections_of(*a_body(2.4, 0.1, 5.0, 0.2), 0.1, 1)
    tracks = [np.zeros(4, np.int64), np.arange(len(TIMES))]
    fitted = full_orbits(seen, tracks, quick_orbits(seen, tracks, **ORBITS), steps_max=40, **ORBITS)
    assert not fitted.settled[0]
    assert np.isnan(fitted.covariance[0]).all()
    assert fitted.settled[1]
    assert fitted.chi2[1] < 20


def test_no_tracks():
    seen = detections_of(*a_body(2.4, 0.1, 5.0, 0.2), 0.1, 1)
    assert len(full_orbits(seen, [], quick_orbits(seen, [], **ORBITS), steps_max=40, **ORBITS).chi2) == 0


def test_doubts_say_what_is_wrong_with_an_orbit():
    n = 6
    states = states_of_elements(
        np.array([2.0, 2.0, 2.0, 1.0, 2.0, 0.02]), np.array([0.1, 0.1, 0.1, 1.5, 0.1, 0.9]), *np.full((3, n), 10.0),
        np.full(n, 5.0),
    )  # fmt: skip
    words = doubts(
        elements_of(*states), np.array([0.1, 0.1, 0.1, 0.1, np.nan, 0.1]), np.array([0.1, 0.9, 0.1, 0.1, 0.1, 0.1]),
        np.array([0, 0, 99.0, 0, 0, 0]), np.ones(n, bool), np.full(n, 1.0),
        rms_max_arcsec=0.6, prior_max=15.0, distance_min_au=0.01,
    )  # fmt: skip
    assert [text.split()[0] if text else "" for text in words] == [
        "",
        "residuals",
        "far",
        "hyperbolic,",
        "no",
        "perihelion",
    ]
    near = doubts(
        elements_of(*states), np.full(n, 0.1), np.full(n, 0.1), np.zeros(n), np.array([False] + [True] * 5),
        np.full(n, 0.001), rms_max_arcsec=0.6, prior_max=15.0, distance_min_au=0.01,
    )  # fmt: skip
    assert "settle" in near[0]
    assert "satellite" in near[1]
