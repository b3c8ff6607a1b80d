"""Kernel of the pattern match: pairs vote for the offset between two lists of positions, for each trial rotation."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def offset_votes(det_xi, det_eta, ref_xi, ref_eta, rotations_rad, window, bin_size):
    """Votes (n_rotations, n, n), float32, for the offset (eta, xi) that carries rotated detections onto references.

    Positions share one unit with `window` (largest offset per axis) and `bin_size`; ref_xi must be sorted.
    """
    n = int(np.ceil(2.0 * window / bin_size))
    votes = np.zeros((rotations_rad.size, n, n), np.float32)
    for r in range(rotations_rad.size):
        c, s = np.cos(rotations_rad[r]), np.sin(rotations_rad[r])
        for i in range(det_xi.size):
            xi = c * det_xi[i] - s * det_eta[i]
            eta = s * det_xi[i] + c * det_eta[i]
            first = np.searchsorted(ref_xi, xi - window)
            for j in range(first, ref_xi.size):
                d_xi = ref_xi[j] - xi + window
                if d_xi >= 2.0 * window:
                    break
                d_eta = ref_eta[j] - eta + window
                if 0.0 <= d_eta < 2.0 * window:
                    votes[r, int(d_eta / bin_size), int(d_xi / bin_size)] += 1.0
    return votes


def warm() -> None:
    """Compile the kernels of this module."""
    values = np.linspace(-1.0, 1.0, 4)
    offset_votes(values, values, values, values, np.zeros(1), 2.0, 1.0)
