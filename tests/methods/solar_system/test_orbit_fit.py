"""Quick orbits: bodies of known orbit, and tracks that are none."""

import numpy as np
import pytest

from benchmarks.moving_scenes import SITE
from benchmarks.validate_moving import BELIEVED, ORBITS
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, states_of_elements
from ztfpipe.methods.solar_system.gravity import NONE
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN
from ztfpipe.methods.solar_system.orbit_fit import believed, quick_orbits
from ztfpipe.methods.solar_system.orbit_fit_nb import frame_at, inverse_axis_and_eccentricity, misses, start, state
from ztfpipe.model.moving import Detections, Tracks
from ztfpipe.simulate.sky import orbits as simulated

JD = 2458202.8
TIMES = np.array([0.0, 0.03, 1.01, 1.05, 2.98, 3.02])


def detections_of(position, velocity, sigma, seed, times=TIMES):
    """Detections of one body with errors, and its truth."""
    truth = simulated.integrate(position[None], velocity[None], dynamical_time(JD), JD - 1, JD + 5)
    seen = [simulated.seen_from(truth, JD + t, SITE)[0][0] for t in times]
    ra = np.degrees(np.arctan2([one[1] for one in seen], [one[0] for one in seen])) % 360
    dec = np.degrees(np.arcsin([one[2] for one in seen]))
    error = np.random.default_rng(seed).normal(0, sigma / 3600, (2, len(times)))
    here = np.array([simulated.observer(JD + t, SITE) for t in times])
    jd = np.array([dynamical_time(JD + t) for t in times])
    ra += error[0] / np.cos(np.radians(dec))
    return Detections(jd, ra, dec + error[1], np.full(len(times), sigma), here, np.arange(len(times)))


def a_body(a, e, i, since_share):
    since = since_share * 2 * np.pi * np.sqrt(a**3 / GM_SUN)
    position, velocity = states_of_elements(*(np.array([value]) for value in (a * (1 - e), e, i, 100.0, 70.0, since)))
    return position[0], velocity[0]


@pytest.mark.parametrize(("a", "e", "i"), [(2.4, 0.1, 5.0), (3.1, 0.25, 14.0), (1.6, 0.35, 9.0), (43.0, 0.1, 4.0)])
def test_a_body_lies_on_its_orbit(a, e, i):
    """Twelve numbers less six parameters: chi2 of 6 +- 3.5; four sigma above is 20. The priors take what is free."""
    for seed in range(3):
        seen = detections_of(*a_body(a, e, i, 0.03 + 0.3 * seed), 0.1, seed)
        orbit = quick_orbits(seen, [np.arange(len(TIMES))], **ORBITS)
        assert orbit.settled[0]
        assert orbit.chi2[0] < 20
        assert orbit.rms_arcsec[0] < 0.2
        assert orbit.prior[0] < BELIEVED["prior_max"]


def test_a_long_arc_gives_the_orbit_back():
    """Thirty days fix the orbit: semi-major axis to a few per cent, by the fit's own chi2 and weak priors."""
    position, velocity = a_body(2.6, 0.15, 8.0, 0.2)
    truth = simulated.integrate(position[None], velocity[None], dynamical_time(JD), JD - 1, JD + 31, bodies=())
    times = np.array([0.0, 0.03, 9.0, 9.03, 20.0, 30.0])
    seen = [simulated.seen_from(truth, JD + t, SITE)[0][0] for t in times]
    ra = np.degrees(np.arctan2([one[1] for one in seen], [one[0] for one in seen])) % 360
    dec = np.degrees(np.arcsin([one[2] for one in seen]))
    here = np.array([simulated.observer(JD + t, SITE) for t in times])
    jd = np.array([dynamical_time(JD + t) for t in times])
    detections = Detections(jd, ra, dec, np.full(6, 0.05), here, np.arange(6))
    orbit = quick_orbits(detections, [np.arange(6)], **ORBITS)
    inverse_axis, e = inverse_axis_and_eccentricity(orbit.position_au[0], orbit.velocity_au_d[0])
    assert 1 / inverse_axis == pytest.approx(2.6, rel=0.05)
    assert e == pytest.approx(0.15, abs=0.05)


def test_one_point_moved_is_refused():
    seen = detections_of(*a_body(2.4, 0.1, 5.0, 0.2), 0.1, 1)
    dec = seen.dec_deg.copy()
    dec[2] += 5 / 3600
    moved = Detections(seen.jd_mid, seen.ra_deg, dec, seen.sigma_arcsec, seen.observer_au, seen.exposure)
    tracks = Tracks((np.arange(6),), np.zeros(1), np.array([6]))
    for detections, expected in ((seen, True), (moved, False)):
        orbit = quick_orbits(detections, tracks.members, **ORBITS)
        assert believed(tracks, orbit, **BELIEVED)[0] == expected


