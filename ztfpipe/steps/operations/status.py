"""`ztfpipe status`: how far a night is, from its records and logs, while it runs or after. It changes nothing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from ztfpipe.errors import BadFile
from ztfpipe.model.keys import Key, NightKey
from ztfpipe.model.operations import NightRecords
from ztfpipe.model.summary import NightSummary
from ztfpipe.pipelines.quality.database import night_rows
from ztfpipe.pipelines.quality.running import running_summary
from ztfpipe.products.accounts.report import text_tables
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.records import paths_of, read_night
from ztfpipe.steps.workspace import archive_of, configured

LOGS = Path("../logs")
_NO_FAILURE = re.compile(r"^ztfpipe \w+ \w+: [0-9.]+ s, |; trying again in ")


def run_status(config_path: Path, workspace: Path | None, night: str) -> int:
    """`ztfpipe status --night N`: print how far it is. 0 when nothing is left or failed, else 1."""
    archive = archive_of(configured(config_path, workspace))
    if not paths_of(night, archive)[1].exists():
        raise BadFile(paths_of(night, archive)[1], f"night {night} has no plan yet")
    with contextlib.chdir(archive):
        summary = status_of(night, datetime.now(UTC))
    print(text_tables(summary))
    return 0 if summary.complete else 1


def status_of(night: str, now: datetime) -> NightSummary:
    """How far a night is. Called in the archive."""
    records = read_night(*paths_of(NightKey(night).night))
    return running_summary(records, night_rows(records)["trends"], _failed(records), now)


def _failed(records: NightRecords) -> dict[str, list[str]]:
    """Names of the logs of units that were tried and have no record, by stage.

    A job writes its last words at its end: one that is at work has an empty log, or the words of a try that it repeats.
    """
    plan = records.plan
    pinned = {one.reference for one in plan.references}
    asked = [key for key in plan.science if key.reference in pinned]
    exposures = sorted({key.exposure for key in asked})
    parts: tuple[tuple[str, str, str, Iterable[Key], Iterable[Key]], ...] = (
        ("Science images", "science", "sciimg", plan.science, records.science),
        ("Differences", "difference", "scimrefdiffimg", asked, records.differences),
        ("Exposures with packets", "alerts", "alertsqa", exposures, records.alerts),
    )
    found = {}
    for stage, pipeline, product, planned, made in parts:
        folder = LOGS / pipeline / plan.night[:4] / plan.night[4:]
        names = (f"{Path(path_of(product, key)).name}.log" for key in planned if key not in made)
        found[stage] = [str((folder / name).relative_to("..")) for name in names if _failed_in(folder / name)]
    return found


def _failed_in(log: Path) -> bool:
    """Whether the last words of a job are neither those of a success (its products are gone since) nor of a new try."""
    words = log.read_text(errors="replace").rstrip() if log.exists() else ""
    return bool(words) and not _NO_FAILURE.search(words.splitlines()[-1])
