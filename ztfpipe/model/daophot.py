"""The point-spread function as DAOPHOT II keeps it: an analytic profile and tables of what it misses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PARAMETER_COUNT = {
    "GAUSSIAN": 2,
    "MOFFAT15": 3,
    "MOFFAT25": 3,
    "MOFFAT35": 3,
    "LORENTZ": 3,
    "PENNY1": 4,
    "PENNY2": 5,
}
"""Number of shape parameters of each analytic profile of DAOPHOT II, by its name in the file."""

ORDER_BY_TABLES = {0: -1, 1: 0, 3: 1, 6: 2, 10: 3}
"""Degree in position by number of tables; -1 is the bare analytic profile. Cubic tables need an edition after 2003."""


@dataclass(frozen=True)
class DaophotPsf:
    """Counts per pixel [DN] of a star of magnitude `psf_mag` (25 for one count) at an offset and a place in the frame.

    height_adu times the analytic profile `function` with `parameters` (half-widths at half maximum [px] first),
    integrated over the pixel, plus the sum of tables (n, side, side), [k, y, x], half a pixel apart, each times a
    polynomial of position; centre_px is the zero-based (x, y) of the middle of the frame, where the position is 0.
    """

    function: str
    parameters: tuple[float, ...]
    height_adu: float
    psf_mag: float
    centre_px: tuple[float, float]
    tables: NDArray[np.float64]

    @property
    def side(self) -> int:
        """Number of entries of a table along one axis."""
        return self.tables.shape[-1]

    @property
    def radius_px(self) -> float:
        """Largest offset at which the tables can be interpolated [px]."""
        return ((self.side - 1) / 2 - 1) / 2

    @property
    def flux_adu(self) -> float:
        """Flux of the star that the profile is that of."""
        return 10 ** (0.4 * (25 - self.psf_mag))
