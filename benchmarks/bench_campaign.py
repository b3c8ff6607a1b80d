"""Planning a campaign: what it takes, what is done, and batch after batch, by number of quadrants.

The archive is made of empty files and of records: nights of 160 exposures in i among 480, of 80 fields whose references
have been pinned, with all that the quadrants are made of and the records of their old products. A batch is prepared as
a run prepares it, and its graph is then drawn by Snakemake.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bench_graph import ROOT, draw_at
from benchmarks.measure import Cost, measure, row
from ztfpipe.camera import Camera
from ztfpipe.config import Config, load_config
from ztfpipe.model.campaign import Campaign
from ztfpipe.model.campaign_kinds import FRINGE
from ztfpipe.model.keys import CalibrationKey, ExposureKey, NightKey, QuadrantKey, ReferenceVersionKey
from ztfpipe.model.plan import MasterChoice, NightPlan, TemplateChoice
from ztfpipe.model.records import QaRecord
from ztfpipe.products.accounts.campaigns import write_campaign
from ztfpipe.products.accounts.plan import write_plan
from ztfpipe.products.accounts.records import to_json
from ztfpipe.products.names import path_of
from ztfpipe.steps.operations.campaigns.comparing import compared
from ztfpipe.steps.operations.campaigns.fringe import FringeWork, Materials
from ztfpipe.steps.operations.campaigns.running import counted, run_plan

EXPOSURES, FIELDS = 160, 80
"""Of a night in i; as many in each other filter."""
FIRST = 20180401
BATCH = 2000
QUADRANT_S = 20.0
"""Processor time of a quadrant's image and difference, rounded down."""
SHARE_MAX = 0.05
"""Of that, at most, for planning it."""
LARGE = 1_000_000
LARGE_MB_MAX = 1000.0
METRICS = {f"metric_{number}": 0.123456 for number in range(40)} | {
    "pabszp": 25.5, "pabszprms": 0.03, "flatrms": 0.02, "maglimcat": 19.9, "fwhm_arcsec": 2.1, "gstddev": 12.0,
    "npsfcat": 1800.0, "ncandscimref": 12.0, "ncandrefmsci": 9.0, "diffmaglim": 19.8, "scorr_width": 1.02,
}  # fmt: skip
"""As many as a record has."""


def made(folder: str, nights: str) -> Callable[[], object]:
    """Work: none; the archive is there, and making it has cost no other process memory."""
    return lambda: len(_work(Path(folder), int(nights)).nights)


def planned(folder: str, nights: str) -> Callable[[], object]:
    """Work: say what the campaign takes; returns what it said of its units."""
    work = _work(Path(folder), int(nights))

    def plan() -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            run_plan(work.campaign, work.config, work.workspace, 1)
        return said.getvalue().splitlines()[0]

    return plan


def looked_up(folder: str, nights: str) -> Callable[[], object]:
    """Work: count what is done, as each run does first; returns the number of units."""
    work = _work(Path(folder), int(nights))
    return lambda: counted(work).total


def prepared(folder: str, nights: str) -> Callable[[], object]:
    """Work: prepare the first batch; returns the number of its units."""
    work = _work(Path(folder), int(nights))
    return lambda: len(next(work.batches(BATCH)).units)


def drawn(folder: str, nights: str) -> Callable[[], object]:
    """Work: draw the graph of the first batch; returns the number of jobs."""
    work = _work(Path(folder), int(nights))
    batch = next(work.batches(BATCH))
    asked = [f"{name}={value}" for name, value in batch.narrowing.items()]
    return draw_at(work.runs_in, asked, batch.targets)


def compare(folder: str, nights: str) -> Callable[[], object]:
    """Work: read old and new records of all units, which are the same files here; returns the number of units."""
    work = _work(Path(folder), int(nights))
    new = work.area / "sci"

    def read() -> int:
        new.symlink_to(work.archive / "sci")
        try:
            return compared(work, work.runs_in).units
        finally:
            new.unlink()

    return read


def _work(workspace: Path, nights: int) -> FringeWork:
    """The campaign of so many nights; the archive is made when it is not there."""
    camera = Camera.load("ztf")
    config = load_config(ROOT / "config.yaml", {"camera": "ztf", "workspace": str(workspace)})
    templates = tuple(TemplateChoice("fringe", "zi", *place, "20190601") for place in camera.quadrants())
    campaign = Campaign(FRINGE, "bench", "zi", _night(0), _night(nights - 1), {}, templates)
    work = FringeWork(campaign, config, workspace)
    if not work.archive.exists():
        _make(work, camera, config, nights)
    return work


def _night(index: int) -> str:
    return str(FIRST + index)


