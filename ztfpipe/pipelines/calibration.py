"""Splitting, bias masters and flat masters of one quadrant (system paper 3.3 and 3.4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Amplifier, Camera
from ztfpipe.config import Calibration
from ztfpipe.errors import BadFile, Unusable
from ztfpipe.methods.detector.badpixels import NoisyPixels, find_noisy, response_mask, static_mask
from ztfpipe.methods.detector.comparison import level_change_sigma, pattern_change
from ztfpipe.methods.detector.correction import BiasRows, FlatRows, correct_quadrant, subtract_overscan
from ztfpipe.methods.detector.overscan import DIGITISATION_SIGMA_ADU, OverscanFit, fit_overscan
from ztfpipe.methods.detector.stacking import trimmed_average
from ztfpipe.methods.statistics import ClippedMean, clipped_mean, robust, robust_image
from ztfpipe.model.images import MasterFrames, RawQuadrant

Image = NDArray[np.float32]
Mask = NDArray[np.uint16]
Counts = NDArray[np.uint16]
Metrics = dict[str, float | int | str | None]
Frames = Iterable[tuple[str, RawQuadrant | BadFile]]
"""Raw quadrants by name, read one at a time; one that could not be read comes as its error."""

FRAMES_FEWEST = 3
"""With fewer frames than this there is nothing to trim, and the master's images are empty (NaN)."""


@dataclass(frozen=True)
class SplitQuadrant:
    """A quadrant less its floating bias: image float32 (ny, nx) [DN], and what was learnt on the way."""

    image: Image
    overscan: OverscanFit
    metrics: Metrics


@dataclass(frozen=True)
class Rejected:
    """A frame that is not part of a master, and why."""

    name: str
    reason: str


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


@dataclass(frozen=True)
class _Frame:
    """A frame on its way into a stack: its counts, its floating bias, and its trimmed mean and scatter [DN]."""

    name: str
    image: Counts
    overscan: OverscanFit
    pixels: ClippedMean


@dataclass(frozen=True)
class _Chosen:
    """The frames of a stack, and those left out."""

    kept: tuple[_Frame, ...]
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


def split_quadrant(raw: RawQuadrant, camera: Camera, qid: int, settings: Calibration) -> SplitQuadrant:
    """Take the floating bias from a quadrant (system paper 3.3). Raises Unusable when its overscan is."""
    overscan = _floating_bias(raw, camera, qid, settings)
    if overscan.reason:
        raise Unusable("quadrant", overscan.reason)
    image = subtract_overscan(raw.image, overscan.row_level_adu)
    pixels = clipped_mean(image, clip_sigma=settings.clip_sigma)
    metrics = {"level_adu": pixels.mean, "sigma_adu": pixels.sigma, **overscan.metrics()}
    return SplitQuadrant(image, overscan, metrics)


def make_bias_master(
    frames: Frames,
    camera: Camera,
    ccdid: int,
    qid: int,
    settings: Calibration,
    earlier: EarlierMaster | None = None,
) -> Master:
    """Stack zero-exposure frames of a quadrant into its bias master (system paper 3.4.1).

    Frames are taken in order until there are `frames_max`; those that cannot be used are left out, with a reason. With
    fewer than `frames_min` left, the master has status 0.
    """
    amplifier = camera.amplifier(ccdid, qid)
    mask = static_mask(camera, ccdid, qid)

    def corrected(image: Counts, overscan: OverscanFit) -> Image:
        return subtract_overscan(image, overscan.row_level_adu)

    chosen = _choose(frames, corrected, settings.bias_level_adu, mask, camera, qid, settings)
    chosen = _without_noisy_frames(chosen, [f.pixels.sigma for f in chosen.kept], settings)
    if len(chosen.kept) < FRAMES_FEWEST:
        return _nothing(chosen, mask, camera, _too_few(chosen, settings))

    stack = trimmed_average(
        BiasRows(chosen.images, chosen.row_levels_adu),
        clip_sigma=settings.clip_sigma,
        sigma_floor=DIGITISATION_SIGMA_ADU,
    )
    noisy = _noisy(stack, np.float32(1), len(chosen.kept), mask, settings)
    mask[noisy.pixels] |= np.uint16(camera.mask_value("noisy"))

    whole = clipped_mean(stack.mean, mask, clip_sigma=settings.clip_sigma)
    metrics = {
        **_stack_metrics(stack, whole, noisy, mask, camera),
        "read_noise_e": _without_digitisation(noisy.typical) * amplifier.gain_e_per_adu,
        "read_noise_camera_e": amplifier.read_noise_e,
    }
    return _finished(stack, mask, chosen, whole.mean, settings, metrics, earlier)


