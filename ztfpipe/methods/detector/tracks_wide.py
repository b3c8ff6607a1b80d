"""Aircraft out of focus: bands of light so wide that a mesh of background cells would take them for sky.

They are looked for before there is a background, on medians of small blocks, which stars hardly move, less a smooth
polynomial. Four times coarser, such a band is a track like any other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.detector.fringes import block_medians
from ztfpipe.methods.detector.tracks import Track, find_tracks
from ztfpipe.methods.statistics import MAD_TO_SIGMA

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
_BLOCK_PX = 4
_MEDIAN_NOISE = 1.2533 / _BLOCK_PX  # of a block's median, in units of a pixel's noise
_DEGREE = 3
_EVERY = 4  # blocks: the polynomial needs no more of them
_CLIP_SIGMA = 3.0
_ROUNDS = 8


def find_wide_tracks(
    image_adu: Image,
    noise_adu: float,
    excluded: Mask,
    *,
    threshold: float = 5.0,
    min_length_px: float = 400.0,
    min_half_width_px: float = 32.0,
    edge_sigma: float = 0.15,
) -> list[Track]:
    """Tracks at least 2 min_half_width_px wide in an image (ny, nx) that still has its sky, strongest first.

    noise_adu: typical noise of a pixel. excluded: bad pixels; saturated ones may count, they are bright. Narrower
    tracks are left to `find_tracks`, which sees them sharper; edge_sigma is in units of the pixel noise, as there.
    """
    blocks = block_medians(image_adu, excluded, _BLOCK_PX)
    unknown = ~np.isfinite(blocks)
    if unknown.all():
        return []
    residual = np.where(unknown, np.float32(0), blocks - _smooth(blocks, noise_adu * _MEDIAN_NOISE))
    found = find_tracks(
        residual.astype(np.float32),
        np.full(blocks.shape, noise_adu * _MEDIAN_NOISE, np.float32),
        unknown,
        threshold=threshold,
        min_length_px=min_length_px / _BLOCK_PX,
        edge_sigma=edge_sigma / _MEDIAN_NOISE,
        local_level=False,
    )
    return [_on_pixels(track) for track in found if track.half_width_px * _BLOCK_PX >= min_half_width_px]


def _on_pixels(track: Track) -> Track:
    """A track of blocks on the pixels they are of."""
    ends = ("x0_px", "y0_px", "x1_px", "y1_px")
    places = {name: getattr(track, name) * _BLOCK_PX + (_BLOCK_PX - 1) / 2 for name in ends}
    half = track.half_width_px * _BLOCK_PX
    return replace(track, **places, half_width_px=half, peak_sigma=track.peak_sigma * _MEDIAN_NOISE)


def _smooth(blocks: Image, noise_adu: float) -> Image:
    """A cubic through the blocks, from which those that stand out of it, bands and galaxies, are left out in turn."""
    ny, nx = blocks.shape
    y, x = np.linspace(-1, 1, ny), np.linspace(-1, 1, nx)
    thin = np.s_[::_EVERY, ::_EVERY]
    powers = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
    terms = np.stack([np.outer(y[::_EVERY] ** i, x[::_EVERY] ** j).ravel() for i, j in powers], axis=1)
    values = blocks[thin].ravel().astype(np.float64)
    kept = np.isfinite(values)
    for _ in range(_ROUNDS):
        coefficients = np.linalg.lstsq(terms[kept], values[kept], rcond=None)[0]
        misfit = values - terms @ coefficients
        middle = np.nanmedian(misfit)
        scatter = max(MAD_TO_SIGMA * float(np.nanmedian(np.abs(misfit - middle))), noise_adu)
        again = np.abs(misfit - middle) < _CLIP_SIGMA * scatter
        if again.sum() < 2 * len(powers) or np.array_equal(again, kept):
            break
        kept = again
    return sum(c * np.outer(y**i, x**j) for c, (i, j) in zip(coefficients, powers, strict=True)).astype(np.float32)
