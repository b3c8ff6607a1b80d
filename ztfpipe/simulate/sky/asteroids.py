"""Asteroids and near-Earth objects that pass through the observed fields, and the table of those already known."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as dataclass_fields

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.model.dates import DAY_S
from ztfpipe.simulate.geometry import Floats, from_gnomonic, separation_deg, unit_vectors
from ztfpipe.simulate.night import ExposurePlan, night_start_jd
from ztfpipe.simulate.seeds import stream
from ztfpipe.simulate.sky.orbits import (
    GM_SUN,
    ecliptic_axes,
    elements,
    integrate,
    observer,
    seen_from,
)
from ztfpipe.simulate.telescope.earth import terrestrial_time

SLOPE_G = 0.15
"""Slope parameter of the H, G magnitude system."""
V_MINUS_R_MAG = 0.20
POPULATION_HOUR = 8.0
"""Hour UT of the settings' date at which the population is spread over the fields."""


@dataclass(frozen=True)
class Population:
    """The moving objects of one field: orbits at `epoch_jd` (TT), absolute magnitude, colours, rotation."""

    epoch_jd: float
    identifier: np.ndarray
    positions: Floats
    velocities: Floats
    h_mag: Floats
    g_r_mag: Floats
    r_i_mag: Floats
    amplitude_mag: Floats
    period_d: Floats
    near_earth: np.ndarray
    known: np.ndarray


@dataclass(frozen=True)
class MovingObjects:
    """What is seen in one exposure: directions at its start, middle and end (n, 3), distance, r and colours (n,)."""

    identifier: np.ndarray
    start: Floats
    middle: Floats
    end: Floats
    distance_au: Floats
    r_mag: Floats
    g_r_mag: Floats
    r_i_mag: Floats
    near_earth: np.ndarray
    known: np.ndarray


def camera_box_deg(camera: Camera) -> tuple[float, float]:
    """Half sides east and north [deg] of the box that holds all quadrants."""
    ny, nx = camera.quadrant_shape
    per_px = camera.pixel_scale_arcsec / 3600
    used = [camera.amplifiers[quadrant] for quadrant in camera.quadrants()]
    east = max(abs(amplifier.east_deg) for amplifier in used) + 0.5 * nx * per_px
    north = max(abs(amplifier.north_deg) for amplifier in used) + 0.5 * ny * per_px
    return east, north


def moving_objects(settings: Simulate, camera: Camera, plan: ExposurePlan) -> MovingObjects:
    """All objects of an exposure's field and its neighbours, wherever n-body orbits and light time have put them."""
    people = _nearby(settings, camera, plan.key.field)
    site = camera.observatory
    half_d = 0.5 * plan.exptime_s / DAY_S
    dates = people.epoch_jd, terrestrial_time(plan.mid_jd - half_d), terrestrial_time(plan.mid_jd + half_d)
    orbits = integrate(people.positions, people.velocities, people.epoch_jd, min(dates), max(dates))
    start, _, _ = seen_from(orbits, plan.mid_jd - half_d, site)
    end, _, _ = seen_from(orbits, plan.mid_jd + half_d, site)
    middle, distance, from_sun = seen_from(orbits, plan.mid_jd, site)
    v_mag = people.h_mag + phase_mag(middle, distance, from_sun, observer(plan.mid_jd, site))
    turn = 2 * np.pi * (plan.mid_jd - 2457388.5) / people.period_d
    r_mag = v_mag - V_MINUS_R_MAG + 0.5 * people.amplitude_mag * np.sin(2 * turn)
    return MovingObjects(
        people.identifier, start, middle, end, distance, r_mag, people.g_r_mag, people.r_i_mag, people.near_earth,
        people.known,
    )  # fmt: skip


def phase_mag(direction: Floats, distance: Floats, from_sun: Floats, here: Floats) -> Floats:
    """V - H (n,) at distances [au] from observer and Sun: the H, G system (Bowell et al. 1989)."""
    place = here + direction * distance[:, None]
    cosine = (place * direction).sum(axis=1) / from_sun
    half_tangent = np.tan(0.5 * np.arccos(np.clip(cosine, -1, 1)))
    phi_1, phi_2 = np.exp(-3.33 * half_tangent**0.63), np.exp(-1.87 * half_tangent**1.22)
    return 5 * np.log10(distance * from_sun) - 2.5 * np.log10((1 - SLOPE_G) * phi_1 + SLOPE_G * phi_2)


