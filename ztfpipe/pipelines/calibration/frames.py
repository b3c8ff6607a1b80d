"""Which frames go into a stack, and which are left out and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Calibration
from ztfpipe.errors import BadFile
from ztfpipe.methods.detector.overscan import OverscanFit, fit_overscan
from ztfpipe.methods.statistics import ClippedMean, clipped_mean, robust
from ztfpipe.model.images import RawQuadrant

Image = NDArray[np.float32]
Mask = NDArray[np.uint16]
Counts = NDArray[np.uint16]
Metrics = dict[str, float | int | str | None]
Frames = Iterable[tuple[str, RawQuadrant | BadFile]]
"""Raw quadrants by name, read one at a time; one that could not be read comes as its error."""


@dataclass(frozen=True)
class Rejected:
    """A frame that is not part of a master, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Frame:
    """A frame on its way into a stack: its counts, its floating bias, and its trimmed mean and scatter [DN]."""

    name: str
    image: Counts
    overscan: OverscanFit
    pixels: ClippedMean


@dataclass(frozen=True)
class Chosen:
    """The frames of a stack, and those left out."""

    kept: tuple[Frame, ...]
    rejected: tuple[Rejected, ...]

    @property
    def images(self) -> list[Counts]:
        return [frame.image for frame in self.kept]

    @property
    def row_levels_adu(self) -> list[NDArray[np.float64]]:
        return [frame.overscan.row_level_adu for frame in self.kept]

    @property
    def levels_adu(self) -> list[float]:
        return [frame.pixels.mean for frame in self.kept]

    def without_images(self) -> Chosen:
        """What is needed once the frames are stacked: their counts fill most of the memory."""
        nothing = np.empty((0, 0), np.uint16)
        return replace(self, kept=tuple(replace(frame, image=nothing) for frame in self.kept))


def choose(
    frames: Frames,
    corrected: Callable[[Counts, OverscanFit], Image],
    level_limits_adu: tuple[float, float],
    mask: Mask,
    camera: Camera,
    qid: int,
    settings: Calibration,
) -> Chosen:
    """The first `frames_max` frames that can be read, have an overscan, and whose trimmed mean is within limits."""
    kept: list[Frame] = []
    rejected: list[Rejected] = []
    lowest, highest = level_limits_adu
    for name, raw in frames:
        if isinstance(raw, BadFile):
            rejected.append(Rejected(name, str(raw)))
            continue
        overscan = floating_bias(raw, camera, qid, settings)
        if overscan.reason:
            rejected.append(Rejected(name, overscan.reason))
            continue
        pixels = clipped_mean(corrected(raw.image, overscan), mask, clip_sigma=settings.clip_sigma)
        if not lowest <= pixels.mean <= highest:
            reason = f"level {pixels.mean:.1f} DN is outside {lowest:g} to {highest:g} DN"
            rejected.append(Rejected(name, reason))
            continue
        kept.append(Frame(name, raw.image, overscan, pixels))
        if len(kept) == settings.frames_max:
            break
    return Chosen(tuple(kept), tuple(rejected))


def without_noisy_frames(chosen: Chosen, scatter: Sequence[float], settings: Calibration) -> Chosen:
    """Leave out the frames whose pixels scatter more than `frame_noise_max` times those of the median frame."""
    if not chosen.kept:
        return chosen
    limit = settings.frame_noise_max * float(np.median(scatter))
    kept, rejected = [], list(chosen.rejected)
    for frame, value in zip(chosen.kept, scatter, strict=True):
        if value <= limit:
            kept.append(frame)
        else:
            rejected.append(Rejected(frame.name, f"pixel scatter {value:.4g} is above {limit:.4g}"))
    return Chosen(tuple(kept), tuple(rejected))


def floating_bias(raw: RawQuadrant, camera: Camera, qid: int, settings: Calibration) -> OverscanFit:
    return fit_overscan(
        raw.overscan,
        camera.raw.overscan_columns_used(qid),
        degree=settings.overscan_degree,
        clip_sigma=settings.overscan_clip_sigma,
    )


def frame_metrics(chosen: Chosen) -> Metrics:
    counts: Metrics = {"frames_used": len(chosen.kept), "frames_rejected": len(chosen.rejected)}
    if not chosen.kept:
        return counts
    levels = robust(chosen.levels_adu)
    overscans = robust([frame.overscan.level_adu for frame in chosen.kept])
    residuals = [frame.overscan.residual_rms_adu for frame in chosen.kept]
    return {
        **counts,
        "frame_level_median_adu": levels.median,
        "frame_level_sigma_adu": levels.sigma,
        "overscan_level_median_adu": overscans.median,
        "overscan_level_sigma_adu": overscans.sigma,
        "overscan_residual_rms_median_adu": float(np.median(residuals)),
    }
