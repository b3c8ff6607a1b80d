"""Recipe `quality`: how far a night is while it runs: done, failed, left, how fast, and when it ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from ztfpipe.model.operations import NightRecords, Row
from ztfpipe.model.summary import NightSummary, Table

RECENT_S = 1800.0
"""The pace is that of the last half hour of work: fields near the Galactic plane take longer than others."""
_SHOWN = ("seeing", "pabszp", "pabszprms", "maglimcat", "gmedian", "npsfcat", "candidates", "drbmedian", "run_s")
_HEAD = ("seeing [arcsec]", "zero point [mag]", "its RMS [mag]", "limit [mag]", "background [DN]", "sources",
         "candidates", "median drb", "run time [s]")  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """A stage: units planned, with a usable product, with STATUS 0, that failed; how many an hour; when it ends."""

    name: str
    planned: int
    usable: int
    unusable: int
    failed: int
    per_hour: float | None
    ends: datetime | None

    @property
    def left(self) -> int:
        """Units that were not tried yet, or are at work."""
        return self.planned - self.usable - self.unusable - self.failed


def progress_of(
    name: str, planned: int, status: Sequence[int], ended_unix: Sequence[float], failed: int, now: datetime
) -> Progress:
    """A stage from the records that it has. status, ended_unix: of each record, those without a time left out of the
    latter."""
    usable = sum(one == 1 for one in status)
    left = planned - len(status) - failed
    per_s = pace(ended_unix, now.timestamp())
    ends = datetime.fromtimestamp(now.timestamp() + left / per_s, UTC) if per_s and left > 0 else None
    per_hour = None if per_s is None else 3600.0 * per_s
    return Progress(name, planned, usable, len(status) - usable, failed, per_hour, ends)


def pace(ended_unix: Sequence[float], now_unix: float) -> float | None:
    """Units a second over the last half hour of work before now, idle time since the last one counted as work.

    None when too little was done to tell, or nothing for half an hour.
    """
    times = np.sort(np.asarray([one for one in ended_unix if one <= now_unix], np.float64))
    recent = times[times > now_unix - RECENT_S]
    if recent.size < 2:
        return None
    # The first one of the interval only says when it began.
    return float((recent.size - 1) / max(now_unix - recent[0], 1.0))


def running_summary(
    records: NightRecords, trends: Sequence[Row], failed: Mapping[str, Collection[str]], now: datetime
) -> NightSummary:
    """How far a night is, in tables. trends: its rows of the table of that name; failed: names of units by stage."""
    plan = records.plan
    pinned = {one.reference for one in plan.references}
    asked = [key for key in plan.science if key.reference in pinned]
    stages = []
    for name, planned, made in (
        ("Science images", len(plan.science), records.science),
        ("Differences", len(asked), {key: records.differences[key] for key in asked if key in records.differences}),
        ("Exposures with packets", len({key.exposure for key in asked}), records.alerts),
    ):
        status = [record.status for record in made.values()]
        ended = [record.ended_unix for record in made.values() if record.ended_unix]
        stages.append(progress_of(name, planned, status, ended, len(failed.get(name, ())), now))
    tables = (_stages(stages), _failed(failed), _numbers(trends))
    complete = all(one.left == 0 and not one.failed for one in stages)
    return NightSummary(plan.night, _headline(plan.night, stages, now), tuple(t for t in tables if t.rows), complete)


def _headline(night: str, stages: Sequence[Progress], now: datetime) -> str:
    ends = [one.ends for one in stages if one.ends]
    left = sum(one.left for one in stages)
    words = (
        f"Night {night} at {now:%H:%M:%S} UT: {stages[0].usable + stages[0].unusable} of {stages[0].planned} quadrants"
    )
    if not left:
        return f"{words}, nothing left"
    return f"{words}, ends about {max(ends):%Y-%m-%d %H:%M} UT" if ends else f"{words}; no pace to tell the end by"


def _stages(stages: Sequence[Progress]) -> Table:
    rows = [
        (one.name, one.planned, one.usable, one.unusable, one.failed, one.left, one.per_hour,
         f"{one.ends:%m-%d %H:%M}" if one.ends else "")
        for one in stages if one.planned
    ]  # fmt: skip
    head = ("stage", "planned", "usable", "STATUS 0", "failed", "left", "an hour", "ends, UT")
    return Table("Progress", "The pace is that of the last half hour.", head, tuple(rows))


def _failed(failed: Mapping[str, Collection[str]]) -> Table:
    rows = [(stage, name) for stage, names in failed.items() for name in sorted(names)]
    return Table(
        "Failed so far", "Their logs say why; the operator tries them once more.", ("stage", "log"), tuple(rows)
    )


def _numbers(trends: Sequence[Row]) -> Table:
    """Medians over the camera, by filter, of what there is so far."""
    rows = []
    for code in sorted({row["filter"] for row in trends}):
        group = [row for row in trends if row["filter"] == code]
        known = ([row[name] for row in group if row[name] is not None] for name in _SHOWN)
        medians = (float(np.median(values)) if values else None for values in known)
        rows.append((code, sum(row["images"] for row in group), *medians))
    return Table("So far", "Medians of the channels' medians.", ("filter", "images", *_HEAD), tuple(rows))
