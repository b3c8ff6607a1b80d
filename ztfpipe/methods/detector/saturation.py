"""Saturated pixels and the charge they spill along their columns, from raw counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.detector.saturation_nb import saturated_and_bled


def saturation_mask(
    counts_adu: NDArray[np.floating],
    saturation_adu: float,
    *,
    margin_adu: float,
    tail_fraction: float = 0.5,
    along_px: int = 2,
    across_px: int = 1,
) -> NDArray[np.bool_]:
    """Mask (ny, nx) of saturated pixels, their neighbours and bleed trails, in counts as read less the overscan.

    It must be taken before linearisation and flat-fielding, which move the limit from pixel to pixel. margin_adu: noise
    of a clipped pixel, by which it may fall short of saturation_adu (five times the read noise, and the error of the
    level). tail_fraction: of saturation, above which a bleed trail goes on; the trail's last pixel is partly filled,
    hence along_px more. A pixel that is not a number is not saturated.
    """
    limit = saturation_adu - margin_adu
    tail = min(tail_fraction * saturation_adu, limit)
    return saturated_and_bled(np.ascontiguousarray(counts_adu), limit, tail, along_px, across_px)
