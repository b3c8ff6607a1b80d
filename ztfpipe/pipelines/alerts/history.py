"""What was seen before at the place of a candidate: earlier detections, upper limits, and how often one looked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ztfpipe.camera import Camera
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.sky.projection import gnomonic, sky_to_pixel
from ztfpipe.model.alerts import Floats
from ztfpipe.model.identifiers import FIRST_RAW
from ztfpipe.model.keys import FieldQuadrantKey
from ztfpipe.model.wcs import TpvWcs

_NEAR_DEG = 6.0
"""Farther from its field's centre nothing of the focal plane is."""


@dataclass(frozen=True)
class Past:
    """All that is known of some places, at any time.

    coverage: difference images, by rows of COVERAGE; wcs: their solutions, in the same order; detections: candidates,
    with at least candid, pid, ra, dec.
    """

    coverage: pd.DataFrame
    wcs: tuple[TpvWcs, ...]
    detections: pd.DataFrame


@dataclass(frozen=True)
class Seen:
    """What a candidate's place has seen.

    detections: rows of the detections, and limits: rows of the coverage, that make the history; ndethist, ncovhist,
    jdstarthist, jdendhist: as in packets, NaN where there is nothing.
    """

    detections: NDArray[np.int64]
    limits: NDArray[np.int64]
    ndethist: int
    ncovhist: int
    jdstarthist: float
    jdendhist: float


def places_at(ra_deg: Floats, dec_deg: Floats, camera: Camera, margin_deg: float) -> list[FieldQuadrantKey]:
    """The fields' quadrants whose nominal place, widened by a margin, holds any of these positions [deg]."""
    ny, nx = camera.quadrant_shape
    half_x, half_y = (0.5 * n * camera.pixel_scale_arcsec / 3600.0 + margin_deg for n in (nx, ny))
    centre = unit_vectors(ra_deg, dec_deg)
    found = set()
    for field in camera.fields.values():
        near = centre @ unit_vectors([field.ra_deg], [field.dec_deg])[0] > np.cos(np.radians(_NEAR_DEG))
        if not near.any():
            continue
        xi, eta = gnomonic(np.asarray(ra_deg)[near], np.asarray(dec_deg)[near], field.ra_deg, field.dec_deg)
        for one in camera.amplifiers.values():
            inside = (np.abs(xi - one.east_deg) <= half_x) & (np.abs(eta - one.north_deg) <= half_y)
            if inside.any():
                found.add(FieldQuadrantKey(field.field, one.ccdid, one.qid))
    return sorted(found)


def is_raw(candid: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether detections were below the threshold of candidates, by their identifiers."""
    return candid % 10**6 >= FIRST_RAW


def covered(past: Past, ra_deg: Floats, dec_deg: Floats) -> NDArray[np.bool_]:
    """Whether each usable difference image, (images, positions), has a position within its edges."""
    out = np.zeros((len(past.coverage), len(ra_deg)), bool)
    images = zip(past.coverage["status"], past.coverage["nx"], past.coverage["ny"], past.wcs, strict=True)
    for row, (status, nx, ny, wcs) in zip(out, images, strict=True):
        if status == 1:
            x, y = sky_to_pixel(wcs, ra_deg, dec_deg)
            row[:] = (x >= -0.5) & (x <= nx - 0.5) & (y >= -0.5) & (y <= ny - 0.5)
    return out


def near_any(found: pd.DataFrame, ra_deg: Floats, dec_deg: Floats, radius_arcsec: float) -> NDArray[np.bool_]:
    """Whether each detection lies near any of some positions [deg]."""
    if not len(found) or not len(ra_deg):
        return np.zeros(len(found), bool)
    distance, _ = KDTree(unit_vectors(ra_deg, dec_deg)).query(unit_vectors(found["ra"], found["dec"]))
    return distance <= _chord(radius_arcsec)


def look_back(
    past: Past,
    candidates: pd.DataFrame,
    *,
    jd: float,
    rcid: int,
    field: int,
    programs: Collection[int],
    radius_arcsec: float,
    days: float,
) -> list[Seen]:
    """What each candidate's place has seen before its own image, which began at `jd` on a channel and field.

    Raw detections are in the history and not in the counts. History is of the `days` before and of observing
    `programs`; counts go back to the start, are of all programs, and have the candidate's own image in them. Detections
    of images the coverage does not know are left out.
    """
    image = pd.Index(past.coverage["pid"]).get_indexer(past.detections["pid"])
    taken = past.coverage["jd"].to_numpy(np.float64)
    when = np.where(image >= 0, taken[image], np.inf) if len(taken) else np.full(len(image), np.inf)
    own = (past.coverage["rcid"] == rcid) & (past.coverage["field"] == field)
    same = (image >= 0) & own.to_numpy(bool)[image] if len(taken) else np.zeros(len(image), bool)
    same &= ~is_raw(past.detections["candid"].to_numpy(np.int64))
    looked = covered(past, candidates["ra"].to_numpy(), candidates["dec"].to_numpy())
    recent = (taken < jd) & (taken >= jd - days) & past.coverage["programid"].isin(programs).to_numpy(bool)
    out = []
    for k, rows in enumerate(_within(past.detections, candidates, radius_arcsec)):
        counted = when[rows[same[rows] & (when[rows] <= jd)]]
        detected = rows[image[rows] >= 0]
        detected = detected[recent[image[detected]]]
        empty = looked[:, k] & recent
        empty[image[detected]] = False
        out.append(
            Seen(
                detections=detected,
                limits=np.flatnonzero(empty),
                ndethist=len(counted),
                ncovhist=int(np.count_nonzero(looked[:, k] & (taken <= jd))),
                jdstarthist=float(counted.min()) if len(counted) else np.nan,
                jdendhist=float(counted.max()) if len(counted) else np.nan,
            )
        )
    return out


def _within(found: pd.DataFrame, candidates: pd.DataFrame, radius_arcsec: float) -> list[NDArray[np.int64]]:
    """Rows of detections near each candidate, in their order."""
    if not len(found):
        return [np.zeros(0, np.int64) for _ in range(len(candidates))]
    tree = KDTree(unit_vectors(found["ra"], found["dec"]))
    places = unit_vectors(candidates["ra"], candidates["dec"])
    rows = tree.query_ball_point(places, _chord(radius_arcsec), return_sorted=True)
    return [np.array(one, np.int64) for one in rows]


def _chord(angle_arcsec: float) -> float:
    return float(2.0 * np.sin(np.radians(angle_arcsec / 3600.0) / 2.0))
