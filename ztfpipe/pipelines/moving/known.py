"""The known bodies of a night: the site's orbits brought to the night, those bright enough, where they are and move."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Observatory
from ztfpipe.config import Known
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, observer, places, states_of_elements
from ztfpipe.methods.solar_system.known import known_bodies
from ztfpipe.methods.solar_system.perturbed import carried
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.orbits import KnownBodies, OrbitCatalog, Orbits

Floats = NDArray[np.float64]
FIRST_LOOK_MAG = 1.0
"""Two-body motion over years is off by degrees, which changes a predicted magnitude by less than this."""
HOUR_D = 1 / 24


def known_of_night(
    catalog: OrbitCatalog, night: str, site: Observatory, settings: Known
) -> tuple[KnownBodies, Mapping[str, int]]:
    """The known bodies of a night (UT date, YYYYMMDD), by part of the sky, and how many were left out and why."""
    jd_utc = night_times(night, site)
    jd_tdb = np.array([dynamical_time(jd) for jd in jd_utc])
    observers = np.array([observer(jd, site.longitude_deg, site.latitude_deg, site.height_m) for jd in jd_utc])
    sound = _sound(catalog)
    young = sound & (np.abs(catalog.epoch_jd - jd_tdb[1]) <= settings.age_max_d)
    chosen = catalog.select(young)
    chosen = chosen.select(_first_look(chosen, jd_tdb[1], observers[1]) <= settings.v_max_mag + FIRST_LOOK_MAG)
    bodies = known_bodies(orbits_on(chosen, jd_tdb[1]), chosen.designation, jd_tdb, observers)
    bodies = bodies.select(~(bodies.places.v_mag > settings.v_max_mag))
    bodies = bodies.select(np.lexsort((bodies.sky.orbits.name, bodies.cell)))
    return bodies, {
        "n_orbits": len(catalog),
        "n_unsound": int(np.count_nonzero(~sound)),
        "n_too_old": int(np.count_nonzero(sound & ~young)),
        "n_followed": len(chosen),
        "n_known": len(bodies),
        "n_stray": int(np.count_nonzero(bodies.cell < 0)),
    }


def night_times(night: str, site: Observatory) -> Floats:
    """Julian dates UTC: the beginning of the UT date, mean midnight at the site, an hour later, the date's end."""
    begin = night_jd(night)
    middle = begin + (-site.longitude_deg / 360.0) % 1.0
    return np.array([begin, middle, middle + HOUR_D, begin + 1.0])


def orbits_on(catalog: OrbitCatalog, jd_tdb: float) -> Orbits:
    """Catalogued orbits brought from their epochs to one date under the pull of Sun and planets."""
    states = _states(catalog, np.zeros(len(catalog)))
    return Orbits(catalog.name, jd_tdb, *carried(*states, catalog.epoch_jd, jd_tdb), catalog.h_mag, catalog.slope_g)


def _states(catalog: OrbitCatalog, days: Floats) -> tuple[Floats, Floats]:
    """Heliocentric states (n, 3) by two-body motion, so many days after each orbit's own epoch."""
    return states_of_elements(
        catalog.perihelion_au, catalog.eccentricity, catalog.inclination_deg, catalog.node_deg, catalog.argument_deg,
        catalog.since_perihelion_d + days,
    )  # fmt: skip


def _sound(catalog: OrbitCatalog) -> NDArray[np.bool_]:
    """Orbits that are conics about the Sun."""
    numbers = (
        catalog.epoch_jd, catalog.perihelion_au, catalog.eccentricity, catalog.inclination_deg, catalog.node_deg,
        catalog.argument_deg, catalog.since_perihelion_d,
    )  # fmt: skip
    finite = np.logical_and.reduce([np.isfinite(one) for one in numbers])
    return finite & (catalog.perihelion_au > 0) & (catalog.eccentricity >= 0)


def _first_look(catalog: OrbitCatalog, jd_tdb: float, observer_au: Floats) -> Floats:
    """Predicted V (n,) by two-body motion; very bright where no magnitude is known, so that no body is lost."""
    states = _states(catalog, jd_tdb - catalog.epoch_jd)
    v_mag = places(Orbits(catalog.name, jd_tdb, *states, catalog.h_mag, catalog.slope_g), jd_tdb, observer_au).v_mag
    return np.where(np.isnan(v_mag), -np.inf, v_mag)
