"""Bad pixels: those known before any night, those too noisy, and those that respond too little or too much.

Noise is judged by the scatter of a pixel's 20 or so samples, which is itself good to 16 % only. A fixed threshold of
twice the typical scatter would miss half the pixels that are exactly twice as noisy; a lower one drowns a few hundred
noisy pixels among ten million good ones. The threshold is therefore the lowest at which a wanted fraction of the
pixels called noisy is false (Benjamini & Hochberg 1995, JRSS B 57, 289), given how good pixels scatter.

The scatter is taken after trimming, so that one cosmic ray does not make a pixel noisy; a pixel that is trimmed again
and again is noisy too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2

from ztfpipe.camera import Camera
from ztfpipe.methods.statistics import robust_image

Mask = NDArray[np.uint16]
Booleans = NDArray[np.bool_]

EXCURSION_FRACTION = 0.1
"""A pixel of which more than this fraction of samples was trimmed is noisy: chance and cosmic rays do not do that."""
SUSPICIOUS = 1.45
"""Above this many times the typical scatter after trimming, the scatter before trimming decides: the samples that were
trimmed there belong to the noise. One good pixel in 500 is above; a cosmic ray on one of those makes it noisy."""
MISSED_FRACTION = 0.01
"""Of pixels exactly `factor` times as noisy as the others, at most this fraction may be missed if it can be helped."""


@dataclass(frozen=True)
class NoisyPixels:
    """Which pixels are noisy, bool (ny, nx), and how that was decided.

    typical: median scatter (or ratio to the expected one); threshold: in units of it; freedom: degrees of freedom of
    the scatter of good pixels; expected_false: how many of `found` are good pixels by chance.
    """

    pixels: Booleans
    typical: float
    threshold: float
    freedom: float
    expected_false: float

    @property
    def found(self) -> int:
        """Number of noisy pixels."""
        return int(np.count_nonzero(self.pixels))


def static_mask(camera: Camera, ccdid: int, qid: int) -> Mask:
    """Mask (ny, nx) of the pixels that the camera's table of known bad pixels lists for a quadrant."""
    mask = np.zeros(camera.quadrant_shape, np.uint16)
    for box in camera.static_bad_pixels:
        if (box.ccdid, box.qid) == (ccdid, qid):
            mask[box.y0 : box.y1 + 1, box.x0 : box.x1 + 1] |= np.uint16(camera.mask_value(box.kind))
    return mask


def find_noisy(
    std_trimmed: NDArray[np.float32],
    std_all: NDArray[np.float32],
    count: NDArray[np.int16],
    n_frames: int,
    *,
    factor: float,
    false_fraction: float,
    known_bad: Booleans | None = None,
) -> NoisyPixels:
    """Pixels at least `factor` times as noisy as the typical one.

    std_trimmed, std_all: scatter after and before trimming (ny, nx), any unit, or their ratio to an expected scatter;
    count: samples left of n_frames; false_fraction: wanted fraction of good pixels among those found; known_bad: pixels
    not to be judged.

    The scatter s of a good pixel with f degrees of freedom has f s^2 / sigma^2 ~ chi^2(f). f is n_frames - 1, or less
    where the bulk of the pixels scatters more than that (noise that is not the same everywhere). With many frames the
    threshold stops falling where only MISSED_FRACTION of the pixels of exactly `factor` is missed.
    """
    bad = np.zeros(std_trimmed.shape, bool) if known_bad is None else known_bad
    judged = ~bad & np.isfinite(std_trimmed)
    bulk = robust_image(np.where(judged & (std_trimmed > 0), np.log(np.maximum(std_trimmed, 1e-30)), np.nan))
    if bulk.count == 0:
        return NoisyPixels(np.zeros(judged.shape, bool), math.nan, math.nan, math.nan, 0.0)
    freedom = _freedom(bulk.sigma, n_frames - 1)
    median = math.exp(bulk.median)
    # The median of s lies below sigma; take sigma from it.
    typical = median / math.sqrt(chi2.median(freedom) / freedom)
    std = np.where(std_trimmed > SUSPICIOUS * typical, std_all, std_trimmed)
    threshold = _threshold(std[judged] / typical, freedom, factor, false_fraction)
    noisy = judged & (std > threshold * typical)
    expected_false = float(np.count_nonzero(judged) * chi2.sf(threshold**2 * freedom, freedom))
    noisy |= judged & (count < (1 - EXCURSION_FRACTION) * n_frames)
    return NoisyPixels(noisy, typical, threshold, freedom, expected_false)


def _freedom(log_width: float, most: int) -> float:
    """Degrees of freedom at which ln s has this percentile sigma; at most `most`, at least 1."""
    below, above = 0.15865525393145707, 0.8413447460685429

    def excess(freedom: float) -> float:
        return (math.log(chi2.ppf(above, freedom)) - math.log(chi2.ppf(below, freedom))) / 4 - log_width

    if excess(most) >= 0:
        return float(most)
    return 1.0 if excess(1.0) <= 0 else float(brentq(excess, 1.0, most))


def _threshold(ratio: NDArray[np.floating], freedom: float, factor: float, false_fraction: float) -> float:
    """Threshold on s / sigma: the lowest that keeps expected false / found within false_fraction, within limits."""
    lowest = max(1.0, factor * math.sqrt(chi2.ppf(MISSED_FRACTION, freedom) / freedom))
    candidates = np.sort(ratio[ratio > lowest])[::-1].astype(np.float64)
    expected_false = ratio.size * chi2.sf(candidates**2 * freedom, freedom)
    enough = np.flatnonzero(expected_false <= false_fraction * np.arange(1, candidates.size + 1))
    if enough.size:
        # Just below the last pixel that is still called noisy.
        return float(np.nextafter(np.float32(candidates[enough[-1]]), np.float32(0)))
    # None stands out: the threshold a single pixel would have to pass.
    return max(lowest, math.sqrt(chi2.isf(false_fraction / ratio.size, freedom) / freedom))


def response_mask(
    flat: NDArray[np.float32],
    camera: Camera,
    *,
    dead_response_max: float,
    low_response_max: float,
    high_response_min: float,
) -> Mask:
    """Mask (ny, nx) of dead, low- and high-response pixels of a flat normalised to 1; not-a-number is dead."""
    mask = np.zeros(flat.shape, np.uint16)
    dead = ~(flat >= dead_response_max)
    mask[dead] = camera.mask_value("dead")
    mask[~dead & (flat < low_response_max)] = camera.mask_value("low_response")
    mask[flat > high_response_min] = camera.mask_value("high_response")
    return mask