def population(settings: Simulate, camera: Camera, field: int) -> Population:
    """The objects drawn for a field: each is placed within the camera's box at the settings' date, on an orbit that can
    bring it there. Empty when both kinds are switched off."""
    sizes = settings.moving
    rng = stream(settings.sky_seed, "asteroids", field)
    half_east, half_north = camera_box_deg(camera)
    centre = camera.field(field)
    direction = unit_vectors(centre.ra_deg, centre.dec_deg)
    latitude_deg = abs(np.degrees(np.arcsin(direction @ ecliptic_axes()[2])))
    density = sizes.asteroids_per_square_degree * np.exp(-latitude_deg / sizes.asteroid_latitude_deg)
    belt = rng.poisson(density * 4 * half_east * half_north)
    belt = belt if settings.on("asteroids") else 0
    near = sizes.near_earth_objects if settings.on("near_earth_objects") else 0
    n = belt + near
    jd_utc = night_start_jd(settings.night.date) + POPULATION_HOUR / 24
    here = observer(jd_utc, camera.observatory)
    box = rng.uniform(-1, 1, (2, n)) * [[half_east], [half_north]]
    directions = from_gnomonic(box[0], box[1], direction)
    near_earth = np.arange(n) >= belt
    positions, velocities = np.empty((n, 3)), np.empty((n, 3))
    for k in range(n):
        draw = _draw_near_earth if near_earth[k] else _draw_belt
        positions[k], velocities[k] = draw(rng, here, directions[k])
    distance = np.linalg.norm(positions - here, axis=1)
    slope, bright = 0.35, np.where(near_earth, 15.5, 15.0)
    faint = np.where(near_earth, 20.5, 21.3)
    counts = rng.uniform(10 ** (slope * bright), 10 ** (slope * faint))
    v_mag = np.log10(counts) / slope + V_MINUS_R_MAG
    # Light time is left out here: it moves the object by less than 0.01 deg from where it was drawn.
    return Population(
        epoch_jd=terrestrial_time(jd_utc),
        identifier=field * 10_000 + np.arange(n),
        positions=positions,
        velocities=velocities,
        h_mag=v_mag - phase_mag(directions, distance, np.linalg.norm(positions, axis=1), here),
        g_r_mag=0.55 + 0.08 * rng.standard_normal(n),
        r_i_mag=0.18 + 0.04 * rng.standard_normal(n),
        amplitude_mag=0.15 * rng.rayleigh(size=n).clip(0, 4),
        period_d=rng.uniform(0.12, 0.8, n),
        near_earth=near_earth,
        known=rng.uniform(size=n) < sizes.known_fraction,
    )


