"""Kernels of the synthetic detector. Each has a slow twin in tests/simulate/pixels/test_detector.py."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

POISSON_EXACT_BELOW_E = 40.0
"""Below this mean the Cornish-Fisher deviates are replaced by true Poisson ones."""


@njit(cache=True)
def shot_noise(mean_e, deviates, out):
    """Whole numbers of electrons: Cornish-Fisher expansion of the Poisson law to its skewness.

    mean_e, deviates (standard normal), out: float32 (ny, nx); out may be `deviates`. The third moment is right, the
    fourth is off by 1 / mean_e; pixels with means below POISSON_EXACT_BELOW_E are to be drawn otherwise.
    """
    for y in range(mean_e.shape[0]):
        for x in range(mean_e.shape[1]):
            mean, z = mean_e[y, x], deviates[y, x]
            out[y, x] = max(0.0, np.rint(mean + math.sqrt(max(mean, 0.0)) * z + (z * z - 1.0) / 6.0))


@njit(cache=True)
def bleed(electrons, full_well_e, spill):
    """Limit pixels to the full well; with `spill`, let one half of the excess run up and one half down the column.

    electrons: float32 (ny, nx), changed in place. What reaches the first or last row is lost. Returns whether each
    column overflowed.
    """
    ny, nx = electrons.shape
    full_columns = np.zeros(nx, np.bool_)
    for y in range(ny):
        for x in range(nx):
            if electrons[y, x] > full_well_e:
                full_columns[x] = True
    excess = np.empty(ny, np.float64)
    for x in range(nx):
        if not full_columns[x]:
            continue
        for y in range(ny):
            excess[y] = max(0.0, electrons[y, x] - full_well_e)
            if excess[y] > 0.0:
                electrons[y, x] = full_well_e
        if not spill:
            continue
        for step in (1, -1):
            carried = 0.0
            for k in range(ny):
                y = k if step == 1 else ny - 1 - k
                held = min(carried, full_well_e - electrons[y, x])
                electrons[y, x] += held
                carried += 0.5 * excess[y] - held
    return full_columns


@njit(cache=True)
def measured_adu(true_adu, a_per_adu2, b_per_adu, out):
    """Invert DN_true = x / (A x^2 + B x + 1) for x, the smaller root; float32 arrays of one shape, out may be true_adu.

    Beyond the largest DN_true the relation reaches, x stays at that turning point.
    """
    source, target = true_adu.ravel(), out.ravel()
    for k in range(source.size):
        t = float(source[k])
        p = 1.0 - b_per_adu * t
        target[k] = 2.0 * t / (p + math.sqrt(max(0.0, p * p - 4.0 * a_per_adu2 * t * t)))


@njit(cache=True)
def digitise(signal_adu, bias_adu, row_level_adu, noise_factor, noise_adu, deviates, out):
    """Raw DN: signal + fixed pattern + level of the row + read noise, rounded and clipped to 16 bits.

    signal_adu, bias_adu, noise_factor, deviates: float32 (ny, nx); row_level_adu: float64 (ny,); out: uint16 (ny, nx).
    """
    for y in range(signal_adu.shape[0]):
        level = row_level_adu[y] + 0.5
        for x in range(signal_adu.shape[1]):
            value = level + signal_adu[y, x] + bias_adu[y, x] + noise_adu * noise_factor[y, x] * deviates[y, x]
            out[y, x] = np.uint16(min(max(value, 0.0), 65535.0))


@njit(cache=True)
def add_track(electrons, mask, x0, y0, x1, y1, charge_e):
    """Leave `charge_e` evenly along the line from (x0, y0) to (x1, y1) [px]: each pixel gets its share of the length.

    electrons: float32 (ny, nx) and mask: bool (ny, nx), changed in place; what falls outside is lost.
    """
    ny, nx = electrons.shape
    steps = max(1, math.ceil(20.0 * math.hypot(x1 - x0, y1 - y0)))
    for k in range(steps):
        t = (k + 0.5) / steps
        x = math.floor(x0 + t * (x1 - x0) + 0.5)
        y = math.floor(y0 + t * (y1 - y0) + 0.5)
        if 0 <= x < nx and 0 <= y < ny:
            electrons[y, x] += charge_e / steps
            mask[y, x] = True
