"""How often parts of the sky were seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SkyMap:
    """Exposures with a usable quadrant, by HEALPix pixel.

    order: nside = 2^order, nested; pixels: int64 (n), ascending, those seen in any filter; exposures: int32 (n) by
    filter code.
    """

    order: int
    pixels: NDArray[np.int64]
    exposures: Mapping[str, NDArray[np.int32]]

    def area_deg2(self, code: str) -> float:
        """Area seen in a filter [square degrees]."""
        seen = int(np.count_nonzero(self.exposures.get(code, np.zeros(0))))
        return seen * float(np.degrees(np.degrees(4 * np.pi))) / (12 * 4**self.order)
