"""Known solar-system bodies: all of the catalogue at one time, the night's table, and one quadrant's search."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
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
from ztfpipe.methods.solar_system.known import known_bodies, nearest_known
from ztfpipe.methods.solar_system.perturbed import carried
from ztfpipe.model.orbits import NightSky, Orbits
from ztfpipe.model.skycatalogs import Cone
from ztfpipe.products.catalogs.orbits import read_known, write_known

_KEPT: list[tempfile.TemporaryDirectory] = []
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


def carry() -> Callable[[], object]:
    """Work: all bodies from a catalog's epoch, a hundred days before, to the night."""
    orbits = catalogue()
    carried(orbits.position_au[:1], orbits.velocity_au_d[:1], np.array([NIGHT_JD - 100]), NIGHT_JD)
    epochs = np.full(BODIES, NIGHT_JD - 100)
    return lambda: len(carried(orbits.position_au, orbits.velocity_au_d, epochs, NIGHT_JD)[0])


def _table_on_disk() -> Path:
    """The night's table in a temporary file, which lives as long as the process."""
    jd_utc = NIGHT_JD + np.array([-0.3, 0.0, 1 / 24, 0.7])
    jd_tdb, here = np.array([dynamical_time(one) for one in jd_utc]), np.array([_here(one) for one in jd_utc])
    orbits = catalogue()
    bodies = known_bodies(orbits, orbits.name, jd_tdb, here)
    bodies = bodies.select(np.argsort(bodies.cell, kind="stable"))
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "known.parquet")
    write_known(path, bodies)
    _KEPT.append(folder)
    return path


def candidates() -> Callable[[], object]:
    """Work: what one quadrant adds to its job: its part of the table read, bodies placed, candidates matched."""
    path = _table_on_disk()
    rng = np.random.default_rng(1)
    ra, dec = 184 + rng.uniform(-0.4, 0.4, 300), -1.7 + rng.uniform(-0.4, 0.4, 300)

    def work() -> int:
        sky = read_known(path, Cone(184.0, -1.7, 0.65)).sky
        found, seen = bodies_near(sky, dynamical_time(NIGHT_JD), _here(NIGHT_JD), 184.0, -1.7, 0.65)
        nearest_known(ra, dec, found.name, seen, radius_arcsec=30.0)
        return len(found)

    return work


def rows() -> list[dict[str, Any]]:
    """All bodies, the table, one quadrant."""
    result = []
    for text, work, most in (
        ("all known bodies at one time", "whole_sky", ALL_S_MAX),
        ("the night's table of known bodies", "table", None),
        ("known bodies in one quadrant", "quadrant", QUADRANT_S_MAX),
        ("all known bodies brought a hundred days to the night", "carry", None),
        ("the nearest known body to each of a quadrant's candidates, from the file", "candidates", QUADRANT_S_MAX),
    ):
        cost = measure(f"benchmarks.bench_solar_system:{work}")
        bar = f"<= {most:g} s" if most else ""
        note = f"{cost.value:,} of {BODIES:,} bodies"
        result.append(row(text, cost, bar=bar, met=most is None or cost.cpu_s <= most, note=note))
    return result
