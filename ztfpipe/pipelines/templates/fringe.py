"""The fringe template of a quadrant and filter, from the sky between the stars of many exposures."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ztfpipe.config import Templates
from ztfpipe.errors import BadFile
from ztfpipe.methods.detector.fringes import block_medians, fit_fringes, fringe_image, fringe_signal, learn_fringes
from ztfpipe.methods.statistics import robust
from ztfpipe.model.templates import MadeFringes, SkyFrame

Signal = NDArray[np.float32]
Frames = Iterable[tuple[str, SkyFrame | BadFile]]
"""Images by name, read one at a time; one that could not be read comes as its error."""


def make_fringe_template(frames: Frames, settings: Templates) -> MadeFringes:
    """Learn the fringes of a quadrant: put back what an earlier version took out, mask all sources and defects, divide
    the structure by the sky, and find the patterns that exposures have in common.

    Frames that cannot be used are left out with a reason; with fewer than `fringe_frames_min` the STATUS is 0.
    """
    signals, left_out = _signals(frames, settings)
    scatter = {name: robust(signal[np.isfinite(signal)]).sigma for name, signal in signals.items()}
    limit = settings.fringe_noise_max * float(np.median(list(scatter.values()))) if scatter else 0.0
    for name in [name for name, value in scatter.items() if value > limit]:
        left_out[name] = f"blocks scatter by {scatter[name]:.4f} of the sky, more than {limit:.4f}"
        del signals[name]
    used, counts = tuple(signals), {"frames_used": len(signals), "frames_left_out": len(left_out)}
    if len(used) < settings.fringe_frames_min:
        reason = f"{len(used)} usable images of {settings.fringe_frames_min}"
        return MadeFringes(0, reason, used, left_out, counts)
    stack = np.stack(list(signals.values()))
    template = learn_fringes(
        stack,
        settings.fringe_components,
        block_px=settings.fringe_block_px,
        smooth_blocks=settings.fringe_smooth_blocks,
        period_min_px=settings.fringe_period_min_px,
        window_px=settings.fringe_window_px,
        noise_factor=settings.fringe_noise_factor,
    )
    metrics: dict[str, float | int | str | None] = {**counts}
    metrics |= {f"explained_{k}": float(share) for k, share in enumerate(template.explained, 1)}
    fitted = [np.tensordot(fit_fringes(signal, template), template.components, axes=1) for signal in stack]
    metrics["fringe_rms"] = float(np.median([np.std(one) for one in fitted]))
    metrics["scatter_before"] = _typical_scatter(stack)
    metrics["scatter_after"] = _typical_scatter(stack - np.stack(fitted))
    return MadeFringes(1, "", used, left_out, metrics, template)


def _signals(frames: Frames, settings: Templates) -> tuple[dict[str, Signal], dict[str, str]]:
    """Fringe signals by name of frame, and the frames left out with reasons."""
    signals: dict[str, Signal] = {}
    left_out: dict[str, str] = {}
    for name, frame in frames:
        if isinstance(frame, BadFile):
            left_out[name] = str(frame)
            continue
        blocks = block_medians(_with_its_fringes(frame), frame.mask != 0, settings.fringe_block_px)
        free = float(np.isfinite(blocks).mean())
        sky_adu = float(np.nanmedian(blocks)) if free else 0.0
        if free < settings.fringe_blocks_min:
            left_out[name] = f"only {free:.0%} of its blocks are free of stars and defects"
        elif sky_adu <= 0:
            left_out[name] = f"its sky is {sky_adu:.1f} DN"
        else:
            signals[name] = fringe_signal(blocks, sky_adu, settings.fringe_smooth_blocks)
    return signals, left_out


def _with_its_fringes(frame: SkyFrame) -> NDArray[np.float32]:
    """The image as it was before an earlier template was subtracted."""
    if frame.taken is None or frame.template is None:
        return frame.image_adu
    strength = np.array(frame.taken.strength)
    return frame.image_adu + fringe_image(frame.template, strength, frame.taken.sky_adu, frame.image_adu.shape)


def _typical_scatter(signals: Signal) -> float:
    """Median over exposures of the scatter of their blocks, in units of the sky."""
    return float(np.median([robust(one[np.isfinite(one)]).sigma for one in signals]))
