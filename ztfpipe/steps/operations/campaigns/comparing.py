"""A campaign's products beside the old ones: a table, a picture and a page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from ztfpipe.config import Config
from ztfpipe.errors import BadFile
from ztfpipe.methods.detector.fringes import fringes_left
from ztfpipe.model.campaign import BACKFILL, Campaign, Unit
from ztfpipe.model.keys import QuadrantKey, ReferenceVersionKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.science import FringeTemplate
from ztfpipe.model.templates import FRINGE
from ztfpipe.pipelines.operations.campaigns import METRICS, changes, comparison_summary
from ztfpipe.products.accounts.campaign_pictures import comparison_png
from ztfpipe.products.accounts.campaigns import Swap, campaign_folder, write_comparison
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.accounts.report import text_tables, write_report
from ztfpipe.products.formats.atomic import write_bytes
from ztfpipe.products.formats.fits import read_image
from ztfpipe.products.images.templates import read_fringes
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.campaigns.fringe import FringeWork, unit_name
from ztfpipe.steps.operations.campaigns.others import ReferenceWork, version_in_force
from ztfpipe.steps.operations.campaigns.running import Work, work_of

IMAGES_MAX = 200
"""Images whose fringes are measured, old and new: reading more would cost as much as making them."""


def run_compare(campaign: Campaign, config: Config, workspace: Path) -> int:
    """Write comparison.csv, comparison.png and comparison.html into the campaign's folder, and print the table.

    Raises BadFile when nothing was made, or when there is nothing old to compare with.
    """
    folder = campaign_folder(workspace, campaign.name)
    if campaign.kind == BACKFILL:
        raise BadFile(folder, "differences that were not there before have nothing to be compared with")
    work = work_of(campaign, config, workspace)
    total, units = compared(work, folder)
    if not units:
        raise BadFile(folder, "nothing is made yet: there is nothing to compare")
    metrics = METRICS[campaign.kind]
    summary = comparison_summary(campaign, total, len(units), changes(units, metrics))
    picture = comparison_png(units, metrics)
    write_comparison(folder / "comparison.csv", units, metrics)
    write_bytes(folder / "comparison.png", picture)
    write_report(folder / "comparison.html", summary, [("New against old, a point a unit", picture)])
    print(text_tables(summary), end="")
    print(f"\n{folder / 'comparison.html'}, .csv, .png")
    return 0


def compared(work: Work, folder: Path) -> tuple[int, list[Unit]]:
    """How many units the campaign has, and those that are made, with their numbers."""
    if isinstance(work, ReferenceWork):
        return len(work.versions), list(_references(work))
    assert isinstance(work, FringeWork)
    swap = Swap(work.area, work.archive, folder)
    found = []
    for night in work.nights:
        plan = work.plan(night)
        found += [(key, records) for key in work.units(plan) if (records := work.records(plan, key))]
    made = [(key, records) for key, records in found if work.made(records)]
    step = max(1, len(made) // IMAGES_MAX)
    looked_at = {key for key, _ in made[::step]}
    units = []
    fringes = _Fringes(work, swap)
    for key, records in made:
        old, new = _numbers(_old(swap, records)), _numbers([work.area / path for path in records])
        if key in looked_at:
            old, new = old | fringes.measured(key, new=False), new | fringes.measured(key, new=True)
        units.append(Unit(unit_name(key), old, new))
    return len(found), units


class _Fringes:
    """Fringes left in images of a campaign, old and new, measured alike."""

    def __init__(self, work: FringeWork, swap: Swap) -> None:
        self.work, self.swap = work, swap
        self.templates: dict[str, FringeTemplate | None] = {}
        self.choices = {(one.ccdid, one.qid): one for one in work.campaign.templates}

    def measured(self, key: QuadrantKey, *, new: bool) -> dict[str, float]:
        """In percent of the sky; nothing where an image is missing or has no sky."""
        path = path_of(FRINGE, self.choices[key.ccdid, key.qid].key)
        if path not in self.templates:
            self.templates[path] = read_fringes(self.work.archive / path)[0]
        template = self.templates[path]
        names = [path_of(product, key) for product in ("sciimg", "mskimg")]
        files = [self.work.area / name for name in names] if new else _old(self.swap, names)
        if template is None or not all(one.exists() for one in files):
            return {}
        image, mask = (read_image(one)[0] for one in files)
        pattern, structure = fringes_left(image, mask != 0, template)
        values = {"fringe_pattern_percent": 100 * pattern, "fringe_structure_percent": 100 * structure}
        return {name: value for name, value in values.items() if math.isfinite(value)}


def _old(swap: Swap, paths: tuple[str, ...] | list[str]) -> list[Path]:
    """Where the old files are: kept aside once they were replaced."""
    return [kept if (kept := swap.kept / path).exists() else swap.archive / path for path in paths]


def _references(work: ReferenceWork) -> Iterator[Unit]:
    """New versions beside those they follow, which is in force until the new one is."""
    for version in work.versions:
        record = path_of("vrefqa", version)
        if work.made(work.records(version)):
            in_force = version_in_force(work.archive, version)
            before = in_force
            if in_force == version:  # adopted already: the one before it
                before = ReferenceVersionKey(version.reference, max(1, version.version - 1))
            old = path_of("vrefqa", before)
            yield Unit(Path(record).name, _numbers([work.archive / old]), _numbers([work.archive / record]))


def _numbers(records: list[Path]) -> dict[str, float]:
    """Numbers of the records that are there; `status` is 1 when all of them are usable."""
    found: dict[str, float] = {}
    for path in records:
        if path.exists():
            record = read_record(QaRecord, path)
            found |= {name: float(value) for name, value in record.metrics.items() if isinstance(value, int | float)}
            found["status"] = float(min(found.get("status", 1), record.status))
    return found
