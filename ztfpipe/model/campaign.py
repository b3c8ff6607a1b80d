"""A campaign: bounded work on many nights, done beside what is there, compared, and put in place when told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ztfpipe.model.plan import TemplateChoice

FRINGE, REFERENCE, BACKFILL = "fringe", "reference", "backfill"
CAMPAIGN_KINDS = {
    FRINGE: "science images and differences of a filter again, with fringe templates of now",
    REFERENCE: "references that are suspect or could be deeper, as new versions",
    BACKFILL: "differences of images whose reference came later",
}


@dataclass(frozen=True)
class Campaign:
    """What was asked for and what it was frozen to.

    first, last: nights, both included. narrowed: field, ccd or quadrant to which it is limited. templates: of a fringe
    campaign, the version for each quadrant. products: of a campaign of references, archive paths of the new versions.
    """

    kind: str
    name: str
    filter: str
    first: str
    last: str
    narrowed: Mapping[str, int] = field(default_factory=dict)
    templates: tuple[TemplateChoice, ...] = ()
    products: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """One call of Snakemake: what it is asked, and the records (archive paths) by which each unit is seen to be done.

    units: by the unit's name for people, its records.
    """

    title: str
    targets: tuple[str, ...]
    narrowing: Mapping[str, str]
    units: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Unit:
    """A quadrant of an exposure, or a reference: what is on record of it, old and new (empty: nothing)."""

    name: str
    old: Mapping[str, float]
    new: Mapping[str, float]


@dataclass(frozen=True)
class Estimate:
    """What a campaign takes. sampled: units whose records it was measured from; 0 when there is none to go by."""

    units: int
    files: int
    cpu_hours: float
    terabytes: float
    sampled: int


@dataclass(frozen=True)
class Progress:
    """Units done, failed and in all; seconds worked on `worked` units since the start."""

    done: int
    failed: int
    total: int
    worked: int = 0
    seconds: float = 0.0

    @property
    def left(self) -> int:
        """Units not done and not tried."""
        return self.total - self.done - self.failed

    @property
    def seconds_left(self) -> float | None:
        """How long the units left take at the pace so far; None before there is one."""
        return self.left * self.seconds / self.worked if self.worked else None


@dataclass(frozen=True)
class Change:
    """How a number changed over the units that have it old and new: medians, and robust sigma of new - old."""

    name: str
    text: str
    units: int
    old: float
    new: float
    change: float
    sigma: float
    worse: float
    """Fraction of the units in which it became worse by more than `Metric.notable`."""


@dataclass(frozen=True)
class Metric:
    """A number that is compared. better: +1 when more is better, -1 when less is, 0 when neither; notable: a change
    below this is none."""

    name: str
    text: str
    better: int
    notable: float
