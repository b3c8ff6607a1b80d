"""Pictures of a track: its cutouts side by side, and one after another as an animation."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Cutout = NDArray[np.float32]
ZOOM = 3
FRAME_MS = 500
_LOW_SIGMA, _HIGH_SIGMA = -2.0, 15.0
_GAP_PX = 2


def grey(cutout: Cutout) -> NDArray[np.uint8]:
    """A cutout as bytes, about its own background; what is not a number is black. North is up, east left."""
    finite = cutout[np.isfinite(cutout)]
    if not len(finite):
        return np.zeros(cutout.shape, np.uint8)
    level = float(np.median(finite))
    sigma = 1.4826 * float(np.median(np.abs(finite - level))) or 1.0
    scaled = (cutout - level - _LOW_SIGMA * sigma) / ((_HIGH_SIGMA - _LOW_SIGMA) * sigma)
    return np.nan_to_num(255 * np.clip(scaled, 0, 1)).astype(np.uint8)


def strip_png(rows: Sequence[Sequence[Cutout]]) -> bytes:
    """PNG of rows of cutouts (science above difference, say), a column a detection."""
    pictures = [[grey(one) for one in row] for row in rows if row]
    gap = np.full((pictures[0][0].shape[0], _GAP_PX), 128, np.uint8)
    lines = [np.hstack([part for one in row for part in (one, gap)][:-1]) for row in pictures]
    between = np.full((_GAP_PX, lines[0].shape[1]), 128, np.uint8)
    whole = np.vstack([part for line in lines for part in (line, between)][:-1])
    return _bytes(_larger(whole), "PNG")


def animation_gif(cutouts: Sequence[Cutout]) -> bytes:
    """GIF that shows cutouts one after another, for ever."""
    frames = [_larger(grey(one)) for one in cutouts]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0)
    return buffer.getvalue()


def _larger(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1))


def _bytes(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()
