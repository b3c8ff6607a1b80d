"""Time from calling `ztfpipe` to the first line of a step's work, in a new process and through the warm worker.

The call names a settings file that does not exist: everything a step needs is imported, and the step ends at once.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import measure, row

ZTFPIPE = str(Path(sys.executable).parent / "ztfpipe")
OUTPUT = "cal/2018/0325/bias/00/ccd10/q1/ztf_20180325_00_c10_q1_bias.fits"
CALL = [ZTFPIPE, "calibration", "bias", OUTPUT, "--settings", "none.json", "--frames", "none.fits.fz"]
COLD_S_MAX, WARM_S_MAX = 1.2, 0.2
CALLS = 20
_BAD_CALL = 2


def calls(number: str) -> Callable[[], object]:
    """Work: the call, `number` times; returns the wall time of each [s]."""

    def work() -> object:
        walls = []
        for _ in range(int(number)):
            begun = time.perf_counter()
            done = subprocess.run(CALL, capture_output=True, check=False)
            walls.append(time.perf_counter() - begun)
            if done.returncode != _BAD_CALL:
                raise RuntimeError(done.stderr.decode())
        return walls

    work()
    return work


def under_worker(number: str) -> Callable[[], object]:
    """Work: a warm worker with `calls` in it; returns the wall times."""
    command = [
        ZTFPIPE,
        "worker",
        "--",
        sys.executable,
        "-m",
        "benchmarks.probe",
        "benchmarks.bench_start:calls",
        number,
    ]

    def work() -> object:
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(ran.stdout.splitlines()[-1])

    return work


def rows() -> list[dict[str, Any]]:
    """One row for a new process, one for the warm worker; the bars are on the wall time of an undisturbed call."""
    cold = measure("benchmarks.bench_start:calls", "5")
    warm = measure("benchmarks.bench_start:under_worker", str(CALLS))
    inner = warm.value
    cold_s, warm_s = min(cold.value), min(inner["value"])
    return [
        {
            **row("start of a step, new process", cold, bar=f"<= {COLD_S_MAX} s", met=cold_s <= COLD_S_MAX),
            "cpu_s": round(cold.cpu_s / 5, 4),
            "note": f"wall: best {cold_s:.2f} s, median {statistics.median(cold.value):.2f} s",
        },
        {
            **row("start of a step, warm worker", warm, bar=f"<= {WARM_S_MAX} s", met=warm_s <= WARM_S_MAX),
            "cpu_s": round(inner["cpu_s"] / CALLS, 4),
            "note": f"wall: best {warm_s:.3f} s, median {statistics.median(inner['value']):.3f} s; CPU of the client; "
            "memory of the worker",
        },
    ]
