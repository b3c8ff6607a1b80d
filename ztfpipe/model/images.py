"""Pixels on their way: what readers hand to recipes and recipes hand to writers. Arrays are [y, x], C order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HeaderValue = str | int | float | bool | None
Cards = Mapping[str, tuple[HeaderValue, str]]
"""Header keywords with value and comment, in order."""


@dataclass(frozen=True)
class RawQuadrant:
    """A quadrant as read out, in stored orientation.

    image: uint16 (ny, nx) [DN]; overscan: uint16 (ny, n_overscan) [DN]; header: the exposure's keywords followed by the
    quadrant's, without the structural keywords of FITS.
    """

    image: NDArray[np.uint16]
    overscan: NDArray[np.uint16]
    header: Cards


@dataclass(frozen=True)
class RawCcd:
    """A CCD file in memory: the exposure's keywords and the quadrants by qid."""

    header: Cards
    quadrants: Mapping[int, RawQuadrant]


@dataclass(frozen=True)
class MasterFrames:
    """The five images of a stacked calibration master (system paper 3.4.1), each (ny, nx) float32 but `count` int16.

    mean: trimmed average; std_trimmed and std_all: scatter after and before trimming ("A" and "B"); uncertainty:
    std_trimmed / sqrt(count); count: samples that survived.
    """

    mean: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    std_trimmed: NDArray[np.float32]
    std_all: NDArray[np.float32]
    count: NDArray[np.int16]
