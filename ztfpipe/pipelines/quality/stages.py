"""Recipe `quality`: accounts of the stages from plan and records: nothing that was sent may be lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from ztfpipe.model.keys import IMAGE_TYPES, QuadrantKey
from ztfpipe.model.manifest import ACCEPTED, Manifest
from ztfpipe.model.plan import MasterChoice, NightPlan
from ztfpipe.model.records import QaRecord
from ztfpipe.model.stages import Stage
from ztfpipe.model.summary import Table

SKY = IMAGE_TYPES["o"]
"""What headers call an exposure of the sky."""

K = TypeVar("K", bound=Hashable)


def stages_of(
    manifest: Manifest,
    plan: NightPlan,
    masters: Mapping[str, QaRecord],
    science: Mapping[QuadrantKey, QaRecord],
    differences: Mapping[QuadrantKey, QaRecord],
) -> tuple[Stage, ...]:
    """Accounts of masters, science images and differences, each against what the plan asks for.

    masters: by `record_name`.
    The first stage sets the quadrants that ingest accepted against those the plan has: a plan of other files than those
    that are there shows at once.
    """
    quadrants = {
        (str(one.facts.get("filefracday")), int(one.ccdid or 0), qid)
        for one in (entry.record for entry in manifest.entries)
        if one.status == ACCEPTED and one.facts.get("imgtype") == SKY
        for qid in one.quadrants
    }
    planned = {(key.exposure.filefracday, key.ccdid, key.qid) for key in plan.science}
    unplanned = tuple(
        f"exposure {filefracday} CCD {ccdid} quadrant {qid}" for filefracday, ccdid, qid in sorted(quadrants - planned)
    )
    pinned = {one.reference for one in plan.references}
    made = [record_name(one) for one in plan.masters if one.made_tonight]
    return (
        Stage("Quadrants of the sky", len(quadrants), len(quadrants & planned), 0, unplanned),
        _stage("Masters", made, masters, str),
        _stage("Science images", plan.science, science, _quadrant_name),
        _stage("Differences", [key for key in plan.science if key.reference in pinned], differences, _quadrant_name),
    )


def headline(summary: str, stages: Sequence[Stage]) -> str:
    """The accounts in a sentence, and first of all what does not add up."""
    short = [f"{len(one.missing)} of {one.planned} {one.name.lower()}" for one in stages if not one.complete]
    return f"Without a record: {', '.join(short)}. {summary}" if short else summary


def stage_table(stages: Sequence[Stage]) -> Table:
    """Planned = usable + STATUS 0 + without a record, by stage."""
    rows = [(one.name, one.planned, one.usable, one.unusable, len(one.missing)) for one in stages if one.planned]
    text = "Every unit that was planned is in one of the three columns after it."
    return Table("Stages", text, ("stage", "planned", "usable", "STATUS 0", "without a record"), tuple(rows))


def missing_table(stages: Sequence[Stage]) -> Table:
    """Each unit without a record, by name."""
    rows = [(one.name, name) for one in stages for name in one.missing]
    text = "They failed or were not tried yet; a job that failed says why below logs/, under the name of its product."
    return Table("Without a record", text, ("stage", "unit"), tuple(rows))


def _stage(name: str, planned: Sequence[K], records: Mapping[K, QaRecord], spelt: Callable[[K], str]) -> Stage:
    there = [records[key] for key in planned if key in records]
    usable = sum(record.status == 1 for record in there)
    missing = tuple(spelt(key) for key in planned if key not in records)
    return Stage(name, len(planned), usable, len(there) - usable, missing)


def record_name(choice: MasterChoice) -> str:
    """The name by which the record of a master is looked for."""
    return f"{choice.kind} {choice.filter} {choice.ccdid} {choice.qid}"


def _quadrant_name(key: QuadrantKey) -> str:
    exposure = key.exposure
    return (
        f"exposure {exposure.filefracday} field {exposure.field} {exposure.filter} CCD {key.ccdid} quadrant {key.qid}"
    )
