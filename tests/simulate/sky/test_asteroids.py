"""The moving objects are where the fields look, and the table of known ones leads back to them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import gnomonic, separation_deg, unit_vectors
from ztfpipe.simulate.night import plan_night
from ztfpipe.simulate.sky.asteroids import camera_box_deg, known_asteroids, moving_objects, phase_mag, population
from ztfpipe.simulate.sky.orbits import GM_SUN, elements, integrate, seen_from

CAMERA = Camera.load("mini")
SETTINGS = Simulate(moving={"asteroids_per_square_degree": 300, "near_earth_objects": 4})
PLANS = [plan for plan in plan_night(SETTINGS, CAMERA) if plan.key.imgtype == "o"]


def test_they_are_in_the_field_on_the_date():
    # The visit nearest to 8 h UT, for which the population was drawn.
    plan = min(PLANS, key=lambda p: abs(p.obsjd % 1 - (8 / 24 + 0.5) % 1))
    seen = moving_objects(SETTINGS, CAMERA, plan)
    people = population(SETTINGS, CAMERA, plan.key.field)
    own = np.isin(seen.identifier, people.identifier)
    east, north = gnomonic(seen.middle[own], unit_vectors(plan.object_ra_deg, plan.object_dec_deg))
    half = camera_box_deg(CAMERA)
    # Half an hour and a light time of up to 20 minutes at 60 arcsec an hour; the nearest do 1.5 degrees an hour.
    room = np.where(seen.near_earth[own], 0.8, 0.02)
    assert np.all(np.abs(east) < half[0] + room)
    assert np.all(np.abs(north) < half[1] + room)
    latitude = SkyCoord(plan.object_ra_deg, plan.object_dec_deg, unit="deg").barycentricmeanecliptic.lat.deg
    expected = 300 * np.exp(-abs(latitude) / 10) * 4 * half[0] * half[1]
    assert (~seen.near_earth[own]).sum() == pytest.approx(expected, abs=4 * expected**0.5)
    assert seen.near_earth[own].sum() == 4


def test_orbits_are_of_their_kind():
    people = population(SETTINGS, CAMERA, 473)
    shape = elements(people.positions, people.velocities)
    belt = ~people.near_earth
    assert np.all((shape["a_au"][belt] > 2.1 - 1e-9) & (shape["a_au"][belt] < 3.3 + 1e-9))
    assert np.all(shape["e"][belt] < 0.351)
    assert np.all(shape["i_deg"] < 90)
    assert np.all(shape["e"] < 1)
    # Perihelion within 1.3 au is what makes them near-Earth objects.
    assert np.all(shape["a_au"][~belt] * (1 - shape["e"][~belt]) < 1.3)


def test_motion_is_retrograde_at_opposition():
    plan = PLANS[len(PLANS) // 2]
    seen = moving_objects(SETTINGS, CAMERA, plan)
    belt = ~seen.near_earth
    rate = separation_deg(seen.start, seen.end)[belt] * 3600 / (plan.exptime_s / 3600)
    # At opposition main-belt asteroids move 25 to 65 arcsec an hour, westwards.
    assert np.all((rate > 20) & (rate < 80))
    ra = [np.degrees(np.arctan2(v[belt, 1], v[belt, 0])) for v in (seen.start, seen.end)]
    assert np.all((ra[1] - ra[0] + 180) % 360 - 180 < 0)


def test_known_orbits_are_near_but_not_the_truth(kepler_states):
    table = known_asteroids(SETTINGS, CAMERA)
    people = {field: population(SETTINGS, CAMERA, field) for field in SETTINGS.night.fields}
    total = sum(len(p.identifier) for p in people.values())
    # Binomial: 80 % known.
    assert len(table) / total == pytest.approx(0.8, abs=4 * (0.16 / total) ** 0.5)
    field, plan = 473, next(p for p in PLANS if p.key.field == 473)
    mine = table[table.name.astype(int).isin(people[field].identifier)]
    elements = {name: mine[name].to_numpy() for name in ("e", "i_deg", "node_deg", "peri_deg")}
    elements["a_au"] = mine.q_au.to_numpy() / (1 - elements["e"])
    mean_motion = np.sqrt(GM_SUN / elements["a_au"] ** 3)
    elements["mean_anomaly_deg"] = np.degrees(mean_motion * mine.since_perihelion_d.to_numpy())
    positions, velocities = kepler_states(elements, 0.0)
    epoch = float(mine.epoch_jd.iloc[0])
    assert epoch % 200 == pytest.approx(2458200.5 % 200)
    orbits = integrate(positions, velocities, epoch, epoch, plan.mid_jd + 0.1)
    predicted, _, _ = seen_from(orbits, plan.mid_jd, CAMERA.observatory)
    seen = moving_objects(SETTINGS, CAMERA, plan)
    where = {number: k for k, number in enumerate(seen.identifier)}
    index = np.array([where[number] for number in mine.name.astype(int)])
    apart = separation_deg(predicted, seen.middle[index]) * 3600
    belt = ~seen.near_earth[index]
    # 1e-6 au per axis, two axes across the line of sight at 0.9 to 2.5 au: Rayleigh of 0.08 to 0.23 arcsec.
    assert 0.05 < np.median(apart[belt]) < 0.4
    assert np.all(apart[belt] < 1.2)


def test_phase_function_by_hand():
    # At opposition (phase angle 0) V - H = 5 log(r delta); at 20 degrees the G = 0.15 law is 0.97 mag fainter
    # (Bowell et al. 1989, tabulated to 0.01).
    here = np.array([1.0, 0, 0])
    assert phase_mag(np.array([[1.0, 0, 0]]), np.ones(1), np.array([2.0]), here)[0] == pytest.approx(
        5 * np.log10(2), abs=1e-6
    )
    # A place 2 au from the Sun whose phase angle is 20 degrees, by the sine rule.
    beta = np.pi - np.radians(20) - np.arcsin(2 * np.sin(np.radians(20)))
    place = 2 * np.array([np.cos(beta), np.sin(beta), 0])
    apart = place - here
    distance = np.linalg.norm(apart)
    value = phase_mag((apart / distance)[None], np.array([distance]), np.array([2.0]), here)[0]
    assert value - 5 * np.log10(2 * distance) == pytest.approx(0.97, abs=0.03)


def test_switches():
    none = Simulate(off=("asteroids", "near_earth_objects"))
    assert len(population(none, CAMERA, 473).identifier) == 0
    assert len(moving_objects(none, CAMERA, PLANS[0]).identifier) == 0
    assert len(known_asteroids(none, CAMERA)) == 0
