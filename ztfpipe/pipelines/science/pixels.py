"""From raw counts to calibrated pixels, their noise and their first mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.errors import Unusable
from ztfpipe.methods.detector import fringes
from ztfpipe.methods.detector.correction import correct_quadrant, subtract_overscan
from ztfpipe.methods.detector.overscan import OverscanFit, fit_overscan
from ztfpipe.methods.detector.saturation import saturation_mask
from ztfpipe.methods.sky.background import Background, estimate
from ztfpipe.model.images import RawQuadrant
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.science import FringesTaken, Masters

Image = NDArray[np.float32]
SATURATION_MARGIN_SIGMA = 5.0
"""A clipped pixel may fall short of the saturation level by the noise of its reading."""


@dataclass(frozen=True)
class CalibratedPixels:
    """A quadrant as a perfect detector would have seen it, sky included.

    image_adu: float32 (ny, nx), finite everywhere; mask: uint16 bits known so far; saturation_adu: the raw saturation
    level after the same corrections; fringes: those taken out, None when none were; overscan: None of pixels that came
    without one.
    """

    image_adu: Image
    mask: NDArray[np.uint16]
    overscan: OverscanFit | None
    background: Background
    saturation_adu: float
    fringes: FringesTaken | None
    gain_e_per_adu: float


def calibrate_pixels(
    raw: RawQuadrant, masters: Masters, camera: Camera, key: QuadrantKey, settings: Science
) -> CalibratedPixels:
    """Saturation, overscan, bias, non-linearity, flats, fringes and background, in the order of the system paper 3.5.

    Saturation is judged on raw counts, before anything moves them. Raises Unusable when the overscan holds nothing or
    all pixels are saturated or bad.
    """
    amplifier = camera.amplifier(key.ccdid, key.qid)
    overscan = fit_overscan(raw.overscan, camera.raw.overscan_columns_used(key.qid))
    if overscan.reason:
        raise Unusable("overscan", overscan.reason)
    saturated = saturation_mask(
        subtract_overscan(raw.image, overscan.row_level_adu),
        amplifier.saturation_adu,
        margin_adu=SATURATION_MARGIN_SIGMA * amplifier.read_noise_e / amplifier.gain_e_per_adu
        + settings.saturation_margin_adu,
    )
    a, b = camera.nonlinearity_coefficients(key.ccdid, key.qid, key.night)
    image = correct_quadrant(raw.image, overscan.row_level_adu, masters.bias_adu, a_per_adu2=a, b_per_adu=b)
    mapped = masters.responsivity is not None and settings.responsivity_correction
    response = masters.flat * masters.responsivity if mapped else masters.flat
    image, mask = _divided(image, response, masters.mask, camera)
    mask[saturated] |= np.uint16(camera.mask_value("saturated"))
    unusable = (mask & np.uint16(camera.defect_mask)) != 0
    if unusable.mean() > settings.bad_pixels_max:
        raise Unusable("pixels", "too many are saturated or bad", fraction=float(unusable.mean()))
    image, taken = _without_fringes(image, unusable, masters, settings)
    background = estimate(image, unusable, mesh_px=settings.background_mesh_px)
    x = amplifier.saturation_adu
    saturation_adu = x / (a * x * x + b * x + 1)
    return CalibratedPixels(image, mask, overscan, background, saturation_adu, taken, amplifier.gain_e_per_adu)


def _divided(
    image: Image, response: Image, mask: NDArray[np.uint16], camera: Camera
) -> tuple[Image, NDArray[np.uint16]]:
    """The image over the response; where that makes no number, the pixel is dead and gets the median level."""
    with np.errstate(divide="ignore", invalid="ignore"):
        divided = image / response
    lost = ~np.isfinite(divided) | (response <= 0)
    mask = mask.astype(np.uint16, copy=True)
    if lost.any():
        mask[lost] |= np.uint16(camera.mask_value("dead", "nan"))
        divided[lost] = np.float32(np.median(divided[~lost])) if not lost.all() else np.float32(0)
    return divided, mask


def _without_fringes(
    image: Image, unusable: NDArray[np.bool_], masters: Masters, settings: Science
) -> tuple[Image, FringesTaken | None]:
    template = masters.fringes
    if template is None or not settings.fringe_correction:
        return image, None
    blocks = fringes.block_medians(image, unusable, template.block_px)
    sky = float(np.nanmedian(blocks))
    strength = fringes.fit_fringes(fringes.fringe_signal(blocks, sky, template.smooth_blocks), template)
    taken = FringesTaken(tuple(map(float, strength)), sky)
    return image - fringes.fringe_image(template, strength, sky, image.shape), taken
