"""Neighbours of candidates: the nearest source of the reference, of PS1 and of Gaia, as alert packets tell them.

All distances are on the sphere. Radii are the packets' own: 30 arcsec for PS1, 90 for Gaia, none for the reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from ztfpipe.methods.sky.matching import move_to_epoch, unit_vectors
from ztfpipe.model.candidates import N_PS1, NO_SCORE, NONE_NEAR
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.columns import PS1_BANDS
from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects

Floats = NDArray[np.float64]
Columns = dict[str, NDArray]
PS1_RADIUS_ARCSEC, GAIA_RADIUS_ARCSEC = 30.0, 90.0
GAIA_BRIGHT_MAG = 14.0


def nearest_in_reference(
    ra_deg: ArrayLike, dec_deg: ArrayLike, catalog: PsfCatalog, *, zero_point_mag: float, pixel_scale_arcsec: float
) -> Columns:
    """distnr [px], magnr, sigmagnr, chinr, sharpnr, ranr, decnr of the nearest source, each (n,).

    zero_point_mag: of the catalog. distnr is the distance on the sky over the pixel scale: in 18 public packets that is
    theirs within 0.01 px. All are -999 when the catalog is empty.
    """
    distance, row = nearest(ra_deg, dec_deg, catalog.ra_deg, catalog.dec_deg)
    values = {
        "magnr": catalog.mag + zero_point_mag, "sigmagnr": catalog.mag_error, "chinr": catalog.chi,
        "sharpnr": catalog.sharp, "ranr": catalog.ra_deg, "decnr": catalog.dec_deg,
    }  # fmt: skip
    there = row[:, 0] >= 0
    taken = {name: _taken(value, row[:, 0], there) for name, value in values.items()}
    return {"distnr": np.where(there, distance[:, 0] / pixel_scale_arcsec, NONE_NEAR), **taken}


def nearest_in_ps1(ra_deg: ArrayLike, dec_deg: ArrayLike, ps1: Ps1Objects | None) -> Columns:
    """The three nearest PS1 objects within 30 arcsec: objectidpsK, sgmagK to szmagK, sgscoreK, distpsnrK; nmtchps.

    -999 for a neighbour or magnitude that is not there; score 0.5 where the survey gives none. Without a catalog there
    are no neighbours.
    """
    n = len(np.atleast_1d(ra_deg))
    if ps1 is None:
        distance, row, count = np.full((n, N_PS1), np.inf), np.full((n, N_PS1), -1), np.zeros(n, np.int64)
    else:
        distance, row = nearest(ra_deg, dec_deg, ps1.ra_deg, ps1.dec_deg, N_PS1, PS1_RADIUS_ARCSEC)
        count = number_within(ra_deg, dec_deg, ps1.ra_deg, ps1.dec_deg, PS1_RADIUS_ARCSEC)
    out: Columns = {}
    for k in range(N_PS1):
        which, there = row[:, k], row[:, k] >= 0
        identifier = np.full(n, int(NONE_NEAR), np.int64)
        if there.any():
            identifier[there] = ps1.objid[which[there]]
        out[f"objectidps{k + 1}"] = identifier
        for band in PS1_BANDS:
            mag = _taken(ps1.mag[band] if ps1 else np.empty(0), which, there)
            out[f"s{band}mag{k + 1}"] = np.where(np.isfinite(mag), mag, NONE_NEAR)
        score = _taken(ps1.star_score if ps1 else np.empty(0), which, there)
        out[f"sgscore{k + 1}"] = np.where(np.isfinite(score), score, NO_SCORE)
        out[f"distpsnr{k + 1}"] = np.where(there, distance[:, k], NONE_NEAR)
    return {**out, "nmtchps": count}


def nearest_in_gaia(ra_deg: ArrayLike, dec_deg: ArrayLike, gaia: GaiaStars | None, *, epoch_year: float) -> Columns:
    """neargaia [arcsec] and maggaia of the nearest Gaia source within 90 arcsec; neargaiabright and maggaiabright of
    those brighter than 14.

    Stars are where they were at `epoch_year`; -999 where there is none, or no catalog.
    """
    out: Columns = {}
    for suffix, faintest in (("", np.inf), ("bright", GAIA_BRIGHT_MAG)):
        n = len(np.atleast_1d(ra_deg))
        distance, mag = np.full(n, NONE_NEAR), np.full(n, NONE_NEAR)
        if gaia is not None:
            stars = gaia if np.isinf(faintest) else gaia.select(gaia.g_mag < faintest)
            there = move_to_epoch(
                stars.ra_deg, stars.dec_deg, stars.pmra_mas, stars.pmdec_mas, epoch_year - gaia.epoch_year
            )
            far, row = nearest(ra_deg, dec_deg, *there, 1, GAIA_RADIUS_ARCSEC)
            found = row[:, 0] >= 0
            distance, mag = np.where(found, far[:, 0], NONE_NEAR), _taken(stars.g_mag, row[:, 0], found)
        out[f"neargaia{suffix}"], out[f"maggaia{suffix}"] = distance, np.where(np.isfinite(mag), mag, NONE_NEAR)
    return out


def nearest(
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
    other_ra_deg: ArrayLike,
    other_dec_deg: ArrayLike,
    count: int = 1,
    radius_arcsec: float = np.inf,
) -> tuple[Floats, NDArray[np.int64]]:
    """Distances [arcsec] to and rows of the `count` nearest others, (n, count), nearest first; inf and -1 beyond."""
    points, others = unit_vectors(ra_deg, dec_deg), unit_vectors(other_ra_deg, other_dec_deg)
    known = np.flatnonzero(np.isfinite(others).all(axis=1))
    distance, row = np.full((len(points), count), np.inf), np.full((len(points), count), -1, np.int64)
    if not len(points) or not len(known):
        return distance, row
    chord, index = KDTree(others[known]).query(points, range(1, count + 1), distance_upper_bound=_chord(radius_arcsec))
    found = np.isfinite(chord)
    distance[found] = np.degrees(2.0 * np.arcsin(np.minimum(chord[found] / 2.0, 1.0))) * 3600.0
    row[found] = known[index[found]]
    return distance, row


def number_within(
    ra_deg: ArrayLike, dec_deg: ArrayLike, other_ra_deg: ArrayLike, other_dec_deg: ArrayLike, radius_arcsec: float
) -> NDArray[np.int64]:
    """How many others lie within a radius of each place, (n,)."""
    points, others = unit_vectors(ra_deg, dec_deg), unit_vectors(other_ra_deg, other_dec_deg)
    others = others[np.isfinite(others).all(axis=1)]
    if not len(points) or not len(others):
        return np.zeros(len(points), np.int64)
    return KDTree(others).query_ball_point(points, _chord(radius_arcsec), return_length=True).astype(np.int64)


def _chord(radius_arcsec: float) -> float:
    """Straight distance of unit vectors; infinite for radii beyond the sphere."""
    return 2.0 * np.sin(np.radians(radius_arcsec / 3600.0) / 2.0) if radius_arcsec < 180 * 3600 else np.inf


def _taken(values: NDArray, row: NDArray[np.int64], there: NDArray[np.bool_]) -> Floats:
    """Values of rows, -999 where there is none."""
    out = np.full(len(row), NONE_NEAR)
    out[there] = values[row[there]]
    return out
