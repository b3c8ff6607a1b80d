"""The trimmed average of a stack of frames: the five images of a calibration master (system paper 3.4.1).

Per pixel, samples further than n sigma from the median are left out. Sigma is a prior estimate: the percentile sigma
of the pixel's own samples, corrected for their small number, and never less than the quadrant's typical value. Twenty
samples give a sigma good to 22 %: without that floor one pixel in a hundred would be trimmed at less than 2.4 sigma.
A pixel that is truly noisier keeps its own, larger sigma.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.detector import stacking_nb
from ztfpipe.methods.statistics import percentile_position, percentile_sigma_expected, sorting_network
from ztfpipe.model.images import MasterFrames

BLOCK_PIXELS = 1 << 16
"""Pixels stacked at a time: the samples of 20 frames then fill 5 MB."""
TYPICAL_BLOCKS = 8
"""Blocks, spread over the image, from which the typical sigma is taken."""


class Rows(Protocol):
    """A stack of frames that is read a few rows at a time, so that it never stands in memory as float32."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""
        ...

    def read(self, first: int, into: NDArray[np.float32]) -> None:
        """Write rows first, first + 1 ... of all frames into `into` (n, rows, nx); all values finite."""
        ...


@dataclass(frozen=True)
class Cube:
    """Rows of a float32 cube (n, ny, nx) in memory."""

    values: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""
        n, ny, nx = self.values.shape
        return n, ny, nx

    def read(self, first: int, into: NDArray[np.float32]) -> None:
        """Copy rows into `into`."""
        into[...] = self.values[:, first : first + into.shape[1]]


@functools.cache
def _network(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Exchanges (k, 2) that put the samples around the percentiles 16, 50 and 84 of n in place, and where those lie.

    Those of a sorting network, without the exchanges that touch none of the wanted places.
    """
    places, fractions = zip(*(percentile_position(n, sigma) for sigma in (-1.0, 0.0, 1.0)), strict=True)
    wanted = {place + k for place in places for k in (0, 1)}
    used = []
    for i, j in sorting_network(n)[::-1].tolist():
        if i in wanted or j in wanted:
            wanted |= {i, j}
            used.append((i, j))
    return np.array(used[::-1], np.int64).reshape(-1, 2), np.array(places, np.int64), np.array(fractions)


def typical_sigma(frames: Rows) -> float:
    """Median over pixels of the percentile sigma of their samples, corrected for small numbers; unit of the frames.

    Looks at TYPICAL_BLOCKS blocks of rows spread evenly over the image.
    """
    n, ny, nx = frames.shape
    exchanges, places, fractions = _network(n)
    rows = min(ny, max(1, BLOCK_PIXELS // nx))
    firsts = np.unique(np.linspace(0, ny - rows, TYPICAL_BLOCKS).astype(int))
    block = np.empty((n, rows, nx), np.float32)
    sigma = np.empty((len(firsts), rows * nx), np.float32)
    for i, first in enumerate(firsts):
        frames.read(int(first), block)
        stacking_nb.robust_sigma(block.reshape(n, -1), exchanges, places, fractions, sigma[i])
    return float(np.median(sigma)) / percentile_sigma_expected(n)


def trimmed_average(frames: Rows, *, clip_sigma: float, sigma_floor: float = 0.0) -> MasterFrames:
    """Stack frames (n >= 3 of ny, nx) into mean, uncertainty, scatter after and before trimming, and count.

    A sample is left out when it is further than clip_sigma * sigma from its pixel's median; sigma is the pixel's
    percentile sigma, corrected for n, but at least the typical one and at least sigma_floor (the digitiser's step, in
    the unit of the frames). Scatters are sample standard deviations (n - 1). A pixel left with one sample has scatter
    and uncertainty NaN. Source: system paper 3.4.1 and 3.4.2.
    """
    n, ny, nx = frames.shape
    if n < 3:
        raise ValueError(f"a trimmed average needs at least 3 frames, not {n}")
    exchanges, places, fractions = _network(n)
    expected = percentile_sigma_expected(n)
    floor = max(typical_sigma(frames), sigma_floor)
    mean, uncertainty, std_trimmed, std_all = (np.empty((ny, nx), np.float32) for _ in range(4))
    count = np.empty((ny, nx), np.int16)
    rows = min(ny, max(1, BLOCK_PIXELS // nx))
    block = np.empty((n, rows, nx), np.float32)
    for first in range(0, ny, rows):
        last = min(first + rows, ny)
        part = block if last - first == rows else np.empty((n, last - first, nx), np.float32)
        frames.read(first, part)
        stacking_nb.trimmed_average(
            part.reshape(n, -1),
            exchanges,
            places,
            fractions,
            clip_sigma,
            1 / expected,
            floor,
            *(image[first:last].reshape(-1) for image in (mean, uncertainty, std_trimmed, std_all, count)),
        )
    return MasterFrames(mean, uncertainty, std_trimmed, std_all, count)
