"""Tracks on nights that are not as nights should be: a field observed forty times, satellites, a fit that diverges."""

import numpy as np
import pytest

from benchmarks.moving_scenes import FIRST_JD, SITE, bodies_of
from benchmarks.validate_moving import ORBITS
from tests.pipelines.test_moving_tracks import nobody
from ztfpipe.config.moving_tracks import Tracks
from ztfpipe.methods.solar_system.ephemeris import dynamical_time
from ztfpipe.methods.solar_system.orbit_fit import full_orbits, quick_orbits
from ztfpipe.model.moving import Detections
from ztfpipe.model.tracks import Sightings
from ztfpipe.pipelines.moving.observing import observed
from ztfpipe.pipelines.moving.tracks import find_tracks
from ztfpipe.simulate.sky import orbits as simulated

NIGHT = "20180325"
NO_LOOKS = {
    name: np.empty(0)
    for name in ("jd_mid", "limit_mag", "filter", *(f"{a}{k}" for k in range(4) for a in ("ra", "dec")))
}
SIGMA_ARCSEC = 0.1


def sightings(jd, ra, dec):
    n = len(jd)
    exposure = [f"{NIGHT}{round((one - 2458202.5) * 1e6):06d}" for one in jd]
    return Sightings(
        np.arange(n), jd, ra, dec, np.full(n, SIGMA_ARCSEC), np.full(n, 19.0), np.full(n, 0.1), np.full(n, 10.0),
        np.full(n, 500.0), np.full(n, 500.0), np.full(n, 30.0), np.array(exposure, object), np.full(n, 473),
        np.full(n, "zr", object), np.full(n, 1), np.full(n, 1),
    )  # fmt: skip


def paths(jd, n=5):
    """Where n bodies of the main belt are at some times, each (times, n) [deg]."""
    position, velocity = bodies_of("main belt", n, np.random.default_rng(3))
    truth = simulated.integrate(position, velocity, dynamical_time(FIRST_JD), FIRST_JD - 1, FIRST_JD + 1)
    seen = np.array([simulated.seen_from(truth, one, SITE)[0] for one in jd])
    return np.degrees(np.arctan2(seen[..., 1], seen[..., 0])) % 360, np.degrees(np.arcsin(seen[..., 2]))


def test_a_field_observed_forty_times_in_a_night_gives_each_body_once():
    rng = np.random.default_rng(5)
    jd = FIRST_JD + 0.0025 * np.arange(40)
    ra, dec = paths(jd)
    bodies = ra.shape[1]
    ra = ra + rng.normal(0, SIGMA_ARCSEC / 3600, ra.shape) / np.cos(np.radians(dec))
    dec = dec + rng.normal(0, SIGMA_ARCSEC / 3600, dec.shape)
    # Noise as dense as ten on a square degree and exposure, about each body.
    of = np.repeat(np.arange(40 * bodies), 10)
    noise_ra, noise_dec = (one.ravel()[of] + rng.uniform(-0.5, 0.5, len(of)) for one in (ra, dec))
    every = sightings(
        np.concatenate([np.repeat(jd, bodies), np.repeat(jd, bodies)[of]]),
        np.concatenate([ra.ravel(), noise_ra]) % 360, np.concatenate([dec.ravel(), noise_dec]),
    )  # fmt: skip
    found = find_tracks(every, NO_LOOKS, NIGHT, nobody(), SITE, Tracks())
    good = found.tracks["n"] >= 36
    assert good.sum() == bodies
    assert found.tracks["plausible"][good].all()
    owners = [set(found.members["candid"][found.members["track"] == one] % bodies)
              for one in found.tracks["track"][good]]  # fmt: skip
    assert sorted(one.pop() for one in owners if len(one) == 1) == list(range(bodies))


def test_glints_of_a_satellite_are_no_track():
    """Four points on exposures 40 s apart, half a degree from one to the next, and four on one exposure."""
    step = np.arange(4)
    jd = np.concatenate([FIRST_JD + step * 40 / 86400, np.full(4, FIRST_JD + 0.05)])
    ra = np.concatenate([184 + 0.5 * step, 190 + 0.01 * step])
    found = find_tracks(sightings(jd, ra, np.zeros(8)), NO_LOOKS, NIGHT, nobody(), SITE, Tracks())
    assert len(found) == 0


def test_a_fit_that_diverges_has_its_doubt_and_sinks_no_other():
    jd = FIRST_JD + np.array([0.0, 0.05, 0.1, 0.15, 0.2])
    ra, dec = paths(jd, 2)
    # Of the second, degrees to and fro: no orbit goes there.
    ra[:, 1] += np.array([0.0, 3.0, -3.0, 3.0, -3.0])
    seen = sightings(np.tile(jd, 2), ra.T.ravel() % 360, dec.T.ravel())
    detections, _ = observed(seen, NO_LOOKS, SITE)
    members = [np.arange(5), np.arange(5, 10)]
    fitted = full_orbits(detections, members, quick_orbits(detections, members, **ORBITS), steps_max=40, **ORBITS)
    alone = Detections(*(getattr(detections, one)[:5] for one in Detections.__dataclass_fields__))
    expected = full_orbits(alone, members[:1], quick_orbits(alone, members[:1], **ORBITS), steps_max=40, **ORBITS)
    assert fitted.rms_arcsec[0] == pytest.approx(expected.rms_arcsec[0], rel=1e-6)
    assert fitted.rms_arcsec[0] < 0.01
    assert not fitted.settled[1] or fitted.rms_arcsec[1] > 100
