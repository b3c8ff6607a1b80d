"""All that is on record of a night, read once for the report, the database and running numbers.

A record that cannot be read counts as missing, and is named: one damaged file keeps nobody from knowing the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from ztfpipe.errors import BadFile
from ztfpipe.model.keys import Key, NightKey
from ztfpipe.model.operations import NightRecords
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.records import QaRecord
from ztfpipe.pipelines.quality.stages import record_name
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.records import read_manifest, read_record
from ztfpipe.products.names import path_of

K = TypeVar("K")
MOVING = ("detectionsqa", "tracksqa", "reportqa")


def read_night(manifest: Path, plan: Path) -> NightRecords:
    """All on record of a night, by its accounts and its plan, without which BadFile. Called in the archive."""
    chosen = read_plan(plan)
    unreadable: dict[str, str] = {}

    def read(names: Iterable[K], path: Callable[[K], str]) -> dict[K, QaRecord]:
        found = {}
        for name in names:
            where = path(name)
            try:
                found[name] = read_record(QaRecord, where)
            except BadFile as error:
                if Path(where).exists():
                    unreadable[where] = error.reason
        return found

    made = {record_name(one): one for one in chosen.masters if one.made_tonight and one.key is not None}
    night = NightKey(chosen.night)
    return NightRecords(
        manifest=read_manifest(manifest),
        plan=chosen,
        masters=read(made, lambda name: path_of(f"{made[name].kind}qa", made[name].key)),
        science=read(chosen.science, lambda key: path_of("sciqa", key)),
        differences=read(chosen.science, lambda key: path_of("diffqa", key)),
        alerts=read(sorted({key.exposure for key in chosen.science}), lambda key: path_of("alertsqa", key)),
        moving=read(MOVING, lambda name: path_of(name, night)),
        arrived_unix=_arrivals(chosen),
        unreadable=unreadable,
    )


def paths_of(night: str, archive: Path = Path()) -> tuple[Path, Path]:
    """Paths of the accounts and of the plan of a night, in the archive or below one."""
    key: Key = NightKey(night)
    return archive / path_of("manifest", key), archive / path_of("plan", key)


def _arrivals(plan: NightPlan) -> dict:
    """When the raw files of the plan's science quadrants were archived, of those that are there [s since 1970]."""
    found = {}
    for raw in {key.raw for key in plan.science}:
        path = Path(path_of("raw", raw))
        if path.exists():
            found[raw] = round(path.stat().st_mtime, 3)
    return found