def test_a_track_without_an_orbit_sinks_no_other():
    seen = detections_of(*a_body(2.4, 0.1, 5.0, 0.2), 0.1, 1)
    same_time = np.array([0, 0, 0, 0])
    orbit = quick_orbits(seen, [same_time, np.arange(6)], **ORBITS)
    assert np.isinf(orbit.chi2[0])
    assert not orbit.settled[0]
    assert orbit.chi2[1] < 20


def test_of_tracks_that_share_a_detection_the_longer_is_believed():
    seen = detections_of(*a_body(2.4, 0.1, 5.0, 0.2), 0.1, 1)
    tracks = Tracks((np.array([0, 1, 2, 4]), np.arange(6)), np.zeros(2), np.array([4, 8]))
    assert believed(tracks, quick_orbits(seen, tracks.members, **ORBITS), **BELIEVED).tolist() == [False, True]


def test_no_tracks():
    seen = detections_of(*a_body(2.4, 0.1, 5.0, 0.2), 0.1, 1)
    assert len(quick_orbits(seen, [], **ORBITS).chi2) == 0


def test_parameters_and_state_agree_with_the_equations():
    """The state written out with numpy; residuals of a state that made the detections vanish."""
    centre = unit_vectors(np.array([150.0]), np.array([20.0]))[0]
    frame, origin = frame_at(centre), np.array([0.3, -0.9, 0.02])
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-15)
    assert frame[1, 2] > 0  # north points to the pole
    parameters = np.array([3.0, -5.0, 0.6, 600.0, -200.0, 2.0])
    place, motion = np.empty(3), np.empty(3)
    state(parameters, frame, origin, place, motion)
    radian = 206264.80624709636
    along = centre + 3.0 / radian * frame[0] - 5.0 / radian * frame[1]
    np.testing.assert_allclose(place, origin + along / np.linalg.norm(along) / 0.6, rtol=1e-14)
    np.testing.assert_allclose(motion, ((600 * frame[0] - 200 * frame[1]) / radian + 2e-3 * centre) / 0.6, rtol=1e-14)
    inverse_axis, e = inverse_axis_and_eccentricity(place, motion)
    assert inverse_axis == pytest.approx(2 / np.linalg.norm(place) - motion @ motion / GM_SUN)
    momentum = np.cross(place, motion)
    assert e == pytest.approx(np.sqrt(1 - momentum @ momentum / GM_SUN * inverse_axis), rel=1e-9)


def test_misses_vanish_at_the_truth_and_a_start_is_near_it():
    position, velocity = a_body(2.4, 0.1, 5.0, 0.2)
    seen = detections_of(position, velocity, 1e-6, 1)
    vectors = unit_vectors(seen.ra_deg, seen.dec_deg)
    frame, origin = frame_at(vectors[0]), seen.observer_au[0].copy()
    away = position - origin
    distance = np.linalg.norm(away)
    # The state belongs to the moment of the first detection, its light left `distance` earlier.
    u = frame @ away / (frame[2] @ away)
    scaled = frame @ velocity / distance
    radian = 206264.80624709636
    parameters = np.array(
        [u[0] * radian, u[1] * radian, 1 / distance, scaled[0] * radian, scaled[1] * radian, scaled[2] * 1e3]
    )
    out = np.empty(2 * len(TIMES) + 2)
    t = seen.jd_mid - seen.jd_mid[0]
    sigma = np.full(len(TIMES), 0.1)
    priors = np.array([0.4, 0.3, 0.4])
    sky = (NONE.gm, NONE.first_jd, NONE.step_d, NONE.places_au)
    fixed = (parameters, frame, origin, seen.jd_mid[0], t, vectors, seen.observer_au, sigma, priors)
    misses(*fixed, sky, out, np.empty((12, 3)))
    # Planets pull by less than 0.02 arcsec in three days: a fifth of sigma.
    assert np.abs(out[:-2]).max() < 0.2
    assert out[-2] == pytest.approx((1 / 2.4 - 0.4) / 0.3, abs=1e-3)
    assert out[-1] == pytest.approx(0.1 / 0.4, abs=1e-3)
    begun = np.empty(6)
    start(distance, t, vectors, seen.observer_au, sigma, frame, origin, begun)
    np.testing.assert_allclose(begun[3:5], parameters[3:5], rtol=0.1)
