"""A quadrant less its floating bias (system paper 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from ztfpipe.camera import Camera
from ztfpipe.config import Calibration
from ztfpipe.errors import Unusable
from ztfpipe.methods.detector.correction import subtract_overscan
from ztfpipe.methods.detector.overscan import OverscanFit
from ztfpipe.methods.statistics import clipped_mean
from ztfpipe.model.images import RawQuadrant
from ztfpipe.pipelines.calibration.frames import Image, Metrics, floating_bias


@dataclass(frozen=True)
class SplitQuadrant:
    """A quadrant less its floating bias: image float32 (ny, nx) [DN], and what was learnt on the way."""

    image: Image
    overscan: OverscanFit
    metrics: Metrics


def split_quadrant(raw: RawQuadrant, camera: Camera, qid: int, settings: Calibration) -> SplitQuadrant:
    """Take the floating bias from a quadrant (system paper 3.3). Raises Unusable when its overscan is."""
    overscan = floating_bias(raw, camera, qid, settings)
    if overscan.reason:
        raise Unusable("quadrant", overscan.reason)
    image = subtract_overscan(raw.image, overscan.row_level_adu)
    pixels = clipped_mean(image, clip_sigma=settings.clip_sigma)
    metrics = {"level_adu": pixels.mean, "sigma_adu": pixels.sigma, **overscan.metrics()}
    return SplitQuadrant(image, overscan, metrics)
