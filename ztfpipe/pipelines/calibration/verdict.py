"""A finished master: its numbers, whether it can be used, and how it differs from the previous one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Calibration
from ztfpipe.methods.detector.badpixels import NoisyPixels
from ztfpipe.methods.detector.comparison import level_change_sigma, pattern_change
from ztfpipe.methods.statistics import ClippedMean, robust_image
from ztfpipe.model.images import MasterFrames
from ztfpipe.pipelines.calibration.frames import Chosen, Image, Mask, Metrics, Rejected, frame_metrics


@dataclass(frozen=True)
class Master:
    """A calibration master. The mean of a bias is DN above overscan; that of a flat is relative to 1.

    mask: uint16 (ny, nx), static and dynamic bad pixels; status 0 with a reason: not to be used. level: of the bias
    [DN above overscan], or of the flat exposures [DN above bias], with the uncertainty that its frames' scatter gives.
    """

    frames: MasterFrames
    mask: Mask
    status: int
    reason: str
    used: tuple[str, ...]
    rejected: tuple[Rejected, ...]
    level_adu: float
    level_uncertainty_adu: float
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True)
class BiasForFlat:
    """The bias master that a flat uses: image float32 (ny, nx) [DN], its mask, and why it cannot be used, or empty."""

    image: Image
    mask: Mask
    reason: str = ""


@dataclass(frozen=True)
class EarlierMaster:
    """What a new master is compared with."""

    name: str
    mean: Image
    uncertainty: Image
    level_adu: float
    level_uncertainty_adu: float


def finished(
    stack: MasterFrames,
    mask: Mask,
    chosen: Chosen,
    level_adu: float,
    settings: Calibration,
    metrics: Metrics,
    earlier: EarlierMaster | None,
) -> Master:
    """The master with its verdict: enough frames, and how it differs from the earlier one."""
    level_uncertainty = float(np.std(chosen.levels_adu, ddof=1)) / math.sqrt(len(chosen.kept))
    if earlier is not None:
        change = pattern_change(stack.mean, stack.uncertainty, earlier.mean, earlier.uncertainty, mask)
        moved = level_change_sigma(level_adu, level_uncertainty, earlier.level_adu, earlier.level_uncertainty_adu)
        metrics = {
            **metrics,
            "earlier": earlier.name,
            "earlier_level_change_sigma": moved,
            "earlier_pattern_sigma": change.sigma,
            "earlier_block_change": change.block_change,
            "earlier_changed": int(abs(moved) > settings.master_change_sigma),
        }
    reason = too_few(chosen, settings)
    return Master(
        stack,
        mask,
        status=0 if reason else 1,
        reason=reason,
        used=tuple(frame.name for frame in chosen.kept),
        rejected=chosen.rejected,
        level_adu=level_adu,
        level_uncertainty_adu=level_uncertainty,
        metrics={**frame_metrics(chosen), **metrics},
    )


def nothing(chosen: Chosen, mask: Mask, camera: Camera, reason: str) -> Master:
    """A master without images, for when there is nothing to stack: NaN everywhere, every pixel masked."""
    empty = np.full(mask.shape, np.nan, np.float32)
    return Master(
        MasterFrames(empty, empty, empty, empty, np.zeros(mask.shape, np.int16)),
        mask | np.uint16(camera.mask_value("nan")),
        status=0,
        reason=reason,
        used=tuple(frame.name for frame in chosen.kept),
        rejected=chosen.rejected,
        level_adu=math.nan,
        level_uncertainty_adu=math.nan,
        metrics=frame_metrics(chosen),
    )


def too_few(chosen: Chosen, settings: Calibration) -> str:
    used, left_out = len(chosen.kept), len(chosen.rejected)
    if used >= settings.frames_min:
        return ""
    return f"{used} usable frames of at least {settings.frames_min}; {left_out} left out"


def stack_metrics(stack: MasterFrames, whole: ClippedMean, noisy: NoisyPixels, mask: Mask, camera: Camera) -> Metrics:
    counts = {
        f"n_{name}": int(np.count_nonzero(mask & camera.mask_value(name)))
        for name in ("noisy", "dead", "low_response", "high_response")
    }
    return {
        "mean": whole.mean,
        "pixel_sigma": whole.sigma,
        "uncertainty_median": robust_image(stack.uncertainty, mask).median,
        "scatter_median": robust_image(stack.std_trimmed, mask).median,
        "samples_mean": float(stack.count.mean(dtype=np.float64)),
        "noisy_threshold": noisy.threshold,
        "noisy_freedom": noisy.freedom,
        "noisy_expected_false": noisy.expected_false,
        **counts,
    }
