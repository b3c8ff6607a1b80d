"""Cosmic rays in a single image: pixels sharper than any blend of stars could be.

Every blend of stars, satellite tracks and smooth light is a sum of PSFs at sub-pixel positions with non-negative
weights: a convex cone in the space of 5 x 5 windows. A ray's template minus its projection onto
that cone is, by Moreau's decomposition, the linear filter with the highest S/N for the ray among all filters to which
nothing in the cone responds positively. So a significant response is a ray, however undersampled or crowded the stars.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from ztfpipe.methods.detector.cosmic_rays_nb import HALF, mark_rays

_WIDTH = 2 * HALF + 1
_SHIFT = 5  # px: stars farther than this from the window's centre are a ramp within it
_SUBPIXELS = 5
_MOFFAT_BETA = 3.0
_MAX_ROUNDS = 50


def find_rays(
    residual_adu: NDArray[np.float32],
    noise_adu: NDArray[np.float32],
    gain_e_per_adu: float,
    excluded: NDArray[np.bool_],
    filters: NDArray[np.float32],
    *,
    threshold: float = 4.5,
    grow_threshold: float = 3.0,
    peak_sigma: float = 5.0,
    psf_error: float = 0.03,
) -> NDArray[np.bool_]:
    """Mask (ny, nx) of pixels hit by rays in a background-subtracted image.

    noise_adu: background noise per pixel; photon noise of the light above it is added here. excluded: saturated, bad.
    threshold: significance of the sharpness; peak_sigma: least brightness of a ray's peak in units of the noise;
    psf_error: relative error per pixel allowed to the PSF of the filters.
    """
    return mark_rays(
        residual_adu, noise_adu, np.float32(gain_e_per_adu), excluded, filters, np.float32(psf_error),
        np.float32(peak_sigma), np.float32(threshold), np.float32(grow_threshold), _MAX_ROUNDS,
    )  # fmt: skip


def ray_filters(stamps: NDArray[np.float64]) -> NDArray[np.float32]:
    """The best filter for each ray template, given the PSF: float32 (n, 25), each of unit length.

    stamps: (n, size, size), pixel-sampled PSFs of a star at sub-pixel offsets that cover the central pixel densely
    (five per axis suffice), at one or several places of the field; size odd and at least 15.
    """
    cone = _cone(np.asarray(stamps, np.float64))
    templates = _templates()
    weights = np.empty(templates.shape)
    for row, template in enumerate(templates.astype(np.float64)):
        amount, _ = nnls(cone, template, maxiter=50 * cone.shape[0])
        outside = template - cone @ amount
        weights[row] = outside / max(float(np.linalg.norm(outside)), 1e-12)
    return weights.astype(np.float32)


def moffat_stamps(fwhm_px: float, size: int = 15) -> NDArray[np.float64]:
    """Pixel-integrated round Moffat PSFs (beta 3) at 5 x 5 sub-pixel offsets: for the search before the PSF is known.

    Give a FWHM somewhat below the measured one: a sharper PSF makes broader ones by blending, not the reverse.
    """
    alpha = fwhm_px / (2.0 * np.sqrt(2.0 ** (1.0 / _MOFFAT_BETA) - 1.0))
    fine = 5
    grid = (np.arange(size * fine) + 0.5) / fine - size / 2.0
    offsets = (np.arange(_SUBPIXELS) + 0.5) / _SUBPIXELS - 0.5
    stamps = []
    for dy in offsets:
        for dx in offsets:
            r2 = (grid[:, None] - dy) ** 2 + (grid[None, :] - dx) ** 2
            image = (1.0 + r2 / alpha**2) ** -_MOFFAT_BETA
            stamps.append(image.reshape(size, fine, size, fine).mean(axis=(1, 3)))
    stack = np.array(stamps)
    return stack / stack.sum(axis=(1, 2), keepdims=True)


def _cone(stamps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns whose non-negative sums are all that is not a ray within a window: stars at every offset, and the
    ramps of stars farther away (two opposite ones make a constant).

    A negative constant must stay out: with stars everywhere it would make negative stars, and the cone all of space.
    """
    middle = stamps.shape[1] // 2
    columns = []
    for dy in range(-_SHIFT, _SHIFT + 1):
        for dx in range(-_SHIFT, _SHIFT + 1):
            y, x = middle + dy - HALF, middle + dx - HALF
            columns.append(stamps[:, y : y + _WIDTH, x : x + _WIDTH].reshape(stamps.shape[0], -1))
    stars = np.concatenate(columns)
    ramps = []
    y, x = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]
    for angle in np.arange(8) * np.pi / 4:
        ramp = np.cos(angle) * x + np.sin(angle) * y
        ramps.append((ramp - ramp.min()).ravel())
    rows = np.concatenate([stars, ramps])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.T


def _templates() -> NDArray[np.bool_]:
    """Pixel patterns of rays within a window: a point, pairs, a square, and lines of three and five in eight
    directions."""
    steps = [(0, 1), (1, 0), (1, 1), (1, -1)]
    patterns = [[(0, 0)], [(0, 0), (0, 1), (1, 0), (1, 1)]]
    patterns += [[(0, 0), step] for step in steps]
    patterns += [[(k * dy, k * dx) for k in range(-reach, reach + 1)] for reach in (1, 2) for dy, dx in steps]
    patterns += [
        [(0, 0), (a, b), (-a, -b), (a, 2 * b), (-a, -2 * b)]
        if wide
        else [(0, 0), (a, b), (-a, -b), (2 * a, b), (-2 * a, -b)]
        for a, b in ((1, 1), (1, -1))
        for wide in (True, False)
    ]
    patterns += [[(0, 0), (a, b), (0, b), (-a, -b), (0, -b)] for a, b in ((1, 1), (1, -1))]
    out = np.zeros((len(patterns), _WIDTH, _WIDTH), np.bool_)
    for row, pattern in enumerate(patterns):
        for dy, dx in pattern:
            out[row, HALF + dy, HALF + dx] = True
    return out.reshape(len(patterns), -1)
