"""Drawing the graph of a night of the full camera: processor time and memory by number of exposures.

The night is made of empty files and a plan that is current: files verified and archived, catalogs and references of 400
fields there, as on most nights, and nothing else done yet. Snakemake draws every job from there to the report and the
packets: masters of 25 biases and 25 flats per filter, science images, a difference each, tracks, planted sources.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import measure, row
from ztfpipe.camera import Camera
from ztfpipe.config import RECIPE_VERSIONS, load_config
from ztfpipe.model.keys import (
    CalibrationKey,
    ExposureKey,
    IncomingKey,
    NightKey,
    QuadrantKey,
    RawKey,
    ReferenceVersionKey,
)
from ztfpipe.model.plan import MasterChoice, NightPlan
from ztfpipe.products.accounts.arrivals import write_arrivals
from ztfpipe.products.accounts.plan import write_plan
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.arrival.incoming import incoming_digest
from ztfpipe.products.names import path_of

ROOT = Path(__file__).resolve().parents[1]
NIGHT = "20180325"
FRAMES = 25
CATALOGS = ("gaiacalibrators", "ps1calibrators", "brightstars", "gaiacontext", "ps1context")
PINNED = ("vrefimg", "vrefmsk", "vrefunc", "vrefpsfcat")
"""What a difference reads of a version of a reference."""
SPLIT_AND_MASTERS = ("splits", "biases", "flats")
AND_PACKETS = ("night", "alerts", "planted")
ONE_S_MAX, NIGHT_S_MAX, NIGHT_MB_MAX = 2.0, 240.0, 2500.0
ARRIVAL_S_MAX = 5.0
REBUILD_S_MAX = 3.0
"""One product by its path: before its first job starts."""


def draw(exposures: str, folder: str, *targets: str) -> Callable[[], object]:
    """Work: draw the graph of `targets` of a night of `exposures` in `folder`; returns the number of jobs."""
    workspace = Path(folder)
    if not (workspace / "archive").exists():
        make_night(workspace, int(exposures))
    return draw_at(workspace, [f"night={NIGHT}"], targets)


def draw_at(workspace: Path, asked: Sequence[str], targets: Sequence[str]) -> Callable[[], object]:
    """Work: a dry run of Snakemake for `targets`; returns the number of jobs. asked: more --config words."""
    command = [
        *(str(Path(sys.executable).parent / "snakemake"), "--profile", "profiles/local", "-n", "--quiet", "rules"),
        *("--config", f"workspace={workspace}", "camera=ztf", *asked, "--", *targets),
    ]

    def work() -> object:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise RuntimeError(ran.stdout + ran.stderr)
        totals = (int(line.split()[1]) for line in ran.stdout.splitlines() if line.startswith("total "))
        return next(totals, 0)

    return work


def make_night(workspace: Path, exposures: int) -> None:
    """A workspace with empty raw files of the full camera and a current plan."""
    camera = Camera.load("ztf")
    config = load_config(ROOT / "config.yaml", {"camera": "ztf", "workspace": str(workspace)})
    for section in RECIPE_VERSIONS:
        write_settings(workspace / "settings", section, config)
    science = [_exposure(200000 + 900 * i, 300 + i % 400, "zg" if i % 2 else "zr", "o") for i in range(exposures)]
    frames = {"00": [_exposure(1000 + 100 * i, 0, "bi", "b") for i in range(FRAMES)]}
    frames |= {code: [_exposure(10000 + 9000 * j + 100 * i, 0, code, "f") for i in range(FRAMES)]
               for j, code in enumerate(("zg", "zr"))}  # fmt: skip
    incoming = workspace / "incoming" / NIGHT
    incoming.mkdir(parents=True)
    raws: list[RawKey] = []
    for exposure in [*science, *(one for many in frames.values() for one in many)]:
        raws += [RawKey(exposure, ccdid) for ccdid in camera.ccds]
    for key in raws:
        Path(incoming, Path(path_of("raw", key)).name).touch()
    masters = []
    for ccdid, qid in camera.quadrants():
        for code, many in frames.items():
            key = CalibrationKey(NIGHT, code, ccdid, qid)
            used = tuple(QuadrantKey(one, ccdid, qid) for one in many)
            kind = "bias" if code == "00" else "hifreqflat"
            masters.append(MasterChoice(kind, code, ccdid, qid, key, used, True, ""))
    quadrants = tuple(QuadrantKey(one, ccdid, qid) for one in science for ccdid, qid in camera.quadrants())
    references = tuple(ReferenceVersionKey(one, 1) for one in sorted({key.reference for key in quadrants}))
    for one in references:
        for product in PINNED:
            _touch(workspace / "archive" / path_of(product, one))
    digest = incoming_digest(incoming)
    archive = workspace / "archive"
    for key in raws:
        _touch(archive / path_of("raw", key))
        _touch(archive / path_of("ingestrecord", IncomingKey(NIGHT, Path(path_of("raw", key)).name)))
    for place in {key.place for key in quadrants}:
        for product in CATALOGS:
            _touch(archive / path_of(product, place))
    write_arrivals(archive / path_of("arrived", NightKey(NIGHT)), NIGHT, digest, len(raws))
    _touch(archive / path_of("manifest", NightKey(NIGHT)))
    plan = NightPlan(NIGHT, "ztf", digest, quadrants, tuple(masters), tuple(raws), (), references)
    write_plan(workspace / "archive" / path_of("plan", NightKey(NIGHT)), plan)


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def one_exposure(folder: str, product: str) -> Callable[[], object]:
    """Work: draw the graph of a product of one exposure's 64 quadrants, asked for by path, in the night in `folder`."""
    camera = Camera.load("ztf")
    exposure = _exposure(200000, 300, "zr", "o")
    targets = [path_of(product, QuadrantKey(exposure, ccdid, qid)) for ccdid, qid in camera.quadrants()]
    return draw_at(Path(folder), [], targets)


