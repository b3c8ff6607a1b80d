"""Which pixels of a difference are empty sky: those that tell its level and how wide its noise is.

A source leaves its mark on some fifty pixels of S_corr. Medians and quantiles of all pixels forgive a few of them, but
not a thousand: half their share of the pixels is the quantile by which the median moves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from ztfpipe.methods.statistics import robust
from ztfpipe.model.difference import Image

_NOISY = 1.2
"""Pixels with more noise than this times the median hold light."""
_PEAK_SIGMA = 4.0
"""Of either sign alike, so that what noise alone takes away, a thousandth, favours none."""
_BLOCK_PX = 4
"""Side of the squares that are left out: those with a peak and their neighbours, four to eight pixels about it."""
_LEAST_SHARE = 0.3
"""Of quiet pixels. Where fewer are left, peaks are the rule, and all quiet pixels must do."""


def empty_sky(scorr: Image, flux_sigma_adu: Image, bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Good pixels (ny, nx) whose noise is that of the sky and which are away from peaks of S_corr.

    Peaks are in units of the width that S_corr has in this very image, which need not be one.
    """
    quiet = ~bad & (flux_sigma_adu < _NOISY * np.median(flux_sigma_adu[::9, ::9]))
    thin = slice(None, None, 5)
    known = robust(scorr[thin, thin][quiet[thin, thin]])
    if not known.sigma > 0:
        return quiet
    peaks = quiet & (np.abs(scorr - np.float32(known.median)) > np.float32(_PEAK_SIGMA * known.sigma))
    near = _grown(peaks)
    empty = quiet & ~near
    return empty if np.count_nonzero(empty) > _LEAST_SHARE * np.count_nonzero(quiet) else quiet


def _grown(peaks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Squares that hold a peak, and the eight around each."""
    ny, nx = peaks.shape
    rows, columns = (-(-n // _BLOCK_PX) for n in (ny, nx))
    squares = np.zeros((rows, columns), np.bool_)
    at = np.nonzero(peaks)
    squares[at[0] // _BLOCK_PX, at[1] // _BLOCK_PX] = True
    squares = binary_dilation(squares, np.ones((3, 3), np.bool_))
    return squares.repeat(_BLOCK_PX, 0).repeat(_BLOCK_PX, 1)[:ny, :nx]
