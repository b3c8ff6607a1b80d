"""Detections of a few nights with truth: bodies under all planets' pull, and false detections among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, states_of_elements
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN
from ztfpipe.model.moving import Detections, Looks
from ztfpipe.simulate.sky import orbits as simulated

SITE = Camera.load("ztf").observatory
FIRST_JD = 2458202.8
NIGHTS = 4
FIELD_DEG = 6.86
CENTRE_DEG = (184.0, -1.7)
SIGMA_ARCSEC = 0.15
DETECTED, OBSERVED = 0.9, 0.8
"""Share of a body's exposures that detect it, and of fields observed on a night."""
BODY_MAG, SCATTER_MAG, LIMIT_MAG, FALL_MAG = 19.5, 0.15, 20.5, 0.5
"""Of bodies as V, and how it scatters as they turn; 5-sigma limit, above which false ones get fewer by this scale."""
KINDS = {"main belt": 0.9, "near Earth": 0.07, "distant": 0.03}


@dataclass(frozen=True)
class Scene:
    """Detections, the body of each (-1: false), the kind of each body, its state [au, au/d] at FIRST_JD (n, 3), the
    images taken, and of each detection its magnitude, as V, and error."""

    detections: Detections
    body: NDArray[np.int64]
    kind: NDArray[np.str_]
    position_au: NDArray[np.float64]
    velocity_au_d: NDArray[np.float64]
    looks: Looks
    v_mag: NDArray[np.float64]
    sigma_mag: NDArray[np.float64]

    def linkable(self) -> NDArray[np.int64]:
        """Bodies with four or more detections, one with another within 10 h and a third within 2.5 d."""
        jd, result = self.detections.jd_mid, []
        for body in range(len(self.kind)):
            times = jd[self.body == body]
            apart = np.sort(np.abs(times[:, None] - times[None]), axis=1)
            if len(times) >= 4 and ((apart[:, 1] <= 10 / 24) & (apart[:, 2] <= 2.5)).any():
                result.append(body)
        return np.array(result, np.int64)