def _make(work: FringeWork, camera: Camera, config: Config, nights: int) -> None:
    """Plans, empty files, and records as second names of a few that hold them."""
    work.runs_in.mkdir(parents=True)
    write_campaign(work.runs_in, work.campaign)
    (work.area).mkdir()
    there: set[Path] = set()
    text = to_json(QaRecord("bench", "", 1, "", dict(METRICS), timings_s={"cpu": QUADRANT_S / 2}))
    for index in range(nights):
        night = _night(index)
        plan = _plan(night, camera)
        write_plan(work.archive / path_of("plan", NightKey(night)), plan)
        plan = work.plan(night)
        record = work.workspace / f"{night}.json"  # a file may have so many second names only
        record.write_text(text)
        materials = Materials(plan)
        for key in work.asked(plan):
            for path in materials.needed(key):
                _once(work.archive / path, there)
            for product in ("sciqa", "diffqa"):
                _once(work.archive / path_of(product, key), there, record)


def _once(path: Path, folders: set[Path], record: Path | None = None) -> None:
    """A file, in a folder that is made the first time; empty, or a second name of a record."""
    if path.parent not in folders:
        path.parent.mkdir(parents=True, exist_ok=True)
        folders.add(path.parent)
    if record is not None:
        os.link(record, path)
    elif not path.exists():
        path.touch()


def _plan(night: str, camera: Camera) -> NightPlan:
    """A night of three filters in turn."""
    exposures = [
        ExposureKey(f"{night}{100000 + 800 * number:06d}", 300 + number // 3 % FIELDS, code, "o")
        for number, code in ((3 * k + j, code) for k in range(EXPOSURES) for j, code in enumerate(("zg", "zr", "zi")))
    ]
    science = tuple(QuadrantKey(one, *place) for one in exposures for place in camera.quadrants())
    references = sorted({ReferenceVersionKey(key.reference, 1) for key in science if key.reference is not None})
    masters = [
        MasterChoice(kind, code, *place, CalibrationKey(night, code, *place), (), True, "")
        for place in camera.quadrants()
        for kind, code in (("bias", "00"), *(("hifreqflat", one) for one in ("zg", "zr", "zi")))
    ]
    return NightPlan(night, "ztf", "", science, tuple(masters), (), (), tuple(references))


def rows() -> list[dict[str, Any]]:
    """Two campaigns, one four times the other: what grows must grow no faster, and memory hardly at all."""
    result = []
    with tempfile.TemporaryDirectory() as scratch:
        sizes = (1, 4)
        for nights in sizes:
            measure("benchmarks.bench_campaign:made", f"{scratch}/{nights}", str(nights), repeats=1)
        for text, function in (
            ("what it takes", "planned"),
            ("what is done", "looked_up"),
            ("records old and new compared", "compare"),
        ):
            call = f"benchmarks.bench_campaign:{function}"
            costs = [measure(call, f"{scratch}/{nights}", str(nights), repeats=1) for nights in sizes]
            result += _two(text, costs, [nights * EXPOSURES * 64 for nights in sizes])
        steps = {"prepared": "its plan and links", "drawn": "its graph"}
        costs = {one: measure(f"benchmarks.bench_campaign:{one}", f"{scratch}/1", "1", repeats=1) for one in steps}
        spent = sum(one.cpu_s for one in costs.values()) / BATCH
        share = f"together {1000 * spent:.1f} ms a quadrant, {100 * spent / QUADRANT_S:.2f} % of its {QUADRANT_S:g} s"
        bar = f"together <= {SHARE_MAX * QUADRANT_S * BATCH:g} s"
        for name, text in steps.items():
            note = f"{costs[name].value} {'units' if name == 'prepared' else 'jobs'}; {share}"
            title = f"campaign: a batch of {BATCH} quadrants, {text}"
            result.append(row(title, costs[name], bar=bar, met=spent <= SHARE_MAX * QUADRANT_S, note=note))
    return result


def _two(text: str, costs: list[Cost], quadrants: list[int]) -> list[dict[str, Any]]:
    """Rows of two sizes; what a million would take goes by the time of the larger and by how the memory grew."""
    small, large = costs
    growth = max(0.0, large.peak_mb - small.peak_mb) / (quadrants[1] - quadrants[0])
    peak_mb = large.peak_mb + growth * (LARGE - quadrants[1])
    hours = large.cpu_s / quadrants[1] * LARGE / 3600
    note = (
        f"{1000 * large.cpu_s / quadrants[1]:.2f} ms a quadrant: a million take {hours:.2g} hours and {peak_mb:.0f} MB"
    )
    names = [f"campaign of {number} quadrants, {text}" for number in quadrants]
    bar = f"a million <= {LARGE_MB_MAX:g} MB"
    return [
        row(names[0], small, bar="", met=True),
        row(names[1], large, bar=bar, met=peak_mb <= LARGE_MB_MAX, note=note),
    ]
