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
    size = 12 * 4**order
    return _packed(order, {code: np.bincount(one, minlength=size).astype(np.int32) for code, one in seen.items()})


def added(maps: Iterable[SkyMap], order: int) -> SkyMap:
    """The sum of maps of one resolution, taken one at a time; those of another are left out."""
    counts: dict[str, NDArray[np.int32]] = {}
    for one in maps:
        if one.order == order:
            for code, exposures in one.exposures.items():
                counts.setdefault(code, np.zeros(12 * 4**order, np.int32))[one.pixels] += exposures
    return _packed(order, counts)


def _packed(order: int, counts: Mapping[str, NDArray[np.int32]]) -> SkyMap:
    """The pixels seen in any filter, of counts (12 x 4^order,) by filter."""
    seen = np.zeros(12 * 4**order, bool)
    for one in counts.values():
        seen |= one > 0
    pixels = np.flatnonzero(seen)
    return SkyMap(order, pixels, {code: one[pixels] for code, one in counts.items()})


def shown(found: SkyMap, code: str, pixels: NDArray[np.int64], order: int) -> NDArray[np.float32]:
    """Exposures in a filter for a picture whose places are the HEALPix `pixels` (ny, nx) of `order`, -1 beyond the sky.

    The mean over the parts of a pixel that were seen, so that gaps between detectors are no specks; 0 where less than a
    quarter was seen (unless nowhere more was), NaN beyond the sky.
    """
    values = np.full(pixels.shape, np.nan, np.float32)
    sky = pixels >= 0
    values[sky] = 0
    counts = found.exposures.get(code)
    if counts is None or not counts.any():
        return values
    size = 12 * 4**order
    if found.order < order:
        dense = np.zeros(12 * 4**found.order, np.float32)
        dense[found.pixels] = counts
        values[sky] = dense[pixels[sky] >> 2 * (order - found.order)]
        return values
    seen = counts > 0
    parent = found.pixels[seen] >> 2 * (found.order - order)
    parts = np.bincount(parent, minlength=size)
    mean = np.bincount(parent, weights=counts[seen], minlength=size) / np.maximum(parts, 1)
    enough = min(int(parts.max()), 4 ** (found.order - order) // 4)
    values[sky] = np.where(parts >= max(enough, 1), mean, 0)[pixels[sky]]
    return values


def _points(camera: Camera, ccdid: int, qid: int, step_deg: float) -> NDArray[np.float64]:
    """Points (2, n), east and north of the field's centre [deg], all over a quadrant and along its borders."""
    amplifier = camera.amplifier(ccdid, qid)
    ny, nx = camera.quadrant_shape
    half = [0.5 * size * camera.pixel_scale_arcsec / 3600 for size in (nx, ny)]
    along = [np.linspace(-one, one, max(2, int(np.ceil(2 * one / step_deg)) + 1)) for one in half]
    east, north = np.meshgrid(*along)
    return np.stack([amplifier.east_deg + east.ravel(), amplifier.north_deg + north.ravel()])
