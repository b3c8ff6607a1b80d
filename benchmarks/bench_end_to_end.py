"""One raw file of one full-size quadrant: from its arrival to the packets that a broker has confirmed, on one core.

The workspace is that of a night on which an exposure of the same field was worked on before: masters, reference,
calibrators and known bodies are there. What is timed is what an operator runs for a batch of one: a run of Snakemake
for the plan, one for science image and difference, one for names and packets, each with a warm worker that has to
start; then the publisher, to a mock cluster on the same machine.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import measure, row

ROOT = Path(__file__).resolve().parents[1]
FIRST, NIGHT = "20180325", "20180401"
EPOCHS, FRAMES = 6, 10
WALL_MAX_S = 40.0
CONFIG = {
    "camera": "quadrant",
    "calibration": {"frames_min": FRAMES},
    "reference": {"epochs_min": EPOCHS},
    # 5,000 detectable stars, and so many transients that a quadrant's packets are some dozens.
    "simulate": {"stars": {"stars_per_square_degree": 5700.0, "transients_per_square_degree": 100.0}},
}


def prepare(folder: str) -> Callable[[], object]:
    """Work: make the workspace, with one exposure of the night worked on and a second one still to come."""

    def work() -> None:
        from ztfpipe.config import load_config
        from ztfpipe.steps.simulate import simulate_night, write_catalogs

        workspace = Path(folder)
        night = {"fields": [473], "filters": ["zr"], "exposures_s": [30.0]}
        first = night | {"date": FIRST, "biases": FRAMES, "flats": FRAMES, "visits": EPOCHS}
        second = night | {"date": NIGHT, "biases": 0, "flats": 0, "visits": 2, "hours_ut": [7.0, 8.0]}
        for plan in (first, second):
            loaded = load_config(_configured(workspace, plan))
            if plan is first:
                write_catalogs(loaded)
            simulate_night(loaded, plan["date"], jobs=1)
        later = max((workspace / "incoming" / NIGHT).glob("ztf_*"))
        later.rename(workspace / later.name)
        (workspace / "incoming" / NIGHT / "sent.csv").unlink()
        for night_asked, targets in ((FIRST, ("night",)), (FIRST, ("references",)), (NIGHT, ("plan",))):
            _snakemake(workspace, night_asked, targets)
        _snakemake(workspace, NIGHT, ("sciimgs", "diffimgs"))
        _snakemake(workspace, NIGHT, ("alerts",), {"made": "true"})

    return work


def arrival(folder: str, copy: str) -> Callable[[], object]:
    """Work: the later exposure arrives in a copy of the workspace; seconds of each part by the clock, and of steps."""
    from tools.mock_cluster import mock_cluster

    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    workspace = Path(copy)
    (raw,) = workspace.glob("ztf_*")
    exposure = {"exposure": raw.name.split("_")[1]}
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    def work() -> dict[str, Any]:
        clock = [time.perf_counter()]
        raw.rename(workspace / "incoming" / NIGHT / raw.name)
        for targets, narrowing in (
            (("plan",), {}),
            (("sciimgs", "diffimgs"), exposure),
            (("alerts",), exposure | {"made": "true"}),
        ):
            _snakemake(workspace, NIGHT, targets, narrowing)
            clock.append(time.perf_counter())
        with mock_cluster() as (address, _):
            config = _configured(workspace, {}, stream={"servers": address})
            command = [Path(sys.executable).parent / "ztfpipe", "publish", "--night", NIGHT, "--config", config]
            sent = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        clock.append(time.perf_counter())
        parts = [after - before for before, after in itertools.pairwise(clock)]
        steps = {name: _seconds(workspace, exposure["exposure"], name) for name in ("sciqa", "diffqa", "alertsqa")}
        return {"wall_s": clock[-1] - clock[0], "parts_s": parts, "steps_s": steps, "sent": sent.stdout}

    return work


def _configured(workspace: Path, night: dict[str, object], **sections: object) -> Path:
    content = CONFIG | {"workspace": str(workspace)} | sections
    content["simulate"] = CONFIG["simulate"] | {"night": night}
    path = workspace / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def _snakemake(workspace: Path, night: str, targets: Sequence[str], narrowing: dict[str, str] | None = None) -> None:
    config = _configured(workspace, {})
    words = [f"{name}={value}" for name, value in {"night": night, **(narrowing or {})}.items()]
    programs = Path(sys.executable).parent
    command = [
        *(programs / "ztfpipe", "worker", "--", programs / "snakemake", "--profile", "profiles/local", "--cores", "1"),
        *("--quiet", "all", "--configfile", config, "--config", *words, "--", *targets),
    ]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RuntimeError(ran.stdout + ran.stderr)


def _seconds(workspace: Path, exposure: str, product: str) -> float:
    """By the clock, within a step on the exposure."""
    (record,) = (workspace / "archive").rglob(f"ztf_{exposure}_*_{product}.json")
    return float(json.loads(record.read_text())["timings_s"]["wall"])


def rows() -> list[dict[str, Any]]:
    """What passes between a file and its packets; processor time includes all programs that are started."""
    with tempfile.TemporaryDirectory(prefix="bench-end-") as folder:
        ready, copy = str(Path(folder, "ready")), str(Path(folder, "copy"))
        measure("benchmarks.bench_end_to_end:prepare", ready, repeats=1)
        cost = measure("benchmarks.bench_end_to_end:arrival", ready, copy)
    wall_s, parts, steps = cost.value["wall_s"], cost.value["parts_s"], cost.value["steps_s"]
    names = ("ingest and plan", "science image and difference", "names and packets", "publishing")
    shares = ", ".join(f"{name} {100 * part / wall_s:.0f} %" for name, part in zip(names, parts, strict=True))
    inside = ", ".join(f"{name.removesuffix('qa')} {seconds:.1f} s" for name, seconds in steps.items())
    how = f"{wall_s:.1f} s by the clock in the last of three; {shares}; within steps: {inside}"
    packets = cost.value["sent"].splitlines()[-1].split(",")[1]
    return [
        row(
            "a raw file of one full-size quadrant arrived, to its packets confirmed by the broker",
            cost,
            bar=f"<= {WALL_MAX_S:.0f} s by the clock, one core",
            met=wall_s <= WALL_MAX_S,
            note=f"{packets} packets; {how}",
        )
    ]
