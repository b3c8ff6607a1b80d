"""What workflow and process start-up add to the computing of full-size quadrants, in one allocation of a real SLURM.

One CCD of the survey's camera: a night before for masters and references, then exposures of which each quadrant gets
its science image and its difference, in one allocation with the warm worker inside. The same allocation asked for
again does nothing: that is what an allocation costs before its first job.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import ONE_THREAD, Cost, row
from benchmarks.replay import BIN, NIGHT, ROOT, prepare, steps_used

EXPOSURES, CORES, MEMORY_MB = 2, 2, 6000
JOBS_A_QUADRANT = 2
OVERHEAD_MAX = 0.10
QUADRANTS_A_MINUTE = 96
"""64 quadrants every 40 s."""
BATCH = 4
"""Exposures that an operator gives to one run by default."""


def allocation(configuration: Path, report: Path) -> dict[str, float]:
    """One allocation that makes the night's differences: its wall and processor time [s], as seen from inside."""
    words = ["--profile", "profiles/local", "--cores", str(CORES), "--configfile", str(configuration)]
    snakemake = [str(BIN / "snakemake"), *words, "--config", f"night={NIGHT}", "--", "sciimgs", "diffimgs"]
    inside = [sys.executable, "-m", "benchmarks.bench_overhead", str(report), str(BIN / "ztfpipe"), "worker", "--"]
    resources = ["--partition=realtime", f"--cpus-per-task={CORES}", f"--mem={MEMORY_MB}", "--ntasks=1"]
    begun = time.perf_counter()
    subprocess.run(["srun", *resources, *inside, *snakemake], cwd=ROOT, check=True, env={**os.environ, **ONE_THREAD})
    return json.loads(report.read_text()) | {"srun_s": time.perf_counter() - begun}


def timed(report: str, *command: str) -> None:
    """Run a command and write what it took; this is what runs in the allocation."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = {"wall_s": time.perf_counter() - begun, "cpu_s": usage.ru_utime + usage.ru_stime}
    Path(report).write_text(json.dumps(took | {"peak_mb": usage.ru_maxrss / 1024}))
    sys.exit(process.returncode)


def rows() -> list[dict[str, Any]]:
    """Overhead in processor time, and how many cores keep up with the survey."""
    _make("slurm-up")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            camera = Path(scratch, "one.yaml")
            camera.write_text(f"extends: {ROOT / 'camera' / 'ztf'}\nname: one\nccds: [10]\n")
            configuration = prepare(Path(scratch, "site"), EXPOSURES, print, str(camera))
            site = configuration.parent
            (site / "staged").rename(site / "incoming" / NIGHT)
            subprocess.run(
                [BIN / "ztfpipe", "worker", "--", BIN / "snakemake", "--profile", "profiles/local", "--configfile",
                 configuration, "--config", f"night={NIGHT}", "--", "raws", "flats"], cwd=ROOT, check=True,
            )  # fmt: skip
            before = steps_used(site, NIGHT)
            first = allocation(configuration, Path(scratch, "first.json"))
            steps = [one - two for one, two in zip(steps_used(site, NIGHT), before, strict=True)]
            empty = allocation(configuration, Path(scratch, "second.json"))
    finally:
        _make("slurm-down")
    return _rows(first, empty, *steps)


def _rows(first: dict[str, float], empty: dict[str, float], wall_s: float, cpu_s: float) -> list[dict[str, Any]]:
    quadrants = 4 * EXPOSURES
    over = first["cpu_s"] / cpu_s - 1
    jobs_s = first["cpu_s"] - cpu_s - empty["cpu_s"]
    each_s = first["cpu_s"] - empty["cpu_s"]
    cost = Cost(first["cpu_s"] / quadrants, first["peak_mb"])
    whole_s = each_s / quadrants
    # A batch keeps its cores while the graph is drawn: in those seconds they compute nothing.
    cores = math.ceil(whole_s * QUADRANTS_A_MINUTE / (60 - 60 * empty["cpu_s"] / (BATCH * 40)))
    return [
        row(
            f"{quadrants} full-size quadrants in one SLURM allocation, science image and difference, a quadrant",
            cost,
            bar=f"<= {100 * OVERHEAD_MAX:g} % beyond the steps",
            met=over <= OVERHEAD_MAX,
            note=f"{100 * over:.1f} % beyond the steps' {cpu_s / quadrants:.1f} CPU s: {empty['cpu_s']:.1f} s once for "
            f"worker, Snakemake and graph, {jobs_s / quadrants / JOBS_A_QUADRANT:.2f} s a job; srun to first program "
            f"{empty['srun_s'] - empty['wall_s']:.1f} s; cores held for {first['wall_s'] * CORES / wall_s - 1:+.0%} of "
            "the steps' wall time",
        ),
        row(
            f"cores that keep up with {QUADRANTS_A_MINUTE} full-size quadrants a minute: {cores}",
            Cost(whole_s, first["peak_mb"]),
            bar="",
            met=True,
            note=f"{whole_s:.1f} CPU s a quadrant with its jobs' start, and {empty['cpu_s']:.1f} s of waiting cores in "
            f"every batch of {BATCH} exposures; the system paper's site had 480 threads",
        ),
    ]


def _make(target: str) -> None:
    subprocess.run(["make", "--no-print-directory", target], cwd=ROOT, check=True)


if __name__ == "__main__":
    timed(*sys.argv[1:])
