"""What nights take of the disk, and whether the next one finds room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from ztfpipe.config import Config
from ztfpipe.model.housekeeping import DiskUse
from ztfpipe.model.keys import NightKey
from ztfpipe.model.summary import NightSummary, Table
from ztfpipe.pipelines.operations.housekeeping import GB, disk_sentence, disk_table
from ztfpipe.products.accounts.campaigns import size_of
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.report import text_tables
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.campaigns.fringe import DIFFERENCE_FILES, IMAGE_FILES
from ztfpipe.steps.reference.backfilling import nights_within
from ztfpipe.steps.workspace import archive_of, configured

SAMPLED = 50
"""Quadrants of a night by which it is weighed."""


def run_disk(config_path: Path, workspace: Path | None, first: str | None, last: str | None) -> int:
    """`ztfpipe disk`: print what nights take, against the budget, and what is free. 1 when a night is above it."""
    config = configured(config_path, workspace)
    place = archive_of(config).parent
    nights = nights_within(place / "archive", first, last)
    uses = [use_of(place / "archive", night) for night in nights[-config.operations.disk_nights :]]
    budget = config.quality.night_budget_gb
    table = disk_table(uses, budget, shutil.disk_usage(place).free)
    print(text_tables(NightSummary("", table.text, (table,))), end="")
    print(expected(config, place))
    return int(any(one.total / GB > budget for one in uses))


def report_table(archive: Path, night: str, budget_gb: float) -> Table:
    """The table of the night's report."""
    return disk_table([use_of(archive, night)], budget_gb, shutil.disk_usage(archive).free)


def use_of(archive: Path, night: str) -> DiskUse:
    """What a night takes: its folders of the archive, each with all that is in it."""
    date = Path(night[:4], night[4:])
    folders = {name: [archive / name / date] for name in ("raw", "cal", "sci")}
    folders["ops"] = list(archive.glob(f"ops/*/{date}"))
    return DiskUse(night, {name: sum(map(_size, places)) for name, places in folders.items()})


def expected(config: Config, workspace: Path) -> str:
    """What a night needs and what there is, as a sentence; see `needed_bytes`."""
    needed, source = needed_bytes(config, workspace / "archive")
    return disk_sentence(needed, source, shutil.disk_usage(workspace).free)


def needed_bytes(config: Config, archive: Path) -> tuple[float, str]:
    """What a night is expected to take, and by what: the largest of the last ones with a margin, or the budget.

    A night is weighed by its plan and a sample of its files, so that it is quick.
    """
    settings = config.operations
    nights = nights_within(archive, None, None)[-settings.disk_nights :]
    weights = {night: weight for night in nights if (weight := _weight(archive, night))}
    if not weights:
        return config.quality.night_budget_gb * GB, "the budget; no night is on record"
    largest = max(weights, key=lambda night: weights[night])
    return settings.disk_margin * weights[largest], f"{settings.disk_margin:g} times that of {largest}"


def _weight(archive: Path, night: str) -> float:
    plan = read_plan(archive / path_of("plan", NightKey(night)))
    raws = _mean([size_of(archive, [path_of("raw", one)]) for one in _sample(plan.raws)])
    units = [[path_of(name, key) for name in (*IMAGE_FILES, *DIFFERENCE_FILES)] for key in _sample(plan.science)]
    return raws * len(plan.raws) + _mean([size_of(archive, paths) for paths in units]) * len(plan.science)


def _sample(keys: Sequence) -> Sequence:
    return keys[:: max(1, len(keys) // SAMPLED)]


def _mean(sizes: Iterable[int]) -> float:
    sizes = list(sizes)
    return sum(sizes) / len(sizes) if sizes else 0.0


def _size(folder: Path) -> int:
    """Bytes of all files below a folder; files that go meanwhile do not count."""
    total = 0
    waiting = [folder] if folder.is_dir() else []
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total