def bodies_of(kind: str, n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """States at FIRST_JD drawn from broad distributions of a kind."""
    if kind == "main belt":
        a, e, i = rng.uniform(2.1, 3.3, n), np.minimum(rng.rayleigh(0.12, n), 0.4), rng.rayleigh(7, n)
    elif kind == "near Earth":
        q, e, i = rng.uniform(0.7, 1.2, n), rng.uniform(0.2, 0.6, n), rng.rayleigh(12, n)
        a = q / (1 - e)
    else:
        a, e, i = rng.uniform(30, 48, n), rng.uniform(0, 0.2, n), rng.rayleigh(10, n)
    since = rng.uniform(-0.5, 0.5, n) * 2 * np.pi * np.sqrt(a**3 / GM_SUN)
    return states_of_elements(a * (1 - e), e, i, rng.uniform(0, 360, n), rng.uniform(0, 360, n), since)


def _east_north(direction: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right ascension from the centre's and declination [deg]."""
    ra = np.degrees(np.arctan2(direction[:, 1], direction[:, 0]))
    return (ra - CENTRE_DEG[0] + 180) % 360 - 180, np.degrees(np.arcsin(direction[:, 2]))


def _bodies(n: int, half_deg: float, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray[np.str_]]:
    """States of bodies seen in a square of the sky in the first night, so many of each kind."""
    here, positions, velocities, kinds = simulated.observer(FIRST_JD, SITE), [], [], []
    for kind, share in KINDS.items():
        wanted = round(share * n)
        while wanted:
            position, velocity = bodies_of(kind, 100_000, rng)
            away = position - here
            distance = np.linalg.norm(away, axis=1)
            east, dec = _east_north(away / distance[:, None])
            inside = (np.abs(east) < half_deg) & (np.abs(dec - CENTRE_DEG[1]) < half_deg) & (distance > 0.1)
            chosen = np.flatnonzero(inside)[:wanted]
            positions.append(position[chosen])
            velocities.append(velocity[chosen])
            kinds += [kind] * len(chosen)
            wanted -= len(chosen)
    return np.concatenate(positions), np.concatenate(velocities), np.array(kinds)


def _visits(half_deg: float, rng: np.random.Generator) -> list[tuple[float, int, int]]:
    """Times and fields: one to three visits a night to most fields, about an hour apart."""
    fields = range(int(np.ceil(2 * half_deg / FIELD_DEG)))
    visits = []
    for night in range(NIGHTS):
        for column in fields:
            for row in fields:
                if rng.random() < OBSERVED:
                    first, apart = FIRST_JD + night + rng.uniform(-0.15, 0.05), rng.uniform(0.02, 0.06)
                    visits += [(first + k * apart, column, row) for k in range(rng.integers(1, 4))]
    return visits


def images(visits, half_deg: float) -> Looks:
    """The fields as images: their corners on the sky."""
    parts = []
    for exposure, (jd, column, row) in enumerate(visits):
        x, y = FIELD_DEG * (column + np.array([0, 1, 1, 0])), FIELD_DEG * (row + np.array([0, 0, 1, 1]))
        corners = unit_vectors((CENTRE_DEG[0] + x - half_deg) % 360, CENTRE_DEG[1] + y - half_deg)
        parts.append((dynamical_time(jd), simulated.observer(jd, SITE), exposure, corners, LIMIT_MAG))
    return Looks(*(np.array(one) for one in zip(*parts, strict=True)))


def magnitudes(body: NDArray[np.int64], limit_mag: NDArray[np.float64], rng: np.random.Generator, fall_mag=FALL_MAG):
    """Magnitudes and errors of false detections: as many more towards the limit, where S/N is 5."""
    mag = limit_mag - rng.exponential(fall_mag, len(body))
    return mag, 1.0857 / 5.0 * 10.0 ** (0.4 * (mag - limit_mag))


def scene(bodies: int, half_deg: float, false_per_real: float, seed: int) -> Scene:
    """A few nights of a square of sky of 2 `half_deg` on a side."""
    rng = np.random.default_rng(seed)
    position, velocity, kind = _bodies(bodies, half_deg, rng)
    truth = simulated.integrate(position, velocity, dynamical_time(FIRST_JD), FIRST_JD - 1, FIRST_JD + NIGHTS + 1)
    parts: list[tuple[NDArray, ...]] = []
    visits = _visits(half_deg, rng)
    for exposure, (jd, column, row) in enumerate(visits):
        east, dec = _east_north(simulated.seen_from(truth, jd, SITE)[0])
        x, y = east + half_deg, dec - CENTRE_DEG[1] + half_deg
        inside = (x // FIELD_DEG == column) & (y // FIELD_DEG == row) & (rng.random(bodies) < DETECTED)
        own = np.flatnonzero(inside)
        false = rng.poisson(false_per_real * len(own))
        error = rng.normal(0, SIGMA_ARCSEC / 3600, (2, len(own)))
        real_east = east[own] + error[0] / np.cos(np.radians(dec[own]))
        false_east, false_dec = FIELD_DEG * (np.array([[column], [row]]) + rng.random((2, false))) - half_deg
        ra = (CENTRE_DEG[0] + np.concatenate([real_east, false_east])) % 360
        n = len(ra)
        here = np.tile(simulated.observer(jd, SITE), (n, 1))
        parts.append(
            (np.full(n, dynamical_time(jd)), ra, np.concatenate([dec[own] + error[1], false_dec + CENTRE_DEG[1]]),
             np.full(n, SIGMA_ARCSEC), here, np.full(n, exposure), np.concatenate([own, np.full(false, -1)]))
        )  # fmt: skip
    columns = [np.concatenate(many) for many in zip(*parts, strict=True)]
    mag, sigma_mag = magnitudes(columns[6], np.full(len(columns[6]), LIMIT_MAG), np.random.default_rng(seed))
    mag[columns[6] >= 0] = BODY_MAG + rng.normal(0, SCATTER_MAG, np.count_nonzero(columns[6] >= 0))
    return Scene(
        Detections(*columns[:6]), columns[6], kind, position, velocity, images(visits, half_deg), mag, sigma_mag
    )
