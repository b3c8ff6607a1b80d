"""The known bodies of a night, and which of them is nearest to a candidate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ztfpipe.methods.sky.healpix import pixel_centres, pixels_near
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.solar_system.ephemeris import night_sky, places
from ztfpipe.model.candidates import NONE_NEAR, NearestKnown
from ztfpipe.model.orbits import KnownBodies, Orbits, Places
from ztfpipe.model.skycatalogs import Cone

Floats = NDArray[np.float64]
CELL_ORDER = 4
"""Parts of the sky of 3.7 degrees: a quadrant of 0.87 degrees with the bodies that may enter it touches a few."""
STRAY_CELL = -1
STRAY_DEG = 1.0
"""A body that may be farther than this from its place in the middle of the night belongs to no part of the sky."""


def known_bodies(orbits: Orbits, designation: NDArray[np.str_], jd_tdb: Floats, observers_au: Floats) -> KnownBodies:
    """The bodies of a night with their places, motion and parts of the sky, by orbits that hold for that night.

    jd_tdb (4,): beginning, middle, an hour after the middle, end; observers_au (4, 3): the observer's heliocentric
    places then. Bodies whose path cannot be computed are left out.
    """
    placed = places(orbits, jd_tdb[1], observers_au[1])
    whole = np.isfinite(placed.ra_deg) & np.isfinite(placed.dec_deg)
    orbits, designation = orbits.select(whole), designation[whole]
    sky = night_sky(orbits, jd_tdb[[0, 1, 3]], observers_au[[0, 1, 3]])
    if len(sky.orbits) != len(orbits):
        followed = np.isin(orbits.name, sky.orbits.name)
        orbits, designation = orbits.select(followed), designation[followed]
    now, soon = (places(orbits, jd_tdb[k], observers_au[k]) for k in (1, 2))
    per_hour = 3600.0 / (24.0 * (jd_tdb[2] - jd_tdb[1]))
    east = (soon.ra_deg - now.ra_deg + 180.0) % 360.0 - 180.0
    return KnownBodies(
        sky=sky,
        designation=designation,
        places=now,
        rate_ra_arcsec_h=per_hour * east * np.cos(np.radians(now.dec_deg)),
        rate_dec_arcsec_h=per_hour * (soon.dec_deg - now.dec_deg),
        cell=sky_cells(now.ra_deg, now.dec_deg, np.degrees(sky.reach_rad.astype(np.float64))),
    )


def sky_cells(ra_deg: Floats, dec_deg: Floats, reach_deg: Floats) -> NDArray[np.int32]:
    """The part of the sky (n,) whose centre is nearest, by its number; STRAY_CELL for bodies that reach too far."""
    centres = cKDTree(pixel_centres(CELL_ORDER, np.arange(12 * 4**CELL_ORDER)))
    _, cell = centres.query(unit_vectors(ra_deg, dec_deg))
    return np.where(reach_deg > STRAY_DEG, STRAY_CELL, cell).astype(np.int32)


def cells_near(cone: Cone) -> NDArray[np.int64]:
    """The parts of the sky whose bodies may come into a cone on their night, those of strays among them.

    What has a centre as its nearest lies no farther from it than the corners of that pixel do.
    """
    cells = np.arange(12 * 4**CELL_ORDER)
    wide = Cone(cone.ra_deg, cone.dec_deg, cone.radius_deg + STRAY_DEG)
    return np.concatenate([[STRAY_CELL], cells[pixels_near(CELL_ORDER, cells, wide)]])


def nearest_known(
    ra_deg: Floats, dec_deg: Floats, names: NDArray[np.str_], seen: Places, *, radius_arcsec: float
) -> NearestKnown:
    """The nearest of the bodies `names` (k,), seen at `seen`, to each place (n,), no farther than the radius."""
    found = NearestKnown.none(len(ra_deg))
    if not len(ra_deg) or not len(names):
        return found
    tree = cKDTree(unit_vectors(seen.ra_deg, seen.dec_deg))
    most = 2.0 * np.sin(0.5 * np.radians(radius_arcsec / 3600.0))
    chord, which = tree.query(unit_vectors(ra_deg, dec_deg), distance_upper_bound=most)
    near = np.isfinite(chord)
    body = np.where(near, which, 0)
    angle = 3600.0 * np.degrees(2.0 * np.arcsin(0.5 * np.where(near, chord, 0.0)))
    v_mag = np.nan_to_num(seen.v_mag[body], nan=NONE_NEAR)
    return NearestKnown(
        np.where(near, angle, NONE_NEAR).astype(np.float32),
        np.where(near, v_mag, NONE_NEAR).astype(np.float32),
        np.where(near, names[body], found.name),
    )