def arrival(folder: str) -> Callable[[], object]:
    """Work: the two graphs that an operator has drawn for one exposure more; returns the jobs of the second.

    Each in a new process: in an operator's worker each is a second of imports cheaper.
    """
    night = f"night={NIGHT}"
    plan = draw_at(Path(folder), [night], ["plan"])
    images = draw_at(Path(folder), [night, f"exposure={NIGHT}200000"], ["sciimgs", "diffimgs"])
    return lambda: (plan(), images())[1]


def one_product(folder: str, product: str) -> Callable[[], object]:
    """Work: draw the graph of one product of one quadrant, asked for by path, in the night in `folder`."""
    quadrant = QuadrantKey(_exposure(200000, 300, "zr", "o"), 10, 1)
    return draw_at(Path(folder), [], [path_of(product, quadrant)])


def _exposure(fracday: int, field: int, code: str, imgtype: str) -> ExposureKey:
    return ExposureKey(f"{NIGHT}{fracday:06d}", field, code, imgtype)


def rows() -> list[dict[str, Any]]:
    """One exposure by its paths, and nights of 50, 350 and 700 exposures; the last with its bar on time and memory."""
    result = []
    with tempfile.TemporaryDirectory() as scratch:
        for exposures in (50, 350, 700):
            result.append(_night(exposures, scratch, "raw files, split quadrants and masters", *SPLIT_AND_MASTERS))
        result.append(_night(700, scratch, "all of the night with its differences", "night"))
        result.append(_night(50, scratch, "the same with packets and planted sources", *AND_PACKETS))
        for product, text in (
            ("split", "graph of 1 exposure of 700, split quadrants"),
            ("sciimg", "graph of 1 exposure of 700, science images, all masters still to be made"),
        ):
            one = measure("benchmarks.bench_graph:one_exposure", f"{scratch}/700", product)
            met = one.cpu_s <= ONE_S_MAX if product == "split" else True
            bar = f"<= {ONE_S_MAX:g} s" if product == "split" else ""
            result.append(row(text, one, bar=bar, met=met, note=f"{one.value} jobs"))
        one = measure("benchmarks.bench_graph:one_product", f"{scratch}/700", "sciimg")
        text = "graph of 1 science image of a night of 700 exposures, with its masters"
        note = f"{one.value} jobs; in a new process, of which a second is imports"
        result.append(row(text, one, bar=f"<= {REBUILD_S_MAX:g} s", met=one.cpu_s <= REBUILD_S_MAX, note=note))
        result.append(_arrival(f"{scratch}/700"))
    return result


def _arrival(folder: str) -> dict[str, Any]:
    one = measure("benchmarks.bench_graph:arrival", folder)
    text = "arrival of 1 exposure late in a night of 700: graphs of the plan and of its images and differences"
    return row(text, one, bar=f"<= {ARRIVAL_S_MAX:g} s", met=one.cpu_s <= ARRIVAL_S_MAX, note=f"{one.value} jobs")


def _night(exposures: int, scratch: str, text: str, *targets: str) -> dict[str, Any]:
    cost = measure("benchmarks.bench_graph:draw", str(exposures), f"{scratch}/{exposures}", *targets, repeats=1)
    met = exposures < 700 or (cost.cpu_s <= NIGHT_S_MAX and cost.peak_mb <= NIGHT_MB_MAX)
    bar = f"<= {NIGHT_S_MAX:g} s, {NIGHT_MB_MAX:g} MB" if exposures == 700 else ""
    note = f"{cost.value} jobs, {1000 * cost.cpu_s / cost.value:.2f} ms a job"
    return row(f"graph of {exposures} exposures, {text}", cost, bar=bar, met=met, note=note)
