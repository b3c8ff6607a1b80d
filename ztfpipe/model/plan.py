"""The night's plan: all that the graph may know, frozen before it is drawn.

Acceptance, masters and reference versions are decided here and nowhere else; what can fail at run time is a product
with STATUS=0, not a change of plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ztfpipe.model.keys import CalibrationKey, QuadrantKey, RawKey, ReferenceKey, ReferenceVersionKey


@dataclass(frozen=True)
class MasterChoice:
    """Which master a quadrant and filter use tonight, and why.

    key: the master, of this night or an earlier one; None when there is none. frames: tonight's accepted quadrants, in
    order of time. made_tonight: whether the master is a target of tonight's graph. note: empty, or the sentence for
    header and report ("12 bias frames of 20; master of 20180323 used"). previous: for a master made tonight, the most
    recent earlier one, which it is compared with.
    """

    kind: str
    filter: str
    ccdid: int
    qid: int
    key: CalibrationKey | None
    frames: tuple[QuadrantKey, ...]
    made_tonight: bool
    note: str
    previous: CalibrationKey | None = None


@dataclass(frozen=True, order=True)
class TemplateChoice:
    """Which version of a template (low-frequency map, fringes) a quadrant and filter use tonight: that of `night`."""

    kind: str
    filter: str
    ccdid: int
    qid: int
    night: str

    @property
    def key(self) -> CalibrationKey:
        """Key of the version."""
        return CalibrationKey(self.night, self.filter, self.ccdid, self.qid)


@dataclass(frozen=True)
class NightPlan:
    """The accepted units of a night: raw files of every kind, science quadrants, the masters they use, and the version
    of the reference of each field, filter and quadrant that had a usable one.

    `incoming_digest` is that of the incoming folder it was made from. `templates`: versions in force when the night was
    first planned, of quadrants and filters that have any; a plan that is made again keeps them.
    """

    night: str
    camera: str
    incoming_digest: str
    science: tuple[QuadrantKey, ...]
    masters: tuple[MasterChoice, ...]
    raws: tuple[RawKey, ...]
    templates: tuple[TemplateChoice, ...] = ()
    references: tuple[ReferenceVersionKey, ...] = ()

    @cached_property
    def pinned(self) -> frozenset[ReferenceKey]:
        """The references of `references`, whatever their version: looked up for each of the night's quadrants."""
        return frozenset(one.reference for one in self.references)
