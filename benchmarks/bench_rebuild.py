"""One product by its path, in a night of 700 exposures in which all else is there: from the command to its job's start.

The files are empty: the job would fail, and is ended as soon as it has begun.
"""

from __future__ import annotations

import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.bench_graph import NIGHT, ROOT, make_night
from benchmarks.measure import REPEATS, Cost, row
from ztfpipe.cli.worker import held_worker
from ztfpipe.model.keys import CalibrationKey, ExposureKey, NightKey, QuadrantKey
from ztfpipe.products.names import path_of

START_S_MAX = 3.0
TIMEOUT_S = 60.0
KEY = QuadrantKey(ExposureKey(f"{NIGHT}200000", 300, "zr", "o"), 10, 1)
STEPS_THERE = (
    ("bias", "biasqa", "hifreqflat", "hifreqflatqa", "zeropoints"),
    ("sciimg", "sciqa", "known", "knownqa"),
    ("scimrefdiffimg", "diffqa"),
)
"""What is there before each of the products below is asked for, one after the other."""
ASKED = (("science image", "science", "sciimg"), ("difference", "difference", "scimrefdiffimg"),
         ("table of planted sources", "difference", "planted"))  # fmt: skip


def touch(workspace: Path, product: str) -> None:
    """An empty file of a product of the quadrant's, or of its night's, newer than all that were made before."""
    keys = {"bias": CalibrationKey(NIGHT, "00", KEY.ccdid, KEY.qid),
            "hifreqflat": CalibrationKey(NIGHT, "zr", KEY.ccdid, KEY.qid)}  # fmt: skip
    night = product in ("zeropoints", "known", "knownqa")
    key = NightKey(NIGHT) if night else keys.get(product.removesuffix("qa"), KEY)
    path = workspace / "archive" / path_of(product, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def start_s(workspace: Path, pipeline: str, product: str, environment: dict[str, str] | None) -> float:
    """Seconds by the clock from the command to the log of its job. RuntimeError if none or another runs."""
    target = path_of(product, KEY)
    logs = workspace / "logs"
    before = set(logs.rglob("*.log"))
    for path in before:
        path.unlink()
    programs = Path(sys.executable).parent
    snakemake = [programs / "ztfpipe", "snakemake"] if environment else [programs / "snakemake"]
    command: Sequence[str | Path] = [
        *(*snakemake, "--profile", "profiles/local", "--cores", "1", "--nolock", "--quiet", "all"),
        *("--config", f"workspace={workspace}", "camera=ztf", "--", target),
    ]
    wanted = logs / pipeline / NIGHT[:4] / NIGHT[4:] / f"{Path(target).name}.log"
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        run = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said, start_new_session=True)
        try:
            while not wanted.exists():
                if run.poll() is not None or time.perf_counter() - started > TIMEOUT_S:
                    said.seek(0)
                    raise RuntimeError(f"{target}: its job did not begin:\n{said.read().decode()}")
                time.sleep(0.002)
            seconds = time.perf_counter() - started
        finally:
            os.killpg(run.pid, signal.SIGTERM)
            run.wait()
    if others := set(logs.rglob("*.log")) - {wanted}:
        raise RuntimeError(f"{target}: {len(others)} other jobs have run: {others}")
    return seconds


def rows() -> list[dict[str, Any]]:
    """Each product in a new process and in a warm worker; only its own job runs."""
    result = []
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Path(scratch, "700")
        make_night(workspace, 700)
        for there, (text, pipeline, product) in zip(STEPS_THERE, ASKED, strict=True):
            for one in there:
                touch(workspace, one)
            for how, holding in (("a new process", nullcontext(None)), ("a warm worker", held_worker())):
                with holding as environment:
                    start_s(workspace, pipeline, product, environment)  # a worker's first run imports Snakemake
                    seconds = [start_s(workspace, pipeline, product, environment) for _ in range(REPEATS)]
                wall_s = statistics.median(seconds)
                result.append(
                    row(
                        f"{text} of 1 quadrant of 700 exposures, asked for by its path in {how}",
                        Cost(wall_s, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
                        bar=f"<= {START_S_MAX:g} s to its start",
                        met=wall_s <= START_S_MAX,
                        note="by the clock, from the command to the start of its job; no other job runs",
                    )
                )
    return result
