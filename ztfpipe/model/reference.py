"""Which epochs a reference is made of: candidates and what is known of them, the choice, the frozen list of inputs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields

from ztfpipe.model.keys import QuadrantKey, ReferenceKey, ReferenceVersionKey

READY, MADE, WAITING = "ready", "has one", "too few epochs"
"""States of a field's quadrant and filter at the end of a night."""
SUSPECT, UPDATABLE = "suspect", "potentially updatable"
"""States of those whose reference is suspect: with enough other epochs to make it again, and without."""


@dataclass(frozen=True)
class Epoch:
    """A science image as a candidate input, from its QA record; NaN where a number was not measured.

    flatness: of its zero point over 3 x 3 cells, against PS1. standard_zero_point: at 30 s and without air; no
    criterion, but what the zero points of nights after are compared with.
    """

    key: QuadrantKey
    status: int
    fwhm_arcsec: float
    zero_point_mag: float
    colour_coefficient: float
    limiting_mag: float
    background_adu: float
    noise_adu: float
    flatness_rms_mag: float
    flatness_range_mag: float
    standard_zero_point_mag: float = math.nan

    @property
    def reference(self) -> ReferenceKey:
        """The field, filter and quadrant it is an epoch of."""
        return self.key.reference


EPOCH_NUMBERS = tuple(one.name for one in fields(Epoch) if one.name not in ("key", "status"))
"""What is known of an epoch in numbers: the columns of its table."""


@dataclass(frozen=True)
class Rejection:
    """Why an epoch is not an input: the names of the criteria it fails, and a sentence for each."""

    epoch: Epoch
    criteria: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """The choice of inputs: `chosen` in ascending FWHM, and every other epoch with its reasons.

    enough: whether there are as many as a reference needs; epochs_min: that number.
    """

    chosen: tuple[Epoch, ...]
    rejected: tuple[Rejection, ...]
    epochs_min: int

    @property
    def enough(self) -> bool:
        return len(self.chosen) >= self.epochs_min

    @property
    def counts(self) -> dict[str, int]:
        """Number of epochs that fail each criterion; one may fail several."""
        return dict(Counter(name for one in self.rejected for name in one.criteria))


@dataclass(frozen=True)
class FrozenInputs:
    """The inputs of one version of a reference, written once and never changed.

    night: of the check that froze it, YYYYMMDD, or of the newest epoch known when it was renewed; why: the occasion, a
    sentence; settings: the section in force, with which the version is made whenever it is made.
    """

    key: ReferenceVersionKey
    night: str
    why: str
    selection: Selection
    settings: Mapping[str, object]


@dataclass(frozen=True)
class Candidate:
    """A line of the night's list: a field's quadrant and filter that was observed, and how it stands."""

    reference: ReferenceKey
    state: str
    version: int | None
    good: int
    seen: int
    counts: Mapping[str, int]