def _draw_belt(rng: np.random.Generator, here: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """A main-belt orbit through a line of sight: a, e and a place along it are drawn, the distance follows."""
    along = here @ direction
    nearest = np.sqrt(here @ here - min(along, 0.0) ** 2) if along < 0 else np.linalg.norm(here)
    while True:
        a, e = rng.uniform(2.1, 3.3), min(0.1 * rng.rayleigh(), 0.35)
        radius, true_anomaly = _place_on_ellipse(rng, a, e)
        if radius > nearest:
            break
    distance = -along + np.sqrt(along**2 - here @ here + radius**2)
    return _orbit_through(rng, here + distance * direction, a, e, true_anomaly, 8.0)


def _draw_near_earth(rng: np.random.Generator, here: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """A near-Earth orbit through a point 0.004 to 0.25 au away: a is drawn, and an e that reaches there.

    The near half moves by more than ten pixels in 30 s and leaves a streak.
    """
    position = here + direction * 0.004 * (0.25 / 0.004) ** rng.uniform()
    radius = np.linalg.norm(position)
    a = rng.uniform(1.15, 2.2) * radius
    e = rng.uniform(abs(1 - radius / a) + 0.02, 0.75)
    cosine = np.clip((a * (1 - e**2) / radius - 1) / e, -1, 1)
    return _orbit_through(rng, position, a, e, np.arccos(cosine) * rng.choice([-1, 1]), 12.0)


def _place_on_ellipse(rng: np.random.Generator, a: float, e: float) -> tuple[float, float]:
    """Distance and true anomaly at a random time."""
    mean_anomaly = rng.uniform(0, 2 * np.pi)
    eccentric = mean_anomaly
    for _ in range(60):
        eccentric = mean_anomaly + e * np.sin(eccentric)
    true_anomaly = 2 * np.arctan2(np.sqrt(1 + e) * np.sin(eccentric / 2), np.sqrt(1 - e) * np.cos(eccentric / 2))
    return a * (1 - e * np.cos(eccentric)), true_anomaly


def _orbit_through(
    rng: np.random.Generator, position: Floats, a: float, e: float, true_anomaly: float, inclination_scale_deg: float
) -> tuple[Floats, Floats]:
    """State of an orbit of given shape through a position; the inclination is drawn, at least the ecliptic latitude."""
    radius = np.linalg.norm(position)
    outward = position / radius
    pole = ecliptic_axes()[2]
    latitude = abs(np.arcsin(outward @ pole))
    inclination = max(np.radians(inclination_scale_deg) * rng.rayleigh(), latitude * 1.02 + 1e-3)
    # The orbit's normal is perpendicular to the position and makes the angle of the inclination with the pole.
    upright = pole - (pole @ outward) * outward
    height = np.linalg.norm(upright)
    cosine = np.clip(np.cos(inclination) / height, -1, 1)
    sideways = np.cross(outward, upright / height) * rng.choice([-1, 1])
    normal = cosine * upright / height + np.sqrt(1 - cosine**2) * sideways
    speed = np.sqrt(GM_SUN / (a * (1 - e**2)))
    forward = np.cross(normal, outward)
    return position, speed * (e * np.sin(true_anomaly) * outward + (1 + e * np.cos(true_anomaly)) * forward)


def _nearby(settings: Simulate, camera: Camera, field: int) -> Population:
    """The populations of a field and of the night's other fields that the camera may reach from there."""
    centre = camera.field(field)
    reach_deg = 2 * float(np.hypot(*camera_box_deg(camera))) + 1.0
    here = unit_vectors(centre.ra_deg, centre.dec_deg)
    near = {field}
    for other in settings.night.fields:
        there = camera.field(other)
        if separation_deg(here, unit_vectors(there.ra_deg, there.dec_deg)) < reach_deg:
            near.add(other)
    parts = [population(settings, camera, number) for number in sorted(near)]
    arrays = [item.name for item in dataclass_fields(Population) if item.name != "epoch_jd"]
    return Population(parts[0].epoch_jd, **{name: np.concatenate([getattr(p, name) for p in parts]) for name in arrays})


def known_asteroids(settings: Simulate, camera: Camera) -> pd.DataFrame:
    """A catalog of the known objects of all fields as a site would have it: not all of them, and none quite right.

    Osculating elements at the nearest standard epoch, a multiple of 200 days: ecliptic of J2000, degrees, au, days;
    h_mag, g. The orbits are off by some tenths of an arcsecond on the sky, as after a year without observations; near
    the Earth by more; h_mag by 0.1. name is the identifier of the truth.
    """
    frames = []
    for field in settings.night.fields:
        people = population(settings, camera, field)
        epoch = round((people.epoch_jd - 0.5) / 200) * 200 + 0.5
        span = sorted([people.epoch_jd, epoch])
        positions, velocities = integrate(people.positions, people.velocities, people.epoch_jd, *span).states(epoch)
        rng = stream(settings.sky_seed, "known", field)
        n = len(positions)
        positions = positions + rng.normal(0, 1.0e-6, (n, 3))
        velocities = velocities + rng.normal(0, 5.0e-9, (n, 3))
        found = elements(positions, velocities)
        anomaly_deg = (found.pop("mean_anomaly_deg") + 180) % 360 - 180
        a_au = found.pop("a_au")
        table = {
            "name": people.identifier.astype(str), "designation": [f"({one}) Simulated" for one in people.identifier],
            "epoch_jd": np.full(n, epoch), "q_au": a_au * (1 - found["e"]), **found,
            "since_perihelion_d": np.radians(anomaly_deg) * np.sqrt(a_au**3 / GM_SUN),
            "h_mag": people.h_mag + rng.normal(0, 0.1, n), "g": np.full(n, SLOPE_G),
        }  # fmt: skip
        frames.append(pd.DataFrame(table)[people.known])
    return pd.concat(frames, ignore_index=True)
