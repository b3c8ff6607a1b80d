"""The wings of bright stars beyond the PSF's stamp: without them taken off, their light is a ring of false stars."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.stars import wings_nb as kernels
from ztfpipe.methods.stars.psf import stamps
from ztfpipe.model.stars import FittedStars, PsfModel

RING_PX = 2
OUTER = 3
"""Wings are followed to this many half-widths of the stamp; there a tenth of the light per pixel is left."""
_FALL = 3.0
"""Power of the distance with which the first guess falls: between those of Moffat wings and of scattered light."""
_ROUNDS, _CLIP = 3, 4.0
_WORTH = 0.05
"""Stars are treated whose wing at the stamp's edge is this part of the noise of a pixel: a matched filter sums up some
twenty pixels."""
_WHOLE = 0.99
_STARS_MIN = 10


def take_off_wings(
    image_adu: NDArray[np.float32],
    residual_adu: NDArray[np.float32],
    weight: NDArray[np.float32],
    stars: FittedStars,
    psf: PsfModel,
) -> NDArray[np.float64]:
    """Measure the mean wing of unsaturated stars on the residual image and take it off both images, in place.

    image_adu, residual_adu: float32 (ny, nx), background taken off, the residual also less all stars; weight: float32
    (ny, nx), 1 / variance, 0 where masked. Returns the wing per unit of flux and pixel in rings RING_PX wide from the
    stamp's edge on; zero where fewer than ten stars are bright enough to show one.
    """
    rings = (OUTER - 1) * psf.radius_px // RING_PX
    middles = psf.radius_px + RING_PX * (np.arange(rings) + 0.5)
    profile = _edge(psf) * (psf.radius_px / middles) ** _FALL
    seen = weight[::16, ::16]
    noise = 1 / np.sqrt(np.median(seen[seen > 0])) if (seen > 0).any() else np.inf
    bright = stars.flux_adu * profile[0] > _WORTH * noise
    whole = bright & (stars.good_fraction > _WHOLE)
    if whole.sum() < _STARS_MIN:
        return np.zeros(rings)
    for _ in range(_ROUNDS):
        top, bottom = np.zeros((2, rings))
        kernels.ring_sums(
            residual_adu, weight, stars.x_px[whole], stars.y_px[whole], stars.flux_adu[whole], psf.radius_px, RING_PX,
            profile, _CLIP, top, bottom,
        )  # fmt: skip
        profile = np.divide(top, bottom, out=np.zeros(rings), where=bottom > 0)
    # Light falls outwards; what rises again is noise, and so is everything beyond where it would be negative.
    profile = np.minimum.accumulate(np.maximum(profile, 0.0))
    for image in (image_adu, residual_adu):
        kernels.subtract_rings(
            image, stars.x_px[bright], stars.y_px[bright], stars.flux_adu[bright], psf.radius_px, RING_PX, profile
        )
    return profile


def _edge(psf: PsfModel) -> float:
    """Mean of the PSF on the outermost pixels of its stamp, at the image's centre."""
    ny, nx = psf.shape
    stamp = stamps(psf, np.array([nx // 2]), np.array([ny // 2]), psf.radius_px)[0]
    border = np.concatenate([stamp[0], stamp[-1], stamp[:, 0], stamp[:, -1]])
    return max(float(border.mean()), 0.0)