def make_flat_master(
    frames: Frames,
    bias: BiasForFlat,
    camera: Camera,
    ccdid: int,
    qid: int,
    night: str,
    settings: Calibration,
    earlier: EarlierMaster | None = None,
) -> Master:
    """Stack screen flats of a quadrant and filter into its high-frequency flat (system paper 3.4.2).

    Frames are corrected exactly as science frames are (overscan, bias, linearity) and brought to a spatially trimmed
    mean of 1 without masked pixels. Frames and status: as for a bias; without a usable bias the status is 0.
    """
    a, b = camera.nonlinearity_coefficients(ccdid, qid, night)
    mask = bias.mask | static_mask(camera, ccdid, qid)
    if bias.reason:
        return _nothing(_Chosen((), ()), mask, camera, bias.reason)

    def corrected(image: Counts, overscan: OverscanFit) -> Image:
        return correct_quadrant(image, overscan.row_level_adu, bias.image, a_per_adu2=a, b_per_adu=b)

    chosen = _choose(frames, corrected, settings.flat_level_adu, mask, camera, qid, settings)
    chosen = _without_noisy_frames(chosen, [f.pixels.sigma / f.pixels.mean for f in chosen.kept], settings)
    if len(chosen.kept) < FRAMES_FEWEST:
        return _nothing(chosen, mask, camera, _too_few(chosen, settings))

    scales = [1 / level for level in chosen.levels_adu]
    level = float(np.mean(chosen.levels_adu))
    stack = trimmed_average(
        FlatRows(chosen.images, chosen.row_levels_adu, bias.image, a, b, scales),
        clip_sigma=settings.clip_sigma,
        sigma_floor=DIGITISATION_SIGMA_ADU / level,
    )
    stack, whole = _normalised(stack, mask, settings)
    noisy = _noisy(
        stack, _expected_scatter(stack.mean, level, camera.amplifier(ccdid, qid)), len(scales), mask, settings
    )
    mask[noisy.pixels] |= np.uint16(camera.mask_value("noisy"))
    mask |= response_mask(
        stack.mean,
        camera,
        dead_response_max=settings.dead_response_max,
        low_response_max=settings.low_response_max,
        high_response_min=settings.high_response_min,
    )
    metrics = _stack_metrics(stack, whole, noisy, mask, camera)
    return _finished(stack, mask, chosen, level, settings, metrics, earlier)


def _choose(
    frames: Frames,
    corrected: Callable[[Counts, OverscanFit], Image],
    level_limits_adu: tuple[float, float],
    mask: Mask,
    camera: Camera,
    qid: int,
    settings: Calibration,
) -> _Chosen:
    """The first `frames_max` frames that can be read, have an overscan, and whose trimmed mean is within limits."""
    kept: list[_Frame] = []
    rejected: list[Rejected] = []
    lowest, highest = level_limits_adu
    for name, raw in frames:
        if isinstance(raw, BadFile):
            rejected.append(Rejected(name, str(raw)))
            continue
        overscan = _floating_bias(raw, camera, qid, settings)
        if overscan.reason:
            rejected.append(Rejected(name, overscan.reason))
            continue
        pixels = clipped_mean(corrected(raw.image, overscan), mask, clip_sigma=settings.clip_sigma)
        if not lowest <= pixels.mean <= highest:
            reason = f"level {pixels.mean:.1f} DN is outside {lowest:g} to {highest:g} DN"
            rejected.append(Rejected(name, reason))
            continue
        kept.append(_Frame(name, raw.image, overscan, pixels))
        if len(kept) == settings.frames_max:
            break
    return _Chosen(tuple(kept), tuple(rejected))


def _floating_bias(raw: RawQuadrant, camera: Camera, qid: int, settings: Calibration) -> OverscanFit:
    return fit_overscan(
        raw.overscan,
        camera.raw.overscan_columns_used(qid),
        degree=settings.overscan_degree,
        clip_sigma=settings.overscan_clip_sigma,
    )


def _without_noisy_frames(chosen: _Chosen, scatter: Sequence[float], settings: Calibration) -> _Chosen:
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
    return _Chosen(tuple(kept), tuple(rejected))


def _without_digitisation(scatter_adu: float) -> float:
    return math.sqrt(max(scatter_adu**2 - DIGITISATION_SIGMA_ADU**2, 0.0))


def _expected_scatter(response: Image, level_adu: float, amplifier: Amplifier) -> Image:
    """Scatter of a pixel from flat to flat [fraction of the level]: photon and read noise at its response."""
    photon = np.maximum(response, 0) / (level_adu * amplifier.gain_e_per_adu)
    read = (amplifier.read_noise_e / (amplifier.gain_e_per_adu * level_adu)) ** 2
    return np.sqrt(photon + np.float32(read))


def _noisy(
    stack: MasterFrames, expected: Image | np.float32, n_frames: int, mask: Mask, settings: Calibration
) -> NoisyPixels:
    return find_noisy(
        stack.std_trimmed / expected,
        stack.std_all / expected,
        stack.count,
        n_frames,
        factor=settings.noisy_factor,
        false_fraction=settings.noisy_false_fraction,
        known_bad=mask != 0,
    )


def _normalised(stack: MasterFrames, mask: Mask, settings: Calibration) -> tuple[MasterFrames, ClippedMean]:
    """The stack with a spatially trimmed mean of 1 over unmasked pixels, and that mean before."""
    whole = clipped_mean(stack.mean, mask, clip_sigma=settings.clip_sigma)
    scale = np.float32(1 / whole.mean)
    scaled = {name: getattr(stack, name) * scale for name in ("mean", "uncertainty", "std_trimmed", "std_all")}
    return replace(stack, **scaled), whole


def _stack_metrics(stack: MasterFrames, whole: ClippedMean, noisy: NoisyPixels, mask: Mask, camera: Camera) -> Metrics:
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


def _finished(
    stack: MasterFrames,
    mask: Mask,
    chosen: _Chosen,
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
    reason = _too_few(chosen, settings)
    return Master(
        stack,
        mask,
        status=0 if reason else 1,
        reason=reason,
        used=tuple(frame.name for frame in chosen.kept),
        rejected=chosen.rejected,
        level_adu=level_adu,
        level_uncertainty_adu=level_uncertainty,
        metrics={**_frame_metrics(chosen), **metrics},
    )


def _nothing(chosen: _Chosen, mask: Mask, camera: Camera, reason: str) -> Master:
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
        metrics=_frame_metrics(chosen),
    )


def _too_few(chosen: _Chosen, settings: Calibration) -> str:
    used, left_out = len(chosen.kept), len(chosen.rejected)
    if used >= settings.frames_min:
        return ""
    return f"{used} usable frames of at least {settings.frames_min}; {left_out} left out"


def _frame_metrics(chosen: _Chosen) -> Metrics:
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
