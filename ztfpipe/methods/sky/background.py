"""Smooth background and noise of an image, robust against crowding, and the noise model of a pixel.

Two passes of a mesh of clipped modes (the estimator of SExtractor, by sep). The first tells where there is light above
the sky; those pixels and what surrounds them are left out of the second, which then sees little but sky. Pixels as far
below the sky are left out too, lest the mean of the noise be shifted.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray

from ztfpipe.methods.sky import background_nb

_LIMIT = 1.2  # of the noise, for a 3 x 3 mean: 3.6 sigma of it
_GROW_PX = 2
_LEAST_KNOWN = 0.01
_FILTER_CELLS = 3

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Background:
    """level, noise: (ny, nx) float32, same unit as the image; median, scatter: one number for the image."""

    level: Image
    noise: Image
    median: float
    scatter: float


def estimate(image: Image, excluded: Mask, *, mesh_px: int = 128) -> Background:
    """Background of an image (ny, nx); `excluded` pixels and those that are not numbers are left out.

    mesh_px: side of a cell, several times the size of the largest object that must not be taken for sky. When less
    than a hundredth of the pixels is known, everything in the result is NaN.
    """
    excluded = excluded | ~np.isfinite(image)
    if np.mean(excluded) > 1.0 - _LEAST_KNOWN:
        nothing = np.full(image.shape, np.nan, np.float32)
        return Background(nothing, nothing, np.nan, np.nan)
    first = _mesh(image, excluded, mesh_px)
    level, noise = first.back(dtype=np.float32), np.maximum(first.rms(dtype=np.float32), np.float32(1e-6))
    deviant = background_nb.deviant(image, level, noise, np.float32(_LIMIT), _GROW_PX, excluded)
    if np.mean(deviant) > 1.0 - _LEAST_KNOWN:
        deviant = excluded
    # On what the first level leaves: a steep sky, as moonlit clouds make it, is no noise.
    second = _mesh(image - level, deviant, mesh_px)
    level = level + second.back(dtype=np.float32)
    noise = np.maximum(second.rms(dtype=np.float32) / np.float32(_noise_kept()), np.float32(1e-6))
    return Background(level, noise, float(np.median(level)), float(np.median(noise)))


def variance(
    light_adu: Image, gain_e_per_adu: float, read_noise_e: float, response: Image | None = None
) -> NDArray[np.float32]:
    """Variance [ADU^2] of pixels (ny, nx) with this much light, sky included: photons and read noise.

    response: the flat the image was divided by, which divides the noise too; None for unity. NaN where it is not
    positive.
    """
    if response is None:
        response = np.broadcast_to(np.float32(1.0), light_adu.shape)
    return background_nb.pixel_variance(
        np.asarray(light_adu, np.float32), np.float32(gain_e_per_adu), np.float32(read_noise_e), response
    )


def _mesh(image: Image, excluded: Mask, mesh_px: int) -> sep.Background:
    return sep.Background(
        np.ascontiguousarray(image, np.float32),
        mask=excluded,
        bw=mesh_px,
        bh=mesh_px,
        fw=_FILTER_CELLS,
        fh=_FILTER_CELLS,
    )


@functools.cache
def _noise_kept() -> float:
    """Fraction of a Gaussian's scatter that is left after both clippings, from a standard image of noise (to 0.2 %)."""
    size = 512
    noise = np.random.default_rng(1).standard_normal((size, size)).astype(np.float32)
    known = np.zeros(noise.shape, np.bool_)
    flat, unit = np.zeros_like(noise), np.ones_like(noise)
    deviant = background_nb.deviant(noise, flat, unit, np.float32(_LIMIT), _GROW_PX, known)
    return float(_mesh(noise, deviant, size // 4).rms().mean())
