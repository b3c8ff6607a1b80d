"""A campaign's products beside the old ones: a table, a picture and a page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ztfpipe.config import Config
from ztfpipe.errors import BadFile
from ztfpipe.methods.detector.fringes import Floats, fringes_left, structure_of_sky
from ztfpipe.model.campaign import Campaign, FringePair, Pairs, Unit
from ztfpipe.model.campaign_kinds import BACKFILL
from ztfpipe.model.keys import QuadrantKey, ReferenceVersionKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.science import FringeTemplate
from ztfpipe.model.templates import FRINGE
from ztfpipe.pipelines.operations.campaigns import METRICS, changes, comparison_summary
from ztfpipe.products.accounts.campaign_pictures import comparison_png, fringes_png
from ztfpipe.products.accounts.campaigns import Swap, campaign_folder, write_comparison
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.accounts.report import text_tables, write_report
from ztfpipe.products.formats.atomic import write_bytes
from ztfpipe.products.formats.fits import read_image
from ztfpipe.products.images.templates import read_fringes
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.campaigns.fringe import FringeWork, unit_name
from ztfpipe.steps.operations.campaigns.others import ReferenceWork, version_in_force
from ztfpipe.steps.operations.campaigns.running import counted, work_of

IMAGES_MAX = 200
"""Images whose fringes are measured, old and new: reading more would cost as much as making them."""
Looked = tuple[Floats, NDArray[np.bool_], FringeTemplate]
_CAPTIONS = {
    "comparison.png": "New against old, a point a unit, the cross at the medians; on the green side of the line the new"
    " product is better, and units that change by a notable amount are green or red. What lies far out is at the border",
    "comparison_fringes.png": "Structure of the sky of the scale of fringes, old above and new below: the images whose"
    " fringes were the strongest, in the middle, and the weakest",
}


def run_compare(campaign: Campaign, config: Config, workspace: Path) -> int:
    """Write comparison.csv, comparison.png and comparison.html into the campaign's folder, and print the table; for
    images also comparison_fringes.png.

    Raises BadFile when nothing was made, or when there is nothing old to compare with.
    """
    folder = campaign_folder(workspace, campaign.name)
    if campaign.kind == BACKFILL:
        raise BadFile(folder, "differences that were not there before have nothing to be compared with")
    work = work_of(campaign, config, workspace)
    progress = counted(work)
    if not progress.done:
        raise BadFile(folder, "nothing is made yet: there is nothing to compare")
    metrics = METRICS[campaign.kind]
    pairs = Pairs(metrics)
    fringes = Fringes(work, Swap(work.area, work.archive, folder)) if isinstance(work, FringeWork) else None
    units = _images(work, fringes, progress.done) if fringes else _references(work)
    write_comparison(folder / "comparison.csv", pairs.gathered(units), metrics)
    pictures = {"comparison.png": comparison_png(pairs, metrics)}
    if fringes and (shown := fringes.shown()):
        pictures["comparison_fringes.png"] = fringes_png(shown)
    for name, content in pictures.items():
        write_bytes(folder / name, content)
    summary = comparison_summary(campaign, progress.total, progress.done, changes(pairs, metrics))
    captions = [(_CAPTIONS[name], content) for name, content in pictures.items()]
    write_report(folder / "comparison.html", summary, captions[::-1], f"Campaign {campaign.name}")
    print(text_tables(summary), end="")
    print(f"\n{folder / 'comparison.html'}, .csv, .png")
    return 0


def compared(work: FringeWork, folder: Path) -> Pairs:
    """Old and new numbers of the images that are made, as `run_compare` gathers them."""
    pairs = Pairs(METRICS[work.campaign.kind])
    for _ in pairs.gathered(_images(work, Fringes(work, Swap(work.area, work.archive, folder)), counted(work).done)):
        pass
    return pairs


def _images(work: FringeWork, fringes: Fringes, made: int) -> Iterator[Unit]:
    """Images that are made, with their differences, one after the other; the fringes of some of them measured."""
    step, number = max(1, made // IMAGES_MAX), 0
    for night in work.nights:
        plan = work.plan(night)
        for key in work.units(plan):
            records = work.records(plan, key)
            if not work.made(records):
                continue
            old = _numbers(_old(fringes.swap, records))
            new = _numbers([work.area / path for path in records])
            if number % step == 0:
                found = fringes.measured(key)
                old, new = old | found[0], new | found[1]
            number += 1
            yield Unit(unit_name(key), old, new)


class Fringes:
    """Fringes left in images of a campaign, old and new, measured alike."""

    def __init__(self, work: FringeWork, swap: Swap) -> None:
        self.work, self.swap = work, swap
        self.templates: dict[str, FringeTemplate | None] = {}
        self.choices = {(one.ccdid, one.qid): one for one in work.campaign.templates}
        self.strengths: list[tuple[float, QuadrantKey]] = []

    def measured(self, key: QuadrantKey) -> list[dict[str, float]]:
        """Of the old image and the new one, in percent of the sky; nothing where an image is missing or has no sky."""
        found: list[dict[str, float]] = []
        for image in self._read(key):
            values = {}
            if image is not None:
                pattern, structure = fringes_left(*image)
                values = {"fringe_pattern_percent": 100 * pattern, "fringe_structure_percent": 100 * structure}
            found.append({name: value for name, value in values.items() if math.isfinite(value)})
        if all(found):
            self.strengths.append((found[0]["fringe_pattern_percent"], key))
        return found

    def shown(self) -> list[FringePair]:
        """The structure of the sky, old and new, of the images of strongest, middle and weakest fringes."""
        ranked = sorted(self.strengths, reverse=True)
        places = sorted({0, len(ranked) // 2, len(ranked) - 1} if ranked else ())
        pairs = []
        for key in (ranked[place][1] for place in places):
            images = [image for image in self._read(key) if image is not None]
            maps = [one for image in images if (one := structure_of_sky(*image)) is not None]
            if len(maps) == 2:
                pairs.append(FringePair(unit_name(key), *maps))
        return pairs

    def _read(self, key: QuadrantKey) -> list[Looked | None]:
        """Pixels, mask and template of the old image and of the new one, None for one that is missing."""
        names = [path_of(product, key) for product in ("sciimg", "mskimg")]
        sides = _old(self.swap, names), [self.work.area / name for name in names]
        return [self._one(key, *files) if all(one.exists() for one in files) else None for files in sides]

    def _one(self, key: QuadrantKey, image: Path, mask: Path) -> Looked | None:
        path = path_of(FRINGE, self.choices[key.ccdid, key.qid].key)
        if path not in self.templates:
            self.templates[path] = read_fringes(self.work.archive / path)[0]
        template = self.templates[path]
        return None if template is None else (read_image(image)[0], read_image(mask)[0] != 0, template)


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
