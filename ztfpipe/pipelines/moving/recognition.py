"""Which tracks are known bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.ephemeris import bodies_near, places, separation
from ztfpipe.methods.solar_system.known import nearest_known
from ztfpipe.model.moving import Detections
from ztfpipe.model.orbits import NO_NAME, KnownBodies
from ztfpipe.model.tracks import Sightings

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Recognised:
    """Of each track (n,): the known body that it is, its name for people, and the largest distance of its detections
    from the body's places; empty and NaN where it is none."""

    name: list[str]
    designation: list[str]
    distance_arcsec: Floats


def recognised(
    seen: Sightings,
    detections: Detections,
    members: Sequence[NDArray[np.int64]],
    known: KnownBodies,
    night: str,
    radius_arcsec: float,
) -> Recognised:
    """The known body of each track all of whose detections lie within `radius_arcsec` of the body's places.

    The body nearest to the track's last detection of the night is tried: one body has one place.
    """
    result = Recognised([""] * len(members), [""] * len(members), np.full(len(members), np.nan))
    orbits = known.sky.orbits
    row_of = {name: row for row, name in enumerate(orbits.name.tolist())}
    for track, own in enumerate(members):
        tonight = [i for i in own if seen.filefracday[i].startswith(night)]
        name = _nearest(detections, tonight[-1], known, radius_arcsec) if len(orbits) else NO_NAME
        if name == NO_NAME:
            continue
        row = np.array([row_of[name]])
        worst = max(_apart(detections, i, known, row) for i in own)
        if worst <= radius_arcsec:
            result.name[track], result.designation[track] = name, str(known.designation[row[0]])
            result.distance_arcsec[track] = worst
    return result


def _nearest(detections: Detections, i: np.int64, known: KnownBodies, radius_arcsec: float) -> str:
    """The known body nearest to a detection, or none."""
    ra, dec = detections.ra_deg[i], detections.dec_deg[i]
    jd, here = float(detections.jd_mid[i]), detections.observer_au[i]
    near, where = bodies_near(known.sky, jd, here, float(ra), float(dec), 2.0 * radius_arcsec / 3600.0)
    found = nearest_known(np.array([ra]), np.array([dec]), near.name, where, radius_arcsec=radius_arcsec)
    return str(found.name[0])


def _apart(detections: Detections, i: np.int64, known: KnownBodies, row: NDArray[np.int64]) -> float:
    """Distance [arcsec] of a detection from where a body is then, by two-body motion from its night's orbit."""
    where = places(known.sky.orbits.select(row), float(detections.jd_mid[i]), detections.observer_au[i])
    here = unit_vectors(detections.ra_deg[i], detections.dec_deg[i])
    return 3600.0 * float(np.degrees(separation(here, unit_vectors(where.ra_deg, where.dec_deg)))[0])
