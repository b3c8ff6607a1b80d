"""The astrometric solution of a quadrant as numbers; the arithmetic is in methods/sky/projection.py."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PV_INDICES = (0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16)
"""Keyword numbers m of PVi_m that the survey's headers carry: a full quartic without the radial terms 3 and 11."""
PV_POWERS = (
    (0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2),
    (3, 0), (2, 1), (1, 2), (0, 3), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4),
)  # fmt: skip
"""Powers of (xi, eta) that PV1_m multiplies, in the order of PV_INDICES; for PV2_m the two change places."""


@dataclass(frozen=True)
class TpvWcs:
    """A gnomonic projection with TPV distortion (FITS TPV convention), ICRS.

    crval_deg: (2,) right ascension and declination of the reference point; crpix_px: (2,) its zero-based pixel (x, y),
    one less than CRPIX of a header; cd_deg: (2, 2) degrees per pixel; pv: (2, 15) distortion coefficients, row by axis,
    in the order of PV_INDICES, for intermediate coordinates in degrees.
    """

    crval_deg: NDArray[np.float64]
    crpix_px: NDArray[np.float64]
    cd_deg: NDArray[np.float64]
    pv: NDArray[np.float64]


def undistorted_pv() -> NDArray[np.float64]:
    """Coefficients (2, 15) of a plain gnomonic projection: PVi_1 is one and the others nought."""
    pv = np.zeros((2, len(PV_INDICES)))
    pv[:, 1] = 1.0
    return pv
