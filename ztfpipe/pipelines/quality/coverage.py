"""How often each part of the sky was seen: maps of the usable quadrants of exposures, a filter each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.methods.sky.healpix import pixels_of
from ztfpipe.methods.sky.projection import gnomonic_inverse
from ztfpipe.model.coverage import SkyMap
from ztfpipe.model.keys import ExposureKey, QuadrantKey

SAMPLES_PER_PIXEL = 2.0
"""Points per side of a pixel at which a quadrant is looked at; where it holds a corner only, it may be missed."""


def sky_map(usable: Iterable[QuadrantKey], camera: Camera, order: int) -> SkyMap:
    """Exposures that have seen each HEALPix pixel with a usable quadrant, by filter.

    A pixel counts once an exposure. Exposures of no field of the grid are left out. Places are those commanded: the
    field's centre and the camera's layout, good to an arcminute, far within a pixel.
    """
    exposures: dict[ExposureKey, list[tuple[int, int]]] = defaultdict(list)
    for key in usable:
        if key.exposure.field in camera.fields:
            exposures[key.exposure].append((key.ccdid, key.qid))
    step_deg = float(np.degrees(np.sqrt(4 * np.pi / (12 * 4.0**order)))) / SAMPLES_PER_PIXEL
    offsets = {place: _points(camera, *place, step_deg) for place in camera.quadrants()}
    footprints: dict[tuple[int, tuple[tuple[int, int], ...]], NDArray[np.int64]] = {}
    seen: dict[str, list[NDArray[np.int64]]] = defaultdict(list)
    for exposure, places in exposures.items():
        which = exposure.field, tuple(sorted(places))
        if which not in footprints:
            centre = camera.field(exposure.field)
            east, north = np.concatenate([offsets[place] for place in which[1]], axis=1)
            ra, dec = gnomonic_inverse(east, north, centre.ra_deg, centre.dec_deg)
            footprints[which] = np.unique(pixels_of(order, ra, dec))
        seen[exposure.filter].append(footprints[which])
    return from_counts(order, {code: np.concatenate(pixels) for code, pixels in seen.items()})


def from_counts(order: int, seen: Mapping[str, NDArray[np.int64]]) -> SkyMap:
    """The map of pixels as often as they are listed."""
    pixels = np.unique(np.concatenate([*seen.values(), np.empty(0, np.int64)]))
    counts = {code: np.bincount(np.searchsorted(pixels, one), minlength=pixels.size) for code, one in seen.items()}
    return SkyMap(order, pixels, {code: one.astype(np.int32) for code, one in counts.items()})


def added(maps: Iterable[SkyMap], order: int) -> SkyMap:
    """The sum of maps of one resolution; those of another are left out."""
    maps = [one for one in maps if one.order == order]
    pixels = np.unique(np.concatenate([*(one.pixels for one in maps), np.empty(0, np.int64)]))
    counts: dict[str, NDArray[np.int32]] = {}
    for one in maps:
        for code, exposures in one.exposures.items():
            total = counts.setdefault(code, np.zeros(pixels.size, np.int32))
            total[np.searchsorted(pixels, one.pixels)] += exposures
    return SkyMap(order, pixels, counts)


def at(found: SkyMap, code: str, vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """Exposures in a filter in directions (ny, nx, 3): 0 where there is none, NaN where the vector is."""
    values = np.full(vectors.shape[:2], np.nan, np.float32)
    sky = np.isfinite(vectors[..., 0])
    x, y, z = vectors[sky].T
    pixels = pixels_of(found.order, np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y))))
    place = np.minimum(np.searchsorted(found.pixels, pixels), max(found.pixels.size - 1, 0))
    counts = found.exposures.get(code, np.zeros(found.pixels.size, np.int32))
    there = found.pixels[place] == pixels if found.pixels.size else np.zeros(pixels.size, bool)
    values[sky] = np.where(there, counts[place], 0) if found.pixels.size else 0
    return values


def _points(camera: Camera, ccdid: int, qid: int, step_deg: float) -> NDArray[np.float64]:
    """Points (2, n), east and north of the field's centre [deg], all over a quadrant and along its borders."""
    amplifier = camera.amplifier(ccdid, qid)
    ny, nx = camera.quadrant_shape
    half = [0.5 * size * camera.pixel_scale_arcsec / 3600 for size in (nx, ny)]
    along = [np.linspace(-one, one, max(2, int(np.ceil(2 * one / step_deg)) + 1)) for one in half]
    east, north = np.meshgrid(*along)
    return np.stack([amplifier.east_deg + east.ravel(), amplifier.north_deg + north.ravel()])
