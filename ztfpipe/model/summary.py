"""What the night's report shows: tables of words and numbers, and images of the focal plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Cell = str | int | float | None
BETTER, WORSE = "better", "worse"
"""Cells that a page marks."""


@dataclass(frozen=True)
class Table:
    """A titled table; numbers are rounded for people by whoever shows it. text: a sentence on how to read it."""

    title: str
    text: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class FocalPlane:
    """An image of the focal plane as stored: x to the west, y to the south; NaN where there is no detector.

    image: float32 (ny, nx), averaged down by `factor`; unit: of its values; labels: (x, y, text)
    of the upper left corner of each quadrant, in pixels of the detector.
    """

    title: str
    caption: str
    unit: str
    image: NDArray[np.float32]
    factor: int
    labels: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True)
class NightSummary:
    """The night in one sentence, and its tables. complete: whether everything planned has a record."""

    night: str
    headline: str
    tables: tuple[Table, ...]
    complete: bool = True
