"""Astrometric solution of a quadrant against a reference catalog, in two passes (system paper 3.5.1).

Pass one finds pointing, rotation and scale from the commanded pointing and a distortion prior (pattern.py, then an
affine fit). Pass two fits a fourth-order TPV distortion, robustly. Nothing is raised for a field that cannot be
solved: `Solution` says so, and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ztfpipe.methods.sky import projection
from ztfpipe.methods.sky.matching import match_plane
from ztfpipe.methods.sky.pattern import Pattern, find_pattern
from ztfpipe.methods.sky.tpv_fit import TpvFit, affine_moved, fit_tpv, recentred
from ztfpipe.methods.statistics import MAD_TO_SIGMA
from ztfpipe.model.wcs import TpvWcs

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
ARCSEC = projection.ARCSEC_PER_DEG

DEEPER, FEWEST_VOTERS = 1.5, 400
"""Detections that vote in the pattern match for each reference in the image (some references are saturated or masked),
and so few that they never drown a pattern."""


@dataclass(frozen=True)
class Detections:
    """Stars of the image: zero-based positions and their 1-sigma errors per axis [px], fluxes (any unit)."""

    x_px: Floats
    y_px: Floats
    error_px: Floats
    flux: Floats


@dataclass(frozen=True)
class References:
    """Catalog stars at the epoch of the exposure: ICRS positions [deg], errors per axis [mas], magnitudes."""

    ra_deg: Floats
    dec_deg: Floats
    error_mas: Floats
    mag: Floats


@dataclass(frozen=True)
class Solution:
    """What the two passes found.

    solved: False leaves `wcs` at the prior and `reason` says why. detection, reference: rows of the matched pairs;
    used: those that took part in the final fit; residual_arcsec: (2, n) solution minus catalog along xi and eta.
    pattern: the vote; first_pass: the WCS after pattern match and affine fit; fit: the last fit with its covariance.
    """

    solved: bool
    reason: str
    wcs: TpvWcs
    prior: TpvWcs
    detection: Indices
    reference: Indices
    used: NDArray[np.bool_]
    residual_arcsec: Floats
    sigma_arcsec: Floats
    pattern: Pattern
    first_pass: TpvWcs
    fit: TpvFit | None


def solve(
    detections: Detections,
    references: References,
    prior: TpvWcs,
    shape: tuple[int, int],
    *,
    max_offset_arcsec: float = 180.0,
    max_rotation_deg: float = 0.5,
    bright_count: int = 1000,
    max_log10_chance: float = -6.0,
    floor_mas: float = 25.0,
    match_radius_arcsec: float = 1.0,
    isolation_arcsec: float = 4.0,
    clip_sigma: float = 3.5,
    min_matches: int = 12,
) -> Solution:
    """Solve a quadrant of `shape` (rows, columns) from a prior WCS that carries the commanded pointing.

    floor_mas: turbulence per axis that no polynomial takes out, added to every error. bright_count: detections that
    vote in the pattern match. References with a neighbour of comparable light within isolation_arcsec are not fitted.
    """
    seen = np.flatnonzero(np.isfinite(detections.x_px + detections.y_px) & (detections.flux > 0))
    pattern, moved = _first_guess(
        detections, references, prior, shape, seen, max_offset_arcsec, max_rotation_deg, bright_count
    )
    if pattern.log10_chance > max_log10_chance:
        return _unsolved(prior, pattern, f"no pattern: {pattern.votes:.0f} agree, {pattern.expected:.1f} by chance")
    alone = _isolated(references, isolation_arcsec)
    brightest = _brightest(detections, seen, 2 * bright_count)
    # From the width of a vote to that of a seeing disc; the affine rounds end the first pass.
    rounds = ((9.0, 1, brightest), (4.0, 1, brightest), (2.5, 3, brightest), *2 * ((match_radius_arcsec, 4, seen),))
    start = replace(_unsolved(prior, pattern, ""), wcs=moved)
    return _fitted(
        start, detections, references, shape, rounds, alone=alone, floor_mas=floor_mas, clip_sigma=clip_sigma,
        min_matches=min_matches,
    )  # fmt: skip


def refine(
    start: Solution,
    detections: Detections,
    references: References,
    shape: tuple[int, int],
    *,
    floor_mas: float = 25.0,
    match_radius_arcsec: float = 1.0,
    isolation_arcsec: float = 4.0,
    clip_sigma: float = 3.5,
    min_matches: int = 12,
) -> Solution:
    """Fit the distortion of a solved quadrant again to other positions of its stars, better ones: those of a PSF fit.

    The arguments are those of `solve`. The result keeps the pattern and the first pass of `start`; it is `start` itself
    when too few of the new positions match.
    """
    seen = np.flatnonzero(np.isfinite(detections.x_px + detections.y_px) & (detections.flux > 0))
    again = _fitted(
        start, detections, references, shape, 2 * ((match_radius_arcsec, 4, seen),),
        alone=_isolated(references, isolation_arcsec), floor_mas=floor_mas, clip_sigma=clip_sigma,
        min_matches=min_matches,
    )  # fmt: skip
    return replace(again, first_pass=start.first_pass) if again.solved else start


def _fitted(
    start: Solution,
    detections: Detections,
    references: References,
    shape: tuple[int, int],
    rounds: Sequence[tuple[float, int, Indices]],
    *,
    alone: NDArray[np.bool_],
    floor_mas: float,
    clip_sigma: float,
    min_matches: int,
) -> Solution:
    """Match and fit in rounds of (radius [arcsec], degree, rows of the detections), each from the WCS of the last."""
    first_pass, wcs, fit = start.wcs, start.wcs, None
    for radius, degree, rows in rounds:
        pairs = _pairs(detections, references, wcs, rows, radius, alone)
        sigma = _sigma_arcsec(detections, references, wcs, shape, *pairs, floor_mas)
        if pairs[0].size < min_matches:
            few = f"{pairs[0].size} matches within {radius} arcsec of {min_matches}"
            return _unsolved(start.prior, start.pattern, few)
        fit = fit_tpv(
            detections.x_px[pairs[0]], detections.y_px[pairs[0]], references.ra_deg[pairs[1]],
            references.dec_deg[pairs[1]], sigma, wcs, shape, max_degree=degree, clip_sigma=clip_sigma,
        )  # fmt: skip
        wcs = fit.wcs
        if degree == 1:
            first_pass = wcs
    if fit.used.sum() < min_matches:
        left = f"{fit.used.sum()} matches left of {min_matches} after clipping"
        return _unsolved(start.prior, start.pattern, left)
    final = recentred(wcs, shape)
    return Solution(
        True, "", final, start.prior, *pairs, fit.used, _residuals(detections, references, final, *pairs), sigma,
        start.pattern, recentred(first_pass, shape), replace(fit, wcs=final),
    )  # fmt: skip


def _first_guess(
    detections: Detections,
    references: References,
    prior: TpvWcs,
    shape: tuple[int, int],
    seen: Indices,
    max_offset_arcsec: float,
    max_rotation_deg: float,
    bright_count: int,
) -> tuple[Pattern, TpvWcs]:
    """The vote, and the prior moved by it."""
    det = _brightest(detections, seen, bright_count)
    centre = projection.pixel_to_plane(prior, (shape[1] - 1) / 2, (shape[0] - 1) / 2)
    det_plane = np.array(projection.pixel_to_plane(prior, detections.x_px[det], detections.y_px[det]))
    ref_plane = np.array(projection.gnomonic(references.ra_deg, references.dec_deg, *prior.crval_deg))
    det_offset = (det_plane - np.reshape(centre, (2, 1))) * ARCSEC
    ref_offset = (ref_plane - np.reshape(centre, (2, 1))) * ARCSEC
    reach = np.abs(det_offset).max(axis=1, initial=0.0) + 1.5 * max_offset_arcsec
    near = np.flatnonzero((np.abs(ref_offset) <= reach[:, None]).all(axis=0))
    # The catalog covers more sky than the image: as many stars per area, and a few for those not detected.
    area_ratio = np.prod(2 * reach) / max(shape[0] * shape[1] * abs(np.linalg.det(prior.cd_deg)) * ARCSEC**2, 1.0)
    bright = near[np.argsort(references.mag[near], kind="stable")[: int(1.3 * bright_count * area_ratio)]]
    # A deep exposure of little sky shows more stars than the catalog has there: the faint ones agree by chance only.
    det_offset = det_offset[:, : max(int(DEEPER * bright.size / area_ratio), FEWEST_VOTERS)]
    pattern = find_pattern(
        det_offset[0], det_offset[1], ref_offset[0, bright], ref_offset[1, bright],
        max_offset_arcsec=max_offset_arcsec, max_rotation_deg=max_rotation_deg,
    )  # fmt: skip
    angle = np.radians(pattern.rotation_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.array(centre) - turn @ np.array(centre) + np.array(pattern.offset_arcsec) / ARCSEC
    return pattern, recentred(affine_moved(prior, turn, shift), shape)


def _brightest(detections: Detections, rows: Indices, count: int) -> Indices:
    return rows[np.argsort(-detections.flux[rows], kind="stable")[:count]]


def _isolated(references: References, radius_arcsec: float) -> NDArray[np.bool_]:
    """References without a neighbour brighter than two magnitudes below their own within the radius."""
    vectors = np.column_stack(
        projection.gnomonic(references.ra_deg, references.dec_deg, *_middle(references.ra_deg, references.dec_deg))
    )
    inside = np.isfinite(vectors).all(axis=1)
    alone = np.zeros(references.mag.size, np.bool_)
    rows = np.flatnonzero(inside)
    alone[rows] = True
    if rows.size > 1:
        close = KDTree(vectors[rows]).query_pairs(radius_arcsec / ARCSEC, output_type="ndarray")
        first, second = rows[close[:, 0]], rows[close[:, 1]]
        alone[first[references.mag[second] < references.mag[first] + 2.0]] = False
        alone[second[references.mag[first] < references.mag[second] + 2.0]] = False
    return alone


def _middle(ra_deg: Floats, dec_deg: Floats) -> tuple[float, float]:
    """Mean direction [deg] of positions."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    x, y, z = np.mean([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    return float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def _pairs(
    detections: Detections,
    references: References,
    wcs: TpvWcs,
    seen: Indices,
    radius_arcsec: float,
    alone: NDArray[np.bool_],
) -> tuple[Indices, Indices]:
    """Rows of detections and isolated references that lie within the radius and agree in brightness."""
    det_plane = projection.pixel_to_plane(wcs, detections.x_px[seen], detections.y_px[seen])
    ref_plane = projection.gnomonic(references.ra_deg, references.dec_deg, *wcs.crval_deg)
    pairs = match_plane(*det_plane, *ref_plane, radius_arcsec / ARCSEC)
    det, ref = seen[pairs.first], pairs.second
    keep = alone[ref]
    if keep.any():
        zero_point = references.mag[ref] + 2.5 * np.log10(detections.flux[det])
        middle = np.median(zero_point[keep])
        scatter = MAD_TO_SIGMA * np.median(np.abs(zero_point[keep] - middle))
        # Colours spread the difference of bands by half a magnitude; chance pairs by several.
        keep &= np.abs(zero_point - middle) < max(1.0, 4.0 * scatter)
    return det[keep], ref[keep]


