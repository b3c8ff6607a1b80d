"""Sources of known flux planted into a science image, what became of them, and efficiency against magnitude.

Positions are zero-based pixels of the science image, fluxes DN of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.columns import Column

Floats = NDArray[np.float64]

PLANTED_COLUMNS = (
    Column("streak", "bool", "", "A streak; False: a point source"),
    Column("hosted", "bool", "", "On a source of the reference"),
    Column("xpos", "f8", "pix", "x position, of a streak one end; the centre of the first pixel is 1"),
    Column("ypos", "f8", "pix", "y position, of a streak one end; the centre of the first pixel is 1"),
    Column("x1", "f8", "pix", "x position of a streak's other end; NaN for a point"),
    Column("y1", "f8", "pix", "y position of a streak's other end; NaN for a point"),
    Column("flux", "f8", "DN", "Flux planted, before the noise of its photons"),
    Column("mag", "f8", "mag", "Magnitude of flux, with the zero point of the science image"),
    Column("snr", "f4", "", "flux over its noise in the difference, all that S_corr counts; of a streak as aimed"),
    Column("expected", "f4", "", "Probability to be found by the noise: Phi(snr - threshold); NaN for a streak"),
    Column("found", "bool", "", "A candidate or streak of the difference is it"),
    Column("scorr", "f4", "", "S_corr of that candidate, signal-to-noise ratio of that streak; NaN where not found"),
    Column("fluxfound", "f4", "DN", "Its flux; NaN where not found"),
    Column("sigfluxfound", "f4", "DN", "1-sigma uncertainty of fluxfound; NaN where not found"),
)


@dataclass(frozen=True)
class Points:
    """Point sources to plant, each (n,): position [px], flux [DN], whether on a source of the reference."""

    x_px: Floats
    y_px: Floats
    flux_adu: Floats
    hosted: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.x_px)


@dataclass(frozen=True)
class Lines:
    """Streaks to plant, each (n,): ends [px], flux of the whole [DN], signal-to-noise ratio aimed at."""

    x0_px: Floats
    y0_px: Floats
    x1_px: Floats
    y1_px: Floats
    flux_adu: Floats
    snr: Floats

    def __len__(self) -> int:
        return len(self.x0_px)

    @property
    def length_px(self) -> Floats:
        """Distance of the ends."""
        return np.hypot(self.x1_px - self.x0_px, self.y1_px - self.y0_px)


@dataclass(frozen=True)
class Recovered:
    """What was planted into a quadrant and what its difference gave back.

    table: PLANTED_COLUMNS by name. status: 0 when nothing could be planted or the difference with it was of no use;
    `notes` say why.
    """

    table: Mapping[str, NDArray]
    metrics: Mapping[str, float | int | str | None]
    status: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Logistic:
    """Efficiency plateau / (1 + exp((m - half_mag) / width_mag)), with one-sigma errors.

    half_mag: where half of the plateau is left. converged: False when the data do not hold a step; all is NaN then.
    """

    half_mag: float
    half_error_mag: float
    width_mag: float
    width_error_mag: float
    plateau: float
    plateau_error: float
    converged: bool

    def __call__(self, mag: Floats) -> Floats:
        return self.plateau / (1 + np.exp((np.asarray(mag) - self.half_mag) / self.width_mag))


@dataclass(frozen=True)
class Efficiency:
    """Efficiency of a night in one filter, on or off hosts.

    Per bin (n,): middle [mag], number planted and found, and how many the noise lets expect. pull: of the number found
    against that expected, in sigma of the binomial distribution.
    """

    filter: str
    hosted: bool
    quadrants: int
    mag: tuple[float, ...]
    planted: tuple[int, ...]
    found: tuple[int, ...]
    expected: tuple[float, ...]
    pull: float
    fit: Logistic
