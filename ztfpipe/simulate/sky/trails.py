"""Satellites and aircraft that cross the camera's field in one exposure."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import Floats
from ztfpipe.simulate.night import ExposurePlan
from ztfpipe.simulate.seeds import stream
from ztfpipe.simulate.sky.asteroids import camera_box_deg

LOW_ORBIT, HIGH_ORBIT, AIRCRAFT = 0, 1, 2


@dataclass(frozen=True)
class Trails:
    """Straight trails (n,) on the tangent plane about the commanded pointing: ends east, north [deg], magnitude r
    while in view, speed [deg / s], extra width [arcsec], kind."""

    east0_deg: Floats
    north0_deg: Floats
    east1_deg: Floats
    north1_deg: Floats
    r_mag: Floats
    speed_deg_s: Floats
    width_arcsec: Floats
    kind: Floats


def trails(settings: Simulate, camera: Camera, plan: ExposurePlan) -> Trails:
    """The trails of an exposure: a Poisson number that grows with exposure time, crossing the circle round the camera.

    Satellites in low orbit (0.2 to 1 deg/s, mag 4 to 9) cross it all, those in high orbits (15 to 60 arcsec/s, mag 10
    to 15) leave a segment; aircraft are three parallel lights, out of focus.
    """
    rng = stream(settings.noise_seed, "streaks", int(plan.key.filefracday))
    radius = float(np.hypot(*camera_box_deg(camera)))
    mean = settings.moving.streaks_per_exposure * plan.exptime_s / 30 if settings.on("streaks") else 0.0
    rows: list[tuple[float, ...]] = []
    for _ in range(rng.poisson(mean)):
        angle, miss = rng.uniform(0, 2 * np.pi), rng.uniform(-radius, radius)
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]])
        kind = AIRCRAFT if rng.uniform() < settings.moving.aircraft_fraction else int(rng.uniform() < 0.25)
        speed = {
            LOW_ORBIT: rng.uniform(0.2, 1.0),
            HIGH_ORBIT: rng.uniform(15, 60) / 3600,
            AIRCRAFT: rng.uniform(0.5, 2),
        }[kind]
        length = speed * plan.exptime_s if kind == HIGH_ORBIT else 4 * radius
        middle = rng.uniform(-radius, radius) if kind == HIGH_ORBIT else 0.0
        mag = {LOW_ORBIT: rng.uniform(4, 9), HIGH_ORBIT: rng.uniform(10, 15), AIRCRAFT: rng.uniform(2, 4)}[kind]
        lights = (-20.0, 0.0, 25.0) if kind == AIRCRAFT else (0.0,)
        for light in lights:
            start = across * (miss + light / 3600) + along * (middle - length / 2)
            end = start + along * length
            rows.append((*start, *end, mag, speed, 8.0 if kind == AIRCRAFT else 0.0, float(kind)))
    table = np.array(rows).reshape(-1, len(fields(Trails)))
    return Trails(*table.T)
