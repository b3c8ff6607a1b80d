"""Bias and flat masters of one quadrant (system paper 3.4)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ztfpipe.camera import Amplifier, Camera
from ztfpipe.config import Calibration
from ztfpipe.methods.detector.badpixels import NoisyPixels, find_noisy, response_mask, static_mask
from ztfpipe.methods.detector.correction import BiasRows, FlatRows, correct_quadrant, subtract_overscan
from ztfpipe.methods.detector.overscan import DIGITISATION_SIGMA_ADU, OverscanFit
from ztfpipe.methods.detector.stacking import trimmed_average
from ztfpipe.methods.statistics import ClippedMean, clipped_mean
from ztfpipe.model.images import MasterFrames
from ztfpipe.pipelines.calibration.frames import Chosen, Counts, Frames, Image, Mask, choose, without_noisy_frames
from ztfpipe.pipelines.calibration.verdict import (
    BiasForFlat,
    EarlierMaster,
    Master,
    finished,
    nothing,
    stack_metrics,
    too_few,
)

FRAMES_FEWEST = 3
"""With fewer frames than this there is nothing to trim, and the master's images are empty (NaN)."""


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

    chosen = choose(frames, corrected, settings.bias_level_adu, mask, camera, qid, settings)
    chosen = without_noisy_frames(chosen, [f.pixels.sigma for f in chosen.kept], settings)
    if len(chosen.kept) < FRAMES_FEWEST:
        return nothing(chosen, mask, camera, too_few(chosen, settings))

    stack = trimmed_average(
        BiasRows(chosen.images, chosen.row_levels_adu),
        clip_sigma=settings.clip_sigma,
        sigma_floor=DIGITISATION_SIGMA_ADU,
    )
    chosen = chosen.without_images()
    noisy = _noisy(stack, np.float32(1), len(chosen.kept), mask, settings)
    mask[noisy.pixels] |= np.uint16(camera.mask_value("noisy"))

    whole = clipped_mean(stack.mean, mask, clip_sigma=settings.clip_sigma)
    metrics = {
        **stack_metrics(stack, whole, noisy, mask, camera),
        "read_noise_e": _without_digitisation(noisy.typical) * amplifier.gain_e_per_adu,
        "read_noise_camera_e": amplifier.read_noise_e,
    }
    return finished(stack, mask, chosen, whole.mean, settings, metrics, earlier)


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
        return nothing(Chosen((), ()), mask, camera, bias.reason)

    def corrected(image: Counts, overscan: OverscanFit) -> Image:
        return correct_quadrant(image, overscan.row_level_adu, bias.image, a_per_adu2=a, b_per_adu=b)

    chosen = choose(frames, corrected, settings.flat_level_adu, mask, camera, qid, settings)
    chosen = without_noisy_frames(chosen, [f.pixels.sigma / f.pixels.mean for f in chosen.kept], settings)
    if len(chosen.kept) < FRAMES_FEWEST:
        return nothing(chosen, mask, camera, too_few(chosen, settings))

    scales = [1 / level for level in chosen.levels_adu]
    level = float(np.mean(chosen.levels_adu))
    stack = trimmed_average(
        FlatRows(chosen.images, chosen.row_levels_adu, bias.image, a, b, scales),
        clip_sigma=settings.clip_sigma,
        sigma_floor=DIGITISATION_SIGMA_ADU / level,
    )
    chosen = chosen.without_images()
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
    metrics = stack_metrics(stack, whole, noisy, mask, camera)
    return finished(stack, mask, chosen, level, settings, metrics, earlier)


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


def _without_digitisation(scatter_adu: float) -> float:
    return math.sqrt(max(scatter_adu**2 - DIGITISATION_SIGMA_ADU**2, 0.0))
