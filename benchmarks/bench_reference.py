"""Full-size references of fifteen and forty epochs, from files to all products on disk, as the step makes them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import measure, row

EPOCHS, FEWEST = 40, 15
CPU_MAX_S, MEMORY_MAX_MB = 55.0, 3000.0


def make_inputs(folder: str, epochs: str) -> Callable[[], object]:
    """Write the step's inputs."""
    from benchmarks.reference_scenes import write_inputs

    return lambda: write_inputs(Path(folder), int(epochs)) and None


def reference_step(folder: str) -> Callable[[], object]:
    """The step; returns its record's timings and metrics."""
    from benchmarks.reference_scenes import KEY
    from ztfpipe.methods.warm import warm
    from ztfpipe.model.keys import ReferenceVersionKey
    from ztfpipe.products.names import path_of
    from ztfpipe.steps.reference.coadding import coadd

    warm()
    os.chdir(Path(folder) / "archive")
    key = ReferenceVersionKey(KEY, 1)

    def work() -> dict[str, Any]:
        coadd(path_of("vrefimg", key), Path("../settings/reference.json"), Path(path_of("refinputs", key)))
        record = json.loads(Path(path_of("vrefqa", key)).read_text())
        return {"timings_s": record["timings_s"], "status": record["status"], "metrics": record["metrics"]}

    return work


def rows() -> list[dict[str, Any]]:
    """What references cost, both catalogs included."""
    return [_row(FEWEST, ""), _row(EPOCHS, f"<= {CPU_MAX_S:.0f} CPU s, ")]


def _row(epochs: int, bar: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bench-reference-") as folder:
        measure("benchmarks.bench_reference:make_inputs", folder, str(epochs), repeats=1)
        cost = measure("benchmarks.bench_reference:reference_step", folder)
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in cost.value["timings_s"].items() if name != "wall")
    met = cost.value["status"] == 1 and cost.peak_mb <= MEMORY_MAX_MB
    return row(
        f"reference of {epochs} full-size epochs with both catalogs, the whole step",
        cost,
        bar=f"{bar}<= {MEMORY_MAX_MB:.0f} MB",
        met=met and (not bar or cost.cpu_s <= CPU_MAX_S),
        note=f"{cost.value['metrics']['npsfcat']} stars; processor: {parts}",
    )