def _sigma_arcsec(
    detections: Detections,
    references: References,
    wcs: TpvWcs,
    shape: tuple[int, int],
    det: Indices,
    ref: Indices,
    floor_mas: float,
) -> Floats:
    """Error per axis of each pair: centroid, catalog and turbulence [arcsec]."""
    scale = float(projection.pixel_scale_arcsec(wcs, (shape[1] - 1) / 2, (shape[0] - 1) / 2))
    centroid = np.nan_to_num(detections.error_px[det], nan=1.0, posinf=1.0) * scale
    return np.sqrt(centroid**2 + (references.error_mas[ref] / 1e3) ** 2 + (floor_mas / 1e3) ** 2)


def _residuals(detections: Detections, references: References, wcs: TpvWcs, det: Indices, ref: Indices) -> Floats:
    """(2, n) [arcsec]: position by the WCS minus catalog position, along xi and eta."""
    ours = np.array(projection.pixel_to_plane(wcs, detections.x_px[det], detections.y_px[det]))
    theirs = np.array(projection.gnomonic(references.ra_deg[ref], references.dec_deg[ref], *wcs.crval_deg))
    return (ours - theirs) * ARCSEC


def _unsolved(prior: TpvWcs, pattern: Pattern, reason: str) -> Solution:
    none = np.empty(0, np.int64)
    return Solution(
        False,
        reason,
        prior,
        prior,
        none,
        none,
        np.empty(0, np.bool_),
        np.empty((2, 0)),
        np.empty(0),
        pattern,
        prior,
        None,
    )
