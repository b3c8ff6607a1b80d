"""First pass of the astrometry: where the telescope really pointed, from a vote of all bright pairs.

The commanded pointing and a distortion prior put detections within minutes of arc of their catalog stars. Each pair
of a bright detection and a bright star votes for the offset between them, once per trial rotation; true pairs agree
on one offset, chance pairs spread over the window. False and missing stars only dilute the vote.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.stats import poisson

from ztfpipe.methods.sky.pattern_nb import offset_votes

Floats = NDArray[np.float64]
_BOX = 3  # bins: a true offset falls on up to four of them, and the remaining rotation and scale errors smear it


@dataclass(frozen=True)
class Pattern:
    """The offset with most votes.

    rotation_deg (from xi to eta, about the origin) and offset_arcsec (xi, eta) carry detections onto references; votes:
    pairs that agree; expected: pairs that would by chance; log10_chance: logarithm of the probability that chance
    gives so many anywhere in the search.
    """

    rotation_deg: float
    offset_arcsec: tuple[float, float]
    votes: float
    expected: float
    log10_chance: float


def find_pattern(
    det_xi_arcsec: Floats,
    det_eta_arcsec: Floats,
    ref_xi_arcsec: Floats,
    ref_eta_arcsec: Floats,
    *,
    max_offset_arcsec: float,
    max_rotation_deg: float,
    bin_arcsec: float = 4.0,
) -> Pattern:
    """Offset and rotation between two lists of plane positions [arcsec] about a common origin near their middle.

    Give the brightest few hundred to two thousand of each list. With no positions the votes are nought.
    """
    rotations = _trial_rotations(det_xi_arcsec, det_eta_arcsec, max_rotation_deg, bin_arcsec)
    order = np.argsort(ref_xi_arcsec)
    window = max_offset_arcsec + 2 * bin_arcsec
    votes = offset_votes(
        det_xi_arcsec, det_eta_arcsec, ref_xi_arcsec[order], ref_eta_arcsec[order], rotations, window, bin_arcsec
    )
    boxed = uniform_filter(votes, size=(1, _BOX, _BOX), mode="constant") * _BOX**2
    r, iy, ix = np.unravel_index(np.argmax(boxed), boxed.shape)
    peak = float(np.round(boxed[r, iy, ix]))
    offset = [
        (index + 0.5) * bin_arcsec - window for index in (_centre(votes[r], iy, ix, 1), _centre(votes[r], iy, ix, 0))
    ]
    # Clustered stars make chance votes lumpy: their own scatter stands in for Poisson's where it is larger.
    expected = max(float(np.mean(boxed[r])) - peak * _BOX**2 / boxed[r].size, 1e-3)
    excess_scatter = max(1.0, _robust_variance(boxed[r]) / expected)
    chance = poisson.logsf(peak / excess_scatter - 1.0, expected / excess_scatter) + np.log(boxed.size)
    return Pattern(
        rotation_deg=float(np.degrees(rotations[r])),
        offset_arcsec=(offset[0], offset[1]),
        votes=peak,
        expected=expected,
        log10_chance=float(min(chance / np.log(10.0), 0.0)),
    )


def _trial_rotations(xi: Floats, eta: Floats, max_rotation_deg: float, bin_arcsec: float) -> Floats:
    """Rotations [rad] so close that the farthest detection is never more than half a bin from its place."""
    reach = max(float(np.hypot(xi, eta).max(initial=0.0)), 1.0)
    n_side = int(np.ceil(np.radians(max_rotation_deg) / (bin_arcsec / reach)))
    return np.radians(max_rotation_deg) * np.arange(-n_side, n_side + 1) / max(n_side, 1)


def _centre(votes: NDArray[np.float32], iy: int, ix: int, axis: int) -> float:
    """Centroid of the votes of the box along an axis, in bins."""
    half = _BOX // 2
    y0, x0 = max(iy - half, 0), max(ix - half, 0)
    box = votes[y0 : iy + half + 1, x0 : ix + half + 1]
    start = (y0, x0)[axis]
    weights = box.sum(axis=1 - axis, dtype=np.float64)
    return start + float(np.average(np.arange(weights.size), weights=weights)) if weights.sum() > 0 else (iy, ix)[axis]


def _robust_variance(values: NDArray[np.float32]) -> float:
    low, high = np.percentile(values, [15.87, 84.13])
    return ((float(high) - float(low)) / 2.0) ** 2
