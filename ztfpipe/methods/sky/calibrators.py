"""Which catalog entries belong to a quadrant, and which of them an image can be calibrated against.

Selection follows the system paper (Masci et al. 2019), 3.5.1 and 3.5.2: a border of two arcminutes for pointing errors;
12 <= G <= 18 for astrometry; for photometry stable stars with repeatable magnitudes in all bands and no neighbour close
by. The paper gives no numbers for the latter; the defaults in the configuration have their own sources.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.sky.projection import gnomonic, gnomonic_inverse
from ztfpipe.model.skycatalogs import Cone, GaiaStars, PlaneBox, Ps1Objects

Floats = NDArray[np.float64]


def quadrant_box(
    field_ra_deg: float,
    field_dec_deg: float,
    east_deg: float,
    north_deg: float,
    *,
    shape: tuple[int, int],
    pixel_scale_arcsec: float,
    border_arcmin: float,
) -> PlaneBox:
    """Footprint of a quadrant with a border, in the plane tangent at its field's centre.

    east_deg, north_deg: place of the quadrant's centre in that plane. shape: rows (north-south), columns (east-west).
    """
    ny, nx = shape
    half_east = 0.5 * nx * pixel_scale_arcsec / 3600 + border_arcmin / 60
    half_north = 0.5 * ny * pixel_scale_arcsec / 3600 + border_arcmin / 60
    return PlaneBox(
        field_ra_deg,
        field_dec_deg,
        (east_deg - half_east, east_deg + half_east),
        (north_deg - half_north, north_deg + half_north),
    )


def in_box(box: PlaneBox, ra_deg: Floats, dec_deg: Floats) -> NDArray[np.bool_]:
    """Which positions lie in the box; those 90 degrees or more from its tangent point, or not finite, do not."""
    east, north = gnomonic(ra_deg, dec_deg, box.ra_deg, box.dec_deg)
    inside_east = (east >= box.east_deg[0]) & (east <= box.east_deg[1])
    return inside_east & (north >= box.north_deg[0]) & (north <= box.north_deg[1])


def enclosing_cone(box: PlaneBox) -> Cone:
    """A cone around all of the box: what to ask a catalog for."""
    east, north = np.meshgrid(box.east_deg, box.north_deg)
    ra, dec = gnomonic_inverse(east.ravel(), north.ravel(), box.ra_deg, box.dec_deg)
    middle = gnomonic_inverse(np.mean(box.east_deg), np.mean(box.north_deg), box.ra_deg, box.dec_deg)
    centre = unit_vectors([middle[0]], [middle[1]])[0]
    # Great circles are straight in the plane, so the box is convex on the sphere: its corners are the farthest points.
    chord = np.linalg.norm(unit_vectors(ra, dec) - centre, axis=1).max()
    return Cone(float(middle[0]), float(middle[1]), float(np.degrees(2 * np.arcsin(chord / 2))) + 1e-6)


def astrometric_calibrators(
    stars: GaiaStars, *, g_mag_range: tuple[float, float], error_max_mas: float, ruwe_max: float
) -> NDArray[np.bool_]:
    """Which Gaia sources to solve against: in the range of G, with known motion, precise, and single.

    An unknown ruwe passes. Sources: system paper 3.5.1 (range of G); Lindegren et al. 2021, 4.1 (ruwe < 1.4: one star).
    """
    bright = (stars.g_mag >= g_mag_range[0]) & (stars.g_mag <= g_mag_range[1])
    moves = np.isfinite(stars.pmra_mas) & np.isfinite(stars.pmdec_mas)
    precise = np.maximum(stars.ra_error_mas, stars.dec_error_mas) <= error_max_mas
    return bright & moves & precise & ~(stars.ruwe > ruwe_max)


def photometric_calibrators(
    objects: Ps1Objects,
    *,
    bands: Sequence[str],
    mag_range: tuple[float, float],
    error_max_mag: float,
    detections_min: int,
    stable_floor_mag: float,
    stable_factor: float,
    star_score_min: float,
    isolation_arcsec: float,
    isolation_contrast_mag: float,
) -> NDArray[np.bool_]:
    """Which PS1 objects to calibrate against: measured, unsaturated, repeatable stars without neighbours.

    In every one of `bands` the magnitude must lie in mag_range (the bright end keeps saturated ones out), its error be
    at most error_max_mag, and the scatter of single epochs at most hypot(stable_floor, stable_factor sqrt(N) error),
    what N equal measurements of a constant star give, with a floor for the survey's systematics (N counts all bands,
    which is generous); an unknown scatter passes. A score below star_score_min or unknown fails, unless no object has
    one. Isolation: see `isolated`, in the first of `bands`, where an object not measured in it counts with its
    brightest magnitude.
    """
    good = objects.n_detections >= detections_min
    if np.isfinite(objects.star_score).any():
        good &= objects.star_score >= star_score_min
    expected = stable_factor * np.sqrt(np.maximum(objects.n_detections, 1))
    for band in bands:
        mag, error = objects.mag[band], objects.mag_error[band]
        good &= (mag >= mag_range[0]) & (mag <= mag_range[1]) & (error > 0) & (error <= error_max_mag)
        good &= ~(objects.mag_std[band] > np.hypot(stable_floor_mag, expected * error))
    every = np.stack(list(objects.mag.values()))
    brightest = np.min(np.where(np.isfinite(every), every, np.inf), axis=0)
    mag = np.where(np.isfinite(objects.mag[bands[0]]), objects.mag[bands[0]], brightest)
    return good & isolated(objects.ra_deg, objects.dec_deg, mag, isolation_arcsec, isolation_contrast_mag)


def isolated(
    ra_deg: Floats, dec_deg: Floats, mag: Floats, radius_arcsec: float, contrast_mag: float
) -> NDArray[np.bool_]:
    """Which objects have no neighbour within the radius that is brighter than themselves plus `contrast_mag`.

    Magnitudes of +inf neither disturb nor are disturbed.
    """
    alone = np.ones(len(mag), bool)
    rows = np.flatnonzero(np.isfinite(ra_deg) & np.isfinite(dec_deg) & np.isfinite(mag))
    if rows.size < 2:
        return alone
    tree = cKDTree(unit_vectors(ra_deg[rows], dec_deg[rows]))
    chord = 2 * np.sin(np.radians(radius_arcsec / 3600) / 2)
    pairs = rows[tree.query_pairs(chord, output_type="ndarray")]
    first, second = pairs[:, 0], pairs[:, 1]
    alone[first[mag[second] < mag[first] + contrast_mag]] = False
    alone[second[mag[first] < mag[second] + contrast_mag]] = False
    return alone


def johnson_v(bt_mag: Floats, vt_mag: Floats) -> Floats:
    """Johnson V of Tycho magnitudes: V = VT - 0.090 (BT - VT) (ESA 1997, SP-1200 vol. 1, eq. 1.3.20).

    Where one is missing, the other stands for V.
    """
    v_mag = vt_mag - 0.090 * (bt_mag - vt_mag)
    return np.where(np.isfinite(v_mag), v_mag, np.where(np.isfinite(vt_mag), vt_mag, bt_mag))
