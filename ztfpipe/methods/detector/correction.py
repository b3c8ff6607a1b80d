"""From the digitiser's integers to calibrated pixels in one pass over memory; the same pass for flats and science.

The order is overscan, bias, linearity (docs/decisions says why). Frames of a stack stay 16-bit integers in memory and
are corrected a few rows at a time.

Linearity: DN = x / (A x^2 + B x + 1) of the measured signal x above bias [DN] is what a linear detector would have
counted. A and B are the coefficients distributed for the camera (`nonlinearity` in its file); system paper 3.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.detector.correction_nb import linearise_rows, subtract_rows

Floats = NDArray[np.float64]


def subtract_overscan(image: NDArray[np.uint16], row_level_adu: Floats) -> NDArray[np.float32]:
    """The image (ny, nx) [DN] less the floating bias of its rows (ny,) [DN], as float32 [DN]."""
    out = np.empty(image.shape, np.float32)
    subtract_rows(image, row_level_adu, out)
    return out


def correct_quadrant(
    image: NDArray[np.uint16],
    row_level_adu: Floats,
    bias_adu: NDArray[np.float32],
    *,
    a_per_adu2: float,
    b_per_adu: float,
) -> NDArray[np.float32]:
    """A quadrant as a linear detector without bias would have read it: float32 (ny, nx) [DN].

    image: uint16 (ny, nx) [DN]; row_level_adu: float64 (ny,), its floating bias; bias_adu: float32 (ny, nx), the bias
    master [DN above the overscan]; A and B as above.
    """
    out = np.empty(image.shape, np.float32)
    linearise_rows(image, row_level_adu, bias_adu, a_per_adu2, b_per_adu, 1.0, out)
    return out


@dataclass(frozen=True)
class BiasRows:
    """A stack of raw biases as `stacking.Rows`: less their floating bias [DN].

    images: n of uint16 (ny, nx) [DN]; row_levels_adu: n of float64 (ny,).
    """

    images: Sequence[NDArray[np.uint16]]
    row_levels_adu: Sequence[Floats]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""
        ny, nx = self.images[0].shape
        return len(self.images), ny, nx

    def read(self, first: int, into: NDArray[np.float32]) -> None:
        """Write corrected rows first, first + 1 ... of all frames into `into` (n, rows, nx)."""
        rows = slice(first, first + into.shape[1])
        for image, level, out in zip(self.images, self.row_levels_adu, into, strict=True):
            subtract_rows(image[rows], level[rows], out)


@dataclass(frozen=True)
class FlatRows:
    """A stack of raw flats as `stacking.Rows`: less floating bias and bias master, linearised, times their scale.

    images, row_levels_adu: as in BiasRows; bias_adu: float32 (ny, nx) [DN]; scales: n factors [1/DN] that bring each
    frame's level to 1; A and B as above.
    """

    images: Sequence[NDArray[np.uint16]]
    row_levels_adu: Sequence[Floats]
    bias_adu: NDArray[np.float32]
    a_per_adu2: float
    b_per_adu: float
    scales: Sequence[float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""
        ny, nx = self.images[0].shape
        return len(self.images), ny, nx

    def read(self, first: int, into: NDArray[np.float32]) -> None:
        """Write corrected rows first, first + 1 ... of all frames into `into` (n, rows, nx)."""
        rows = slice(first, first + into.shape[1])
        a, b = self.a_per_adu2, self.b_per_adu
        for image, level, scale, out in zip(self.images, self.row_levels_adu, self.scales, into, strict=True):
            linearise_rows(image[rows], level[rows], self.bias_adu[rows], a, b, scale, out)
