"""Calibration of many nights: the frozen list of science images a version is made of, and what a night uses.

A version is named by a night: it is made of images of that night and earlier ones, and used by later nights only, so
that no image ever depends on itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.catalogs import PhotometricCalibrators, PsfCatalog
from ztfpipe.model.keys import CalibrationKey, QuadrantKey
from ztfpipe.model.science import FringesTaken, FringeTemplate

LOFREQFLAT, FRINGE = "lofreqflat", "fringe"
TEMPLATE_KINDS = (LOFREQFLAT, FRINGE)


@dataclass(frozen=True, order=True)
class TemplateFrame:
    """A science image of the list, and the versions its pixels were calibrated with (nights; empty: none)."""

    science: QuadrantKey
    lofreqflat: str = ""
    fringe: str = ""


@dataclass(frozen=True)
class TemplateFrames:
    """The images a version of a template is made of, in order of time, frozen before it is made; `candidates`: how many
    there were to choose from."""

    kind: str
    key: CalibrationKey
    frames: tuple[TemplateFrame, ...]
    candidates: int

    def earlier(self, kind: str) -> tuple[CalibrationKey, ...]:
        """The versions of `kind` that images of the list were calibrated with, oldest first."""
        nights = sorted({getattr(frame, kind) for frame in self.frames} - {""})
        return tuple(CalibrationKey(night, self.key.filter, self.key.ccdid, self.key.qid) for night in nights)


@dataclass(frozen=True)
class TemplateCandidate:
    """A science image that may join a list: its STATUS, and whether its sky was clear."""

    frame: TemplateFrame
    status: int
    clear: bool


@dataclass(frozen=True)
class SkyFrame:
    """A calibrated image to learn fringes from, sky included [DN], its mask bits, and what was taken out before.

    image_adu: float32 (ny, nx); mask: uint16 (ny, nx); taken and template: fringes taken out of it, and with which.
    """

    name: str
    image_adu: NDArray[np.float32]
    mask: NDArray[np.uint16]
    taken: FringesTaken | None = None
    template: FringeTemplate | None = None


@dataclass(frozen=True)
class StarFrame:
    """The stars of an image with the calibrators of its field, and the map (ny, nx) it was divided by, if any."""

    name: str
    stars: PsfCatalog
    calibrators: PhotometricCalibrators
    divided_by: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class MadeTemplate:
    """What a recipe made: STATUS, the reason where it is 0, frames used, frames left out with reasons, and metrics."""

    status: int
    reason: str
    used: tuple[str, ...]
    left_out: Mapping[str, str]
    metrics: Mapping[str, float | int | str | None]


@dataclass(frozen=True)
class MadeFringes(MadeTemplate):
    """A fringe template; None when STATUS is 0."""

    template: FringeTemplate | None = None


@dataclass(frozen=True)
class MadeResponsivity(MadeTemplate):
    """A low-frequency map and its error, float32 (ny, nx), median 1; all 1 and NaN when STATUS is 0."""

    response: NDArray[np.float32] = field(default_factory=lambda: np.ones((0, 0), np.float32))
    error: NDArray[np.float32] = field(default_factory=lambda: np.ones((0, 0), np.float32))
