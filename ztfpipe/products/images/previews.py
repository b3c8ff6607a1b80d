"""Preview pictures: small, grey, north up."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ztfpipe.products.formats.atomic import write_bytes

_LOW_SIGMA, _HIGH_SIGMA = -2.0, 60.0
_SOFTENING = 5.0
"""Below this many sigma the stretch is linear, above it logarithmic."""


def write_preview(
    path: str | Path, image_adu: NDArray[np.float32], sky_adu: float, scatter_adu: float, width_px: int = 768
) -> None:
    """Write a JPEG of an image: block means of about `width_px` columns, asinh stretch about the sky.

    The stored frame has x to the west and y to the south, and row 0 of a JPEG is at its top: north is up and east is
    left without any turning.
    """
    step = max(1, image_adu.shape[1] // width_px)
    ny, nx = (size // step * step for size in image_adu.shape)
    blocks = image_adu[:ny, :nx].reshape(ny // step, step, nx // step, step).mean(axis=(1, 3))
    unit = scatter_adu / step if np.isfinite(scatter_adu) and scatter_adu > 0 else 1.0
    level = sky_adu if np.isfinite(sky_adu) else 0.0
    stretched = np.arcsinh((blocks - level) / (unit * _SOFTENING))
    low, high = (np.arcsinh(sigma / _SOFTENING) for sigma in (_LOW_SIGMA, _HIGH_SIGMA))
    grey = np.clip(255 * (np.nan_to_num(stretched) - low) / (high - low), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="JPEG", quality=85)
    write_bytes(path, buffer.getvalue())
