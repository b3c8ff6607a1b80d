"""Known solar-system bodies: all of the catalogue at one time, the night's table, and one quadrant's search."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks.measure import measure, row
from ztfpipe.camera import Camera
from ztfpipe.methods.solar_system.ephemeris import (
    bodies_near,
    dynamical_time,
    night_sky,
    observer,
    places,
    states_of_elements,
)
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN
from ztfpipe.model.orbits import NightSky, Orbits

BODIES = 1_500_000
NIGHT_JD = 2458202.8
ALL_S_MAX, QUADRANT_S_MAX = 3.0, 0.2


def _here(jd_utc: float) -> np.ndarray:
    site = Camera.load("ztf").observatory
    return observer(jd_utc, site.longitude_deg, site.latitude_deg, site.height_m)


@cache
def catalogue() -> Orbits:
    """As many orbits as are known, drawn like the main belt's, three days from the night."""
    rng = np.random.default_rng(15)
    a, e = rng.uniform(2.1, 3.3, BODIES), np.minimum(rng.rayleigh(0.12, BODIES), 0.6)
    since = rng.uniform(-0.5, 0.5, BODIES) * 2 * np.pi * np.sqrt(a**3 / GM_SUN)
    angles = (rng.uniform(0, 360, BODIES) for _ in range(2))
    states = states_of_elements(a * (1 - e), e, rng.rayleigh(7, BODIES), *angles, since)
    names = np.arange(BODIES).astype(str)
    return Orbits(names, NIGHT_JD - 3, *states, rng.uniform(14, 19, BODIES), np.full(BODIES, 0.15))


@cache
def tonight() -> NightSky:
    jd = NIGHT_JD + np.array([-0.25, 0.0, 0.25])
    return night_sky(catalogue(), np.array([dynamical_time(one) for one in jd]), np.array([_here(one) for one in jd]))


def whole_sky() -> Callable[[], object]:
    """Work: places and magnitudes of all bodies at one time."""
    orbits = catalogue()
    return lambda: len(places(orbits, dynamical_time(NIGHT_JD), _here(NIGHT_JD)).ra_deg)


def table() -> Callable[[], object]:
    """Work: the night's table."""
    catalogue()
    tonight.cache_clear()
    return lambda: len(tonight().orbits)


def quadrant() -> Callable[[], object]:
    """Work: the bodies within a quadrant's circumscribed circle, in the ecliptic at opposition."""
    night = tonight()
    return lambda: len(bodies_near(night, dynamical_time(NIGHT_JD), _here(NIGHT_JD), 184.0, -1.7, 0.65)[0])


def rows() -> list[dict[str, Any]]:
    """All bodies, the table, one quadrant."""
    result = []
    for text, work, most in (
        ("all known bodies at one time", "whole_sky", ALL_S_MAX),
        ("the night's table of known bodies", "table", None),
        ("known bodies in one quadrant", "quadrant", QUADRANT_S_MAX),
    ):
        cost = measure(f"benchmarks.bench_solar_system:{work}")
        bar = f"<= {most:g} s" if most else ""
        note = f"{cost.value:,} of {BODIES:,} bodies"
        result.append(row(text, cost, bar=bar, met=most is None or cost.cpu_s <= most, note=note))
    return result
