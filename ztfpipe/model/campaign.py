"""A campaign: bounded work on many nights, done beside what is there, compared, and put in place when told to."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

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
class FringePair:
    """The structure of the sky of fringes' scale in an image, relative to the sky: old and new, float32 (my, mx), NaN
    where sources are."""

    name: str
    old: NDArray[np.float32]
    new: NDArray[np.float32]


class Pairs:
    """Old and new numbers of many units by metric: all that a comparison keeps of a million of them."""

    def __init__(self, metrics: Sequence[Metric], units: Iterable[Unit] = ()) -> None:
        self.units = 0
        self._columns = {one.name: (array("d"), array("d")) for one in metrics}
        for _ in self.gathered(units):
            pass

    def gathered(self, units: Iterable[Unit]) -> Iterator[Unit]:
        """The units, each noted as it passes."""
        for unit in units:
            self.units += 1
            for name, (old, new) in self._columns.items():
                if name in unit.old and name in unit.new:
                    old.append(unit.old[name])
                    new.append(unit.new[name])
            yield unit

    def of(self, metric: Metric) -> NDArray[np.float64]:
        """Old and new (n, 2) of the n units that have both."""
        return np.column_stack([np.array(side) for side in self._columns[metric.name]])


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
    """How a number changed over the units that have it old and new: medians or sums, and robust sigma of new - old.

    gains, losses: fractions of the units in which it became better or worse by more than `Metric.notable`.
    """

    metric: Metric
    units: int
    old: float
    new: float
    change: float
    sigma: float
    gains: float
    losses: float


@dataclass(frozen=True)
class Metric:
    """A number that is compared. better: +1 when more is better, -1 when less is, 0 when neither; notable: a change of
    a unit below this is none; summed: it counts, and all units together say more than the one in the middle."""

    name: str
    text: str
    better: int
    notable: float
    summed: bool = False
