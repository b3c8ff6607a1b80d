"""Detections and looks of several nights with the observer's place at each exposure, and one number an exposure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Observatory
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.ephemeris import dynamical_time, observer
from ztfpipe.model.moving import Detections, Looks
from ztfpipe.model.tracks import Sightings

Columns = Mapping[str, NDArray[Any]]
V_MINUS_BAND_MAG = {"zg": -0.35, "zr": 0.14, "zi": 0.32}
"""What the Minor Planet Center adds to magnitudes of these filters to compare bodies in V."""


def observed(seen: Sightings, looks: Columns, site: Observatory) -> tuple[Detections, Looks]:
    """The sightings and the looks (columns of LOOK_TABLE), with times in TDB and the observer's places."""
    n = len(seen)
    jd_utc, exposure = np.unique(np.concatenate([seen.jd_mid, looks["jd_mid"]]), return_inverse=True)
    places, times = np.full((len(jd_utc), 3), np.nan), np.full(len(jd_utc), np.nan)
    for i in np.flatnonzero(np.isfinite(jd_utc)):
        places[i] = observer(float(jd_utc[i]), site.longitude_deg, site.latitude_deg, site.height_m)
        times[i] = dynamical_time(float(jd_utc[i]))
    sigma = np.asarray(seen.sigma, np.float64)
    detections = Detections(times[exposure[:n]], seen.ra, seen.dec, sigma, places[exposure[:n]], exposure[:n])
    own = exposure[n:]
    corners = np.stack([unit_vectors(looks[f"ra{k}"], looks[f"dec{k}"]) for k in range(4)], axis=1)
    limit = np.asarray(looks["limit_mag"], np.float64) + v_minus(looks["filter"])
    return detections, Looks(times[own], places[own], own, corners, limit)


def v_minus(filters: NDArray[Any]) -> NDArray[np.float64]:
    """What magnitudes of filters lack of V, (n,)."""
    return np.array([V_MINUS_BAND_MAG[one] for one in filters], np.float64)
