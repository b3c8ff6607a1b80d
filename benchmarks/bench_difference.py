"""What the difference of a full-size quadrant costs, method by method, and what other programs cost."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import measure, row

MEMORY_MAX_MB = 2000
CASES = {"sparse": 5_000, "dense": 30_000}
PEERS = (
    "others on a pair of this size and kind (processor s; peak MB), measured once on one core of an AMD EPYC: PyZOGY "
    "55.7; 3,098, properimage 75.5; 4,664, sfft 56.8; 11,376, HOTPANTS 6.9; 497"
)


def make_pair(path: str, count: str) -> Callable[[], object]:
    """Draw, expose and measure a pair, and keep it in a file."""
    import numpy as np

    from benchmarks.difference_scenes import SHAPE, Epoch, make_sky, take, turbulence

    def work() -> None:
        rng = np.random.default_rng(7)
        sky = make_sky(rng, int(count))
        pair = (
            take(sky, Epoch(2.3, 200.0, 0.9), rng, turbulence(rng, 0.004, SHAPE)),
            take(sky, Epoch(2.0, 120.0, 1.0, 20), rng, turbulence(rng, 0.0, SHAPE)),
        )
        Path(path).write_bytes(pickle.dumps(pair))

    return work


def difference_of(path: str) -> Callable[[], object]:
    """Everything from two images on one grid to candidates and streaks; returns seconds by stage."""
    import time

    from benchmarks.difference_pairs import subtract_taken
    from ztfpipe.methods.difference.streaks import find_streaks
    from ztfpipe.methods.warm import warm

    warm()
    science, reference = pickle.loads(Path(path).read_bytes())

    def work() -> dict[str, float]:
        result = subtract_taken(science, reference)
        started = time.process_time()
        find_streaks(result.difference)
        return {**result.cpu_s, "streaks": time.process_time() - started}

    return work


def make_products(path: str, density: str) -> Callable[[], object]:
    """Two exposures of a field by the synthetic camera through the science recipe, kept in a file."""
    from benchmarks.difference_pairs import stored_of
    from benchmarks.science_scenes import expose_sky, sky_settings
    from ztfpipe.camera import Camera

    def work() -> None:
        camera = Camera.load("quadrant")
        settings = sky_settings({
            "night": {"visits": 2, "exposures_s": [30.0, 30.0]}, "stars": {"stars_per_square_degree": float(density)},
        })  # fmt: skip
        exposures = [expose_sky(camera, settings, k) for k in (0, 1)]
        Path(path).write_bytes(pickle.dumps([stored_of(one.science(), camera, one.gain) for one in exposures]))

    return work


def recipe_of(path: str) -> Callable[[], object]:
    """The whole recipe, streaks and all; returns what it found."""
    from ztfpipe.camera import Camera
    from ztfpipe.config import Difference
    from ztfpipe.methods.warm import warm
    from ztfpipe.pipelines.difference.recipe import make_difference

    warm()
    pair, camera = pickle.loads(Path(path).read_bytes()), Camera.load("quadrant")

    def work() -> dict[str, float | int]:
        made = make_difference(*pair, camera, Difference())
        count = 0 if made.candidates is None else len(made.candidates)
        return {"status": made.status, "candidates": count, "width of S_corr": round(made.metrics["scorr_width"], 4)}

    return work


def recipe_rows() -> list[dict[str, Any]]:
    """The recipe on sparse and dense exposures, the second playing reference."""
    from benchmarks.science_scenes import DENSE, SPARSE

    table = []
    for case, density, bar_s in (("sparse", SPARSE, 10), ("dense", DENSE, 13)):
        with tempfile.TemporaryDirectory(prefix="bench-difference-") as folder:
            path = str(Path(folder) / "pair")
            measure("benchmarks.bench_difference:make_products", path, str(density), repeats=1)
            cost = measure("benchmarks.bench_difference:recipe_of", path)
        table.append(
            row(
                f"the recipe of differences on a {case} full-size quadrant, from products in memory",
                cost,
                bar=f"<= {bar_s} CPU s, <= {MEMORY_MAX_MB} MB",
                met=cost.cpu_s <= bar_s and cost.peak_mb <= MEMORY_MAX_MB,
                note=", ".join(f"{name} {value}" for name, value in cost.value.items()),
            )
        )
    return table


def rows() -> list[dict[str, Any]]:
    """A sparse and a dense pair."""
    table = []
    for case, count in CASES.items():
        with tempfile.TemporaryDirectory(prefix="bench-difference-") as folder:
            path = str(Path(folder) / "pair")
            measure("benchmarks.bench_difference:make_pair", path, str(count), repeats=1)
            cost = measure("benchmarks.bench_difference:difference_of", path)
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in cost.value.items())
        table.append(
            row(
                f"difference, candidates and streaks of a {case} full-size quadrant, images on one grid in memory",
                cost,
                bar=f"<= 6 CPU s, <= {MEMORY_MAX_MB} MB",
                met=cost.cpu_s <= 6 and cost.peak_mb <= MEMORY_MAX_MB,
                note=f"processor: {parts}; {PEERS}",
            )
        )
    return table + recipe_rows()
