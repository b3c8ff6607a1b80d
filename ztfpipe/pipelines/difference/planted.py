"""Sources planted into a quadrant and looked for in its difference: how well it works, on its own pixels.

The difference is made a second time, by the very recipe of the first, from the science image with sources of known flux
in it; nothing of the first is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ztfpipe.camera import Camera
from ztfpipe.config import Difference as Settings
from ztfpipe.config import Planted
from ztfpipe.errors import Unusable
from ztfpipe.methods.difference import planting
from ztfpipe.methods.difference.alignment import measure_anew
from ztfpipe.methods.difference.efficiency import chance, fit_logistic, pull
from ztfpipe.methods.difference.planting import Sources
from ztfpipe.methods.difference.preparation import CatalogStars
from ztfpipe.methods.sky.background import estimate
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.model.difference import Candidates, Difference, DifferenceProducts, Stored, Streaks
from ztfpipe.model.planted import PLANTED_COLUMNS, Efficiency, Lines, Points, Recovered
from ztfpipe.model.stars import PsfModel
from ztfpipe.pipelines.difference.recipe import make_difference, stars_of

Floats = NDArray[np.float64]
_MEGAPIXEL = 1e6
_LIMIT_SIGMA = 5.0
_HOST_SNR = (20.0, 200.0)
"""Flux over uncertainty in the reference of sources that are planted on."""
_CLEAR_FWHM = 4.0
_ALONG_PX, _ACROSS_PX = 10.0, 6.0
"""How far the middle of a streak may lie beyond the ends of a planted one, and off its line."""
_BIN_MAG = 0.25


def plant_and_recover(
    science: Stored,
    reference: Stored,
    camera: Camera,
    settings: Settings,
    planted: Planted,
    *,
    known: Sources,
    limit_mag: float,
    rng: np.random.Generator,
) -> Recovered:
    """Plant points and streaks into the science image, make the difference, and tell which of them it holds.

    known: candidates of the difference without them, which are kept away from and not counted; limit_mag: its 5-sigma
    limit, about which magnitudes are drawn. Never raises Unusable: STATUS and notes say it, with zero rows.
    """
    try:
        if science.status != 1 or reference.status != 1 or not np.isfinite(limit_mag):
            raise Unusable("planting", "the difference of the quadrant has STATUS 0")
        psf, points, lines = _choose(science, reference, camera, settings, planted, known, limit_mag, rng)
        light = planting.light_of(points, lines, psf)
        light = planting.with_photon_noise(light, science.gain_e_per_adu, rng)
        made = make_difference(replace(science, image_adu=science.image_adu + light), reference, camera, settings)
        if made.status != 1:
            raise Unusable("planting", f"the difference with planted sources has STATUS 0: {'; '.join(made.notes)}")
    except Unusable as reason:
        return Recovered(_table(()), {"nplanted": 0}, 0, (str(reason),))
    return _recovered(
        made, points, lines, science.zero_point_mag, settings.candidate_scorr_min, planted.match_px, known
    )


def efficiencies(tables: Iterable[tuple[str, Mapping[str, NDArray]]]) -> tuple[Efficiency, ...]:
    """Efficiency of point sources against magnitude by filter, off and on hosts; tables: (filter, PLANTED_COLUMNS).

    Quadrants without rows count for nothing.
    """
    tables = [(code, table) for code, table in tables if len(table["mag"])]
    curves = []
    for code in sorted({code for code, _ in tables}):
        mine = [table for other, table in tables if other == code]
        joined = {name: np.concatenate([table[name] for table in mine]) for name in mine[0]}
        for hosted in (False, True):
            chosen = ~joined["streak"] & (joined["hosted"] == hosted)
            if chosen.any():
                part = {name: joined[name][chosen] for name in ("mag", "found", "expected")}
                curves.append(_efficiency(code, hosted, len(mine), **part))
    return tuple(curves)


def _efficiency(code: str, hosted: bool, quadrants: int, mag: Floats, found: NDArray, expected: Floats) -> Efficiency:
    first = np.floor(mag.min() / _BIN_MAG)
    index = (np.floor(mag / _BIN_MAG) - first).astype(int)
    count = index.max() + 1

    def counted(weights: NDArray) -> NDArray:
        return np.bincount(index, weights=weights.astype(float), minlength=count)

    numbers = [tuple(int(v) for v in counted(w)) for w in (np.ones(len(mag)), found)]
    middles = tuple(float(v) for v in (first + 0.5 + np.arange(count)) * _BIN_MAG)
    likely = tuple(float(v) for v in counted(expected))
    return Efficiency(
        code, hosted, quadrants, middles, *numbers, likely, pull(found, expected), fit_logistic(mag, found)
    )


def _choose(
    science: Stored, reference: Stored, camera: Camera, settings: Settings, planted: Planted, known: Sources,
    limit_mag: float, rng: np.random.Generator,
) -> tuple[PsfModel, Points, Lines]:  # fmt: skip
    """The PSF of the science image, and what to plant."""
    unusable = ((science.mask & np.uint16(camera.defect_mask)) != 0) | ~np.isfinite(science.image_adu)
    sky = estimate(
        science.image_adu, unusable, mesh_px=min(settings.background_mesh_px, min(camera.quadrant_shape) // 8)
    )
    catalog = stars_of(science, science.catalog.x_px, science.catalog.y_px)
    if not len(science.catalog):
        raise Unusable("planting", "the science image has no stars")
    psf, _ = measure_anew(
        science.image_adu - sky.level, np.where(unusable, np.float32(0), 1 / np.square(sky.noise)), catalog,
        gain_e_per_adu=science.gain_e_per_adu, fwhm_px=science.seeing_px, radius_px=settings.psf_radius_px,
    )  # fmt: skip
    x, y = sky_to_pixel(science.wcs, reference.catalog.ra_deg, reference.catalog.dec_deg)
    others = stars_of(reference, x, y)
    megapixels = science.image_adu.size / _MEGAPIXEL
    limit_adu = 10 ** (-0.4 * (limit_mag - science.zero_point_mag))
    lines = planting.choose_lines(
        rng, unusable, int(np.ceil(planted.streaks_per_megapixel * megapixels)), psf=psf,
        point_sigma_adu=limit_adu / _LIMIT_SIGMA, length_px=planted.streak_length_px, snr=planted.streak_snr,
    )  # fmt: skip
    along = planting.line_points(lines)
    points = planting.choose_points(
        rng, unusable, int(np.ceil(planted.points_per_megapixel * megapixels)),
        hosts=_hosts(others, reference.catalog.sharp),
        lit=Sources(np.concatenate([catalog.x_px, others.x_px]), np.concatenate([catalog.y_px, others.y_px])),
        taken=Sources(np.concatenate([known.x_px, along.x_px]), np.concatenate([known.y_px, along.y_px])),
        hosted_fraction=planted.hosted_fraction, host_offset_px=planted.host_offset_px, apart_px=planted.apart_px,
        clear_px=_CLEAR_FWHM * science.seeing_px,
        flux_range_adu=(limit_adu * 10 ** (-0.4 * planted.fainter_mag), limit_adu * 10 ** (0.4 * planted.brighter_mag)),
    )  # fmt: skip
    if not len(points):
        raise Unusable("planting", "there is no place for a source")
    return psf, points, lines


def _hosts(stars: CatalogStars, sharp: NDArray) -> Sources:
    """Sources of the reference to plant on, the most extended ones first."""
    snr = stars.flux_adu / stars.sigma_flux_adu
    chosen = np.flatnonzero(stars.clean & (snr > _HOST_SNR[0]) & (snr < _HOST_SNR[1]) & np.isfinite(sharp))
    chosen = chosen[np.argsort(-sharp[chosen], kind="stable")]
    return Sources(stars.x_px[chosen], stars.y_px[chosen])


def _recovered(
    made: DifferenceProducts, points: Points, lines: Lines, zero_point_mag: float, threshold: float, match_px: float,
    known: Sources,
) -> Recovered:  # fmt: skip
    """Which of the planted sources the difference holds, and what else is new in it."""
    difference, candidates = made.difference, made.candidates
    # Masks may differ by a pixel from those known before.
    clear = ~difference.bad[_pixels(points)]
    points = Points(*(getattr(points, name)[clear] for name in ("x_px", "y_px", "flux_adu", "hosted")))
    snr = points.flux_adu / _noise(difference, points)
    expected = chance(snr, threshold)
    which, found = _match(points, candidates, match_px)
    count = len(points)
    none = np.full(count, np.nan)
    place = (points.x_px + 1, points.y_px + 1, none, none)
    measured = _picked(which, found, candidates.scorr, candidates.flux_adu, candidates.sigma_flux_adu)
    mag = zero_point_mag - 2.5 * np.log10(points.flux_adu)
    rows = (np.zeros(count), points.hosted, *place, points.flux_adu, mag, snr, expected, found, *measured)
    streaks = _streak_rows(lines, made.streaks, zero_point_mag)
    table = _table([np.concatenate(pair) for pair in zip(rows, streaks, strict=True)])
    off = ~points.hosted
    fit = fit_logistic(mag[off], found[off])
    metrics = {
        "nplanted": count,
        "nfound": int(found.sum()),
        "nexpected": float(expected.sum()),
        "pull": pull(found, expected),
        "half_mag": fit.half_mag,
        "half_error_mag": fit.half_error_mag,
        "plateau": fit.plateau,
        "nstreaksplanted": len(lines),
        "nstreaksfound": int(streaks[10].sum()),
        "nothers": _others(candidates, points, lines, known),
        "diffmaglim": made.metrics.get("diffmaglim"),
    }
    return Recovered(table, metrics, 1, made.notes)


def _pixels(points: Points) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.rint(points.y_px).astype(np.int64), np.rint(points.x_px).astype(np.int64)


def _noise(difference: Difference, points: Points) -> Floats:
    """Noise of a point source's flux at places [DN], that of registration and of bright sources included.

    S_corr is flux over all noise, flux_sigma_adu has that of pixels alone: the first where flux is well above nought.
    """
    at = _pixels(points)
    pixels = difference.flux_sigma_adu[at].astype(np.float64)
    flux, scorr = difference.flux_adu[at].astype(np.float64), difference.scorr[at].astype(np.float64)
    sure = np.abs(scorr) > 0.5
    return np.where(sure, np.maximum(flux / np.where(sure, scorr, 1.0), pixels), pixels)


def _match(points: Points, candidates: Candidates, match_px: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The nearest positive candidate of each point, and whether there is one within match_px."""
    bright = np.flatnonzero(candidates.positive)
    if not len(bright) or not len(points):
        return np.zeros(len(points), np.int64), np.zeros(len(points), np.bool_)
    tree = cKDTree(np.stack([candidates.x_px[bright], candidates.y_px[bright]], 1))
    distance, nearest = tree.query(np.stack([points.x_px, points.y_px], 1))
    return bright[nearest], distance < match_px


