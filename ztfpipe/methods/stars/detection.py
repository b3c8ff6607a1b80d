"""Detection of point sources by a matched filter: the significance of a star at every pixel, and its local maxima.

With background noise of known variance the likelihood ratio for a star at a pixel is a function of S / sqrt(N), where
S = sum P D / V and N = sum P^2 / V over the pixels around (Zackay & Ofek 2017, ApJ 836, 187): it is the signal-to-noise
ratio of the flux S / N that a PSF fit held at this pixel would give. Masked pixels have no weight, so that a star with
masked pixels is found from the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.stars import detection_nb as kernels
from ztfpipe.methods.stars.psf import stamps
from ztfpipe.model.stars import Detections, PsfModel

_TILES = 6
"""Tiles on a side within which the filter is constant; a PSF 5 % off in width costs 0.2 % of the significance."""


def gaussian_filter(fwhm_px: float) -> NDArray[np.float32]:
    """A round Gaussian of unit sum as the filter of a whole image, (1, 1, n, n): for when the PSF is not known yet."""
    half = int(np.ceil(1.5 * fwhm_px))
    offset = np.arange(-half, half + 1)
    r2 = np.add.outer(offset**2, offset**2)
    values = np.exp(-4 * np.log(2) * r2 / fwhm_px**2)
    return (values / values.sum()).astype(np.float32)[None, None]


def psf_filters(psf: PsfModel) -> NDArray[np.float32]:
    """The PSF at the middle of each tile, (6, 6, n, n), cut to a circle of 1.5 FWHM (0.998 of sum P^2 and more)."""
    ny, nx = psf.shape
    half = min(int(np.ceil(1.5 * psf.fwhm_px)), psf.radius_px)
    middle = (np.arange(_TILES) + 0.5) / _TILES
    # Whole-pixel positions put the filter's peak at the middle of its central pixel.
    x, y = np.meshgrid(np.round(nx * middle), np.round(ny * middle))
    values = stamps(psf, x.ravel(), y.ravel(), half)
    offset = np.arange(-half, half + 1)
    values[:, np.add.outer(offset**2, offset**2) > (half + 0.5) ** 2] = 0.0
    return values.reshape(_TILES, _TILES, *values.shape[1:])


def significance_map(
    image_adu: NDArray[np.float32], weight: NDArray[np.float32], filters: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Signal-to-noise ratio (ny, nx) of a star at each pixel; 0 where every pixel under the filter is masked.

    image_adu: float32 (ny, nx), background taken off. weight: float32 (ny, nx), 1 / variance [ADU^-2], 0 where masked.
    """
    out = np.empty_like(image_adu)
    # A masked pixel may hold NaN, and NaN times a weight of zero is NaN.
    clean = image_adu if np.isfinite(np.sum(image_adu)) else np.nan_to_num(image_adu, posinf=0.0, neginf=0.0)
    kernels.significance(clean, weight, filters, out)
    return out


def detect(
    image_adu: NDArray[np.float32],
    weight: NDArray[np.float32],
    filters: NDArray[np.float32],
    *,
    threshold: float,
    min_good_fraction: float = 0.4,
    max_count: int = 200_000,
) -> Detections:
    """Local maxima of the significance map above `threshold`, in order of y, then x.

    Maxima with less than `min_good_fraction` of sum P^2 on unmasked pixels are left out. Positions are those of
    parabolas through the maxima, good to a fifth of the pixel or so; fluxes are low by the error of position. Of more
    than `max_count` maxima, which only a broken weight map gives, the rest of the image is not looked at.
    """
    signal = significance_map(image_adu, weight, filters)
    rows, columns = kernels.maxima(signal, threshold, max_count)
    x, y, norm, good = kernels.refine(signal, weight, filters, rows, columns)
    keep = good > min_good_fraction
    level = signal[rows, columns].astype(np.float64)
    return Detections(x[keep], y[keep], (level / np.sqrt(norm))[keep], level[keep])


def weight_with_sources(
    data_adu: NDArray[np.float32],
    residual_adu: NDArray[np.float32],
    weight: NDArray[np.float32],
    *,
    gain_e_per_adu: float,
    model_error: float,
) -> NDArray[np.float32]:
    """Weights (ny, nx) of a residual image: background noise, the fitted stars' photons, and errors of their model.

    data_adu - residual_adu is the model of the stars. model_error: its relative error, which keeps what is left of
    bright stars from passing as stars.
    """
    out = np.empty_like(weight)
    kernels.weight_with_sources(
        data_adu, residual_adu, weight, np.float32(gain_e_per_adu), np.float32(model_error), out
    )
    return out
