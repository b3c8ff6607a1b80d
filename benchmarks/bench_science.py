"""A full-size quadrant from its raw file on disk to all science products on disk, as the step makes them."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import measure, row

MEMORY_MAX_MB, BYTES_MAX_MB = 1500, 89
CASES = {"sparse": 10.0, "dense": 14.0}
"""Processor seconds allowed: about 5,000 and 30,000 detectable stars."""


def make_inputs(folder: str, case: str) -> Callable[[], object]:
    """Expose the quadrant and write the step's inputs; the arguments of the step go to a file beside them."""
    from benchmarks.science_scenes import DENSE, SPARSE, expose_sky, sky_settings, write_inputs
    from ztfpipe.camera import Camera
    from ztfpipe.products.names import path_of

    def work() -> None:
        density = {"sparse": SPARSE, "dense": DENSE}[case]
        exposure = expose_sky(Camera.load("quadrant"), sky_settings({"stars": {"stars_per_square_degree": density}}))
        arguments = {name: str(path) for name, path in write_inputs(exposure, Path(folder)).items()}
        arguments["output"] = path_of("sciimg", exposure.key)
        (Path(folder) / "call.json").write_text(json.dumps(arguments))

    return work


def science_step(folder: str) -> Callable[[], object]:
    """The step; returns the size of the products [MB] and the processor seconds of its parts."""
    from ztfpipe.methods.warm import warm
    from ztfpipe.steps.science.quadrant import image

    warm()
    call = json.loads((Path(folder) / "call.json").read_text())
    output = call.pop("output")
    os.chdir(Path(folder) / "archive")
    products = Path(output).parent
    stem = Path(output).name.removesuffix("sciimg.fits")

    def work() -> dict[str, Any]:
        with contextlib.suppress(FileNotFoundError):
            Path(output).unlink()
        image(output, **{name: Path(path) for name, path in call.items()})
        files = list(products.glob(f"{stem}*"))
        record = json.loads((products / f"{stem}sciqa.json").read_text())
        return {"mb": sum(path.stat().st_size for path in files) / 1e6, "timings_s": record["timings_s"]}

    return work


def rows() -> list[dict[str, Any]]:
    """What a sparse and a dense quadrant cost."""
    table = []
    for case, allowed_s in CASES.items():
        with tempfile.TemporaryDirectory(prefix="bench-science-") as folder:
            measure("benchmarks.bench_science:make_inputs", folder, case, repeats=1)
            cost = measure("benchmarks.bench_science:science_step", folder)
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in cost.value["timings_s"].items())
        table.append(
            row(
                f"science products of a {case} full-size quadrant, the whole step",
                cost,
                bar=f"<= {allowed_s:.0f} CPU s, <= {MEMORY_MAX_MB} MB, <= {BYTES_MAX_MB} MB of products",
                met=cost.cpu_s <= allowed_s and cost.peak_mb <= MEMORY_MAX_MB and cost.value["mb"] <= BYTES_MAX_MB,
                note=f"{cost.value['mb']:.0f} MB of products; processor: {parts}",
            )
        )
    return table
