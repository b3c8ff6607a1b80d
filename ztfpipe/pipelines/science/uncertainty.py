"""The 1-sigma uncertainty of a science image, from the image and its mask as they were written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.methods.sky.background import estimate
from ztfpipe.model.keys import QuadrantKey

Image = NDArray[np.float32]
NOT_OF_PIXELS = ("spike", "ghost", "halo")
"""Bits of what the recipe masks after the background, which saw those pixels: halos are too large to be bridged."""


def uncertainty_image(
    image_adu: Image, mask: NDArray[np.uint16], camera: Camera, key: QuadrantKey, settings: Science
) -> Image:
    """Standard deviation [DN] of each pixel (ny, nx): noise of sky and readout, and photons of what stands above it.

    image_adu: a calibrated image with its sky. NaN everywhere when less than a hundredth of the pixels is usable. The
    error of the flat is not in it.
    """
    left_out = camera.defect_mask & ~camera.mask_value(*NOT_OF_PIXELS)
    background = estimate(image_adu, (mask & np.uint16(left_out)) != 0, mesh_px=settings.background_mesh_px)
    gain = np.float32(camera.amplifier(key.ccdid, key.qid).gain_e_per_adu)
    return np.sqrt(background.noise**2 + np.maximum(image_adu - background.level, 0) / gain)