def _picked(which: NDArray, found: NDArray, *columns: Floats) -> list[Floats]:
    """Values of what was found, NaN elsewhere."""
    if not found.any():
        return [np.full(len(found), np.nan) for _ in columns]
    return [np.where(found, values[which], np.nan) for values in columns]


def _streak_rows(lines: Lines, streaks: Streaks | None, zero_point_mag: float) -> tuple[NDArray, ...]:
    """Columns of the table for streaks."""
    count = len(lines)
    none = np.full(count, np.nan)
    which, found = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    if streaks is not None and len(streaks):
        x, y = (streaks.x0_px + streaks.x1_px) / 2, (streaks.y0_px + streaks.y1_px) / 2
        for k, length in enumerate(lines.length_px):
            ux, uy = (lines.x1_px[k] - lines.x0_px[k]) / length, (lines.y1_px[k] - lines.y0_px[k]) / length
            dx, dy = x - lines.x0_px[k], y - lines.y0_px[k]
            along, across = dx * ux + dy * uy, np.abs(dy * ux - dx * uy)
            near = (along > -_ALONG_PX) & (along < length + _ALONG_PX) & (across < _ACROSS_PX)
            found[k] = near.any()
            which[k] = np.flatnonzero(near)[0] if found[k] else 0
    columns = (streaks.snr, streaks.flux_adu, streaks.sigma_flux_adu) if found.any() else (none, none, none)
    place = (lines.x0_px + 1, lines.y0_px + 1, lines.x1_px + 1, lines.y1_px + 1)
    mag = zero_point_mag - 2.5 * np.log10(lines.flux_adu)
    measured = _picked(which, found, *columns)
    return (np.ones(count), np.zeros(count), *place, lines.flux_adu, mag, lines.snr, none, found, *measured)


def _others(candidates: Candidates, points: Points, lines: Lines, known: Sources) -> int:
    """Candidates that are neither planted nor were there before."""
    along = planting.line_points(lines)
    x = np.concatenate([points.x_px, along.x_px, known.x_px])
    y = np.concatenate([points.y_px, along.y_px, known.y_px])
    if not len(candidates):
        return 0
    distance, _ = cKDTree(np.stack([x, y], 1)).query(np.stack([candidates.x_px, candidates.y_px], 1))
    return int(np.count_nonzero(distance > _ALONG_PX))


def _table(columns: Iterable[NDArray]) -> dict[str, NDArray]:
    """PLANTED_COLUMNS by name, in their types; zero rows without columns."""
    columns = tuple(columns) or tuple(np.zeros(0) for _ in PLANTED_COLUMNS)
    return {one.name: np.asarray(v).astype(one.dtype) for one, v in zip(PLANTED_COLUMNS, columns, strict=True)}
