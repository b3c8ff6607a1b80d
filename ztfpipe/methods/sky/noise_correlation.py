"""Noise whose pixels are not independent, as resampling leaves it: its autocorrelation, and what it does to a star."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

Floats = NDArray[np.float64]


def autocorrelation(signal: NDArray[np.float32], empty: NDArray[np.bool_], reach_px: int = 3) -> Floats:
    """Autocorrelation of an image's noise at offsets up to `reach_px`: (2 reach + 1, 2 reach + 1), 1 in the middle.

    signal: (ny, nx), background taken off; empty: pixels of plain sky. Each offset uses the pairs of which both are
    empty. Without any pair the noise counts as white.
    """
    values = np.where(empty, signal, np.float32(0)).astype(np.float64)
    ny, nx = values.shape
    size = 2 * reach_px + 1
    found = np.zeros((size, size))
    for dy in range(reach_px + 1):
        for dx in range(-reach_px, reach_px + 1):
            if dy == 0 and dx < 0:
                continue
            a = np.s_[: ny - dy, max(0, -dx) : nx - max(0, dx)]
            b = np.s_[dy:, max(0, dx) : nx - max(0, -dx)]
            pairs = np.count_nonzero(empty[a] & empty[b])
            product = float(np.vdot(values[a], values[b])) / pairs if pairs else 0.0
            found[reach_px + dy, reach_px + dx] = found[reach_px - dy, reach_px - dx] = product
    variance = found[reach_px, reach_px]
    if variance <= 0:
        found[:] = 0.0
        variance = found[reach_px, reach_px] = 1.0
    return found / variance


def noise_factor(correlation: Floats, stamp: NDArray) -> float:
    """How many times noisier the flux of a star is than in independent noise of the same pixel variance.

    correlation: from `autocorrelation`; stamp: (m, m) PSF. The flux of a fit to a faint star is the sum of P n over the
    sum of P^2, whose variance is that of white noise times sum_d rho(d) A(d) / A(0), A the autocorrelation of P. At
    least 0.1: an estimate of rho has noise too.
    """
    reach = correlation.shape[0] // 2
    stamp = np.asarray(stamp, np.float64)
    full = fftconvolve(stamp, stamp[::-1, ::-1])
    middle = full.shape[0] // 2
    part = full[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    return float(np.sqrt(max(np.sum(correlation * part) / full[middle, middle], 0.01)))
