"""Campaigns in the main archive: references get new versions beside the old ones, and late differences are back-filled.

What becomes of a reference or of a plan is `reference renew`, `adopt` and `backfill`'s; here it is done for many.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ztfpipe.config import Config
from ztfpipe.model.campaign import Batch, Campaign
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.reference import SUSPECT
from ztfpipe.pipelines.reference.renewal import DEEPER
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.operations.campaigns.fringe import DIFFERENCE_FILES, Units, batch_of, gathered, within
from ztfpipe.steps.reference.backfilling import add_references, late_references, nights_within
from ztfpipe.steps.reference.looking import look
from ztfpipe.steps.reference.renewal import all_references, freeze_next


@dataclass(frozen=True)
class _MainArchiveWork:
    """What makes its products in the main archive itself, beside what is in force there."""

    campaign: Campaign
    config: Config
    workspace: Path

    @property
    def runs_in(self) -> Path:
        """The workspace that Snakemake works in."""
        return self.workspace

    @property
    def archive(self) -> Path:
        """The main archive, which is also where it works."""
        return self.workspace / "archive"

    area = archive


@dataclass(frozen=True)
class BackfillWork(_MainArchiveWork):
    """Differences of images whose reference came after their night was planned; in the main archive."""

    @cached_property
    def nights(self) -> list[str]:
        """Nights of the campaign that have a plan."""
        return nights_within(self.archive, self.campaign.first, self.campaign.last)

    def begin(self) -> None:
        """Add the references that have come since to the plans of the nights."""
        with contextlib.chdir(self.archive):
            add_references(self.nights)

    def plan(self, night: str) -> NightPlan:
        """The night's plan with what `begin` adds to it."""
        plan = read_plan(self.archive / path_of("plan", NightKey(night)))
        with contextlib.chdir(self.archive):
            late = {version for _, version in late_references([night])}
        return replace(plan, references=tuple(sorted({*plan.references, *late})))

    def asked(self, plan: NightPlan) -> list[QuadrantKey]:
        """Quadrants within the filter and what the campaign is narrowed to that have a reference."""
        return [key for key in plan.science if key.reference in plan.pinned and within(key, self.campaign)]

    units = asked

    def files(self, plan: NightPlan, key: QuadrantKey) -> tuple[str, ...]:
        """Archive paths of the unit's files."""
        return tuple(path_of(product, key) for product in DIFFERENCE_FILES)

    def products(self, plan: NightPlan, key: QuadrantKey) -> tuple[str, ...]:
        """Names of the unit's products."""
        return DIFFERENCE_FILES

    def records(self, plan: NightPlan, key: QuadrantKey) -> tuple[str, ...]:
        """The record by which the unit is seen to be done."""
        return (path_of("diffqa", key),)

    def made(self, records: tuple[str, ...]) -> bool:
        """Whether the unit's difference is there."""
        return all((self.archive / path).exists() for path in records)

    def batches(self, size: int) -> Iterator[Batch]:
        """Whole exposures of a night, of up to `size` quadrants without a difference (one exposure at least)."""
        for night in self.nights:
            plan = self.plan(night)
            exposures: dict[ExposureKey, Units] = {}
            for key in self.units(plan):
                records = self.records(plan, key)
                if not self.made(records):
                    exposures.setdefault(key.exposure, {})[key] = records
            narrowed = {name: str(value) for name, value in self.campaign.narrowed.items()}
            for units in gathered(exposures, size):
                yield batch_of(night, ("diffimgs",), units, filter=self.campaign.filter, **narrowed)


@dataclass(frozen=True)
class ReferenceWork(_MainArchiveWork):
    """New versions of references, beside the versions in force; in the main archive."""

    @property
    def versions(self) -> list[ReferenceVersionKey]:
        """The new versions."""
        return [key_of(path, "vrefimg") for path in self.campaign.products]

    def batches(self, size: int) -> Iterator[Batch]:
        """Up to `size` versions that are not made yet, in order of their fields."""
        waiting = [one for one in self.versions if not self.made(self.records(one))]
        for at in range(0, len(waiting), size):
            chosen = waiting[at : at + size]
            paths = tuple(path_of("vrefimg", one) for one in chosen)
            units = {Path(path).name: self.records(one) for path, one in zip(paths, chosen, strict=True)}
            yield Batch(f"{len(chosen)} references from {paths[0]}", paths, {}, units)

    def records(self, version: ReferenceVersionKey) -> tuple[str, ...]:
        """The record by which the version is seen to be done."""
        return (path_of("vrefqa", version),)

    def made(self, records: tuple[str, ...]) -> bool:
        """Whether the version was made."""
        return all((self.archive / path).exists() for path in records)


def references_to_renew(campaign: Campaign, config: Config, archive: Path) -> list[ReferenceKey]:
    """References of the campaign's filter that are suspect with other inputs at hand, or could be deeper."""
    with contextlib.chdir(archive):
        wanted = [one for one in all_references() if _asked(one, campaign)]
        states = (SUSPECT, DEEPER)
        return [one.key.reference for one in look(config.reference, wanted) if one.standing.state in states]


def frozen_versions(campaign: Campaign, config: Config, archive: Path) -> tuple[str, ...]:
    """Freeze the inputs of a new version of each; archive paths of the versions.

    A version that waits already, frozen by hand or by a campaign that was killed here, is taken as it is.
    """
    paths = []
    with contextlib.chdir(archive):
        for known in look(config.reference, references_to_renew(campaign, config, Path())):
            waits = known.newest != known.key.version
            key = ReferenceVersionKey(known.key.reference, known.newest) if waits else None
            paths.append(path_of("vrefimg", key or freeze_next(known, config.reference)))
    return tuple(paths)


def version_in_force(archive: Path, version: ReferenceVersionKey) -> ReferenceVersionKey:
    """The version in force of the same reference."""
    number = accounts.version_in_force(archive, version.reference)
    return ReferenceVersionKey(version.reference, number or 1)


def _asked(key: ReferenceKey, campaign: Campaign) -> bool:
    values = {"field": key.field, "ccd": key.ccdid, "quadrant": key.qid}
    return key.filter == campaign.filter and all(values[name] == one for name, one in campaign.narrowed.items())
