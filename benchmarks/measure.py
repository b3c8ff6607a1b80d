"""Processor time and peak memory of a piece of work, each repeat in a process of its own; medians of three."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

REPEATS = 3
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Cost:
    """Median over repeats: processor seconds of the work, peak resident memory [MB] of its process, preparation and
    imports included; `value` is what the work of the last repeat returned, if JSON can hold it."""

    cpu_s: float
    peak_mb: float
    value: Any = None


def measure(function: str, *arguments: str, repeats: int = REPEATS) -> Cost:
    """Cost of the work that `function` ("package.module:name", called with string arguments) prepares and returns.

    The function does all that shall not be timed and returns a callable without arguments, which is timed once.
    """
    costs = []
    for _ in range(repeats):
        command = [sys.executable, "-m", "benchmarks.probe", function, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **ONE_THREAD})
        if ran.returncode != 0:
            raise RuntimeError(f"{function} failed:\n{ran.stderr}")
        costs.append(json.loads(ran.stdout.splitlines()[-1]))
    return Cost(
        statistics.median(cost["cpu_s"] for cost in costs),
        statistics.median(cost["peak_mb"] for cost in costs),
        costs[-1]["value"],
    )


def row(
    name: str,
    ours: Cost,
    *,
    bar: str,
    met: bool,
    peer: str = "",
    theirs: Cost | None = None,
    note: str = "",
) -> dict[str, Any]:
    """One line of the table; ratio: the peer's processor time over ours."""
    return {
        "name": name,
        "cpu_s": round(ours.cpu_s, 4),
        "peak_mb": round(ours.peak_mb),
        "peer": peer,
        "peer_cpu_s": round(theirs.cpu_s, 4) if theirs else None,
        "peer_peak_mb": round(theirs.peak_mb) if theirs else None,
        "ratio": round(theirs.cpu_s / ours.cpu_s, 2) if theirs else None,
        "bar": bar,
        "met": bool(met),
        "note": note,
    }
