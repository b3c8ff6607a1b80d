"""A bias and a flat master of a full-size quadrant, as their steps make them: from compressed raw files to products."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import measure, row

FRAMES, CCDID, QID = 20, 10, 1


def make_night(folder: str) -> Callable[[], object]:
    """Write the raw biases and flats of a night, and the settings file."""
    from benchmarks.validate_calibration import FILTER
    from ztfpipe.camera import Camera
    from ztfpipe.config import Config, Simulate
    from ztfpipe.model.keys import RawKey
    from ztfpipe.products.accounts.settings import write_settings
    from ztfpipe.products.arrival.raw import write_raw_ccd
    from ztfpipe.products.names import path_of
    from ztfpipe.simulate.frames import bias_ccd, flat_ccd
    from ztfpipe.simulate.night import plan_night
    from ztfpipe.simulate.pixels.detector import Shot

    camera = Camera.load("quadrant")
    settings = Simulate.model_validate({"night": {"biases": FRAMES, "flats": FRAMES, "filters": [FILTER], "visits": 0}})
    root = Path(folder)
    write_settings(root / "settings", "calibration", Config(camera="quadrant", workspace=folder))

    def work() -> list[str]:
        paths = []
        for plan in plan_night(settings, camera):
            shot = Shot(camera, settings.detector, settings.noise_seed, plan, CCDID)
            made = bias_ccd(shot) if plan.key.imgtype == "b" else flat_ccd(shot)
            path = path_of("raw", RawKey(plan.key, CCDID))
            write_raw_ccd(root / "archive" / path, made.raw, camera)
            paths.append(path)
        return paths

    return work


def _step(folder: str, imgtype: str) -> Callable[[], object]:
    from benchmarks.validate_calibration import FILTER
    from ztfpipe.methods.warm import warm
    from ztfpipe.model.keys import CalibrationKey
    from ztfpipe.products.names import parse_raw_name, path_of
    from ztfpipe.steps import calibration

    warm()
    os.chdir(Path(folder) / "archive")
    raws = sorted(path for path in Path("raw").rglob("*.fits.fz") if f"_{imgtype}.fits" in path.name)
    night = parse_raw_name(raws[0].name).night
    bias = path_of("bias", CalibrationKey(night, "00", CCDID, QID))
    settings = Path("../settings/calibration.json")
    if imgtype == "b":
        return lambda: calibration.bias(bias, settings, raws)
    flat = path_of("hifreqflat", CalibrationKey(night, FILTER, CCDID, QID))
    return lambda: calibration.flat(flat, settings, raws, bias=Path(bias))


def bias_step(folder: str) -> Callable[[], object]:
    """The step that makes the bias."""
    return _step(folder, "b")


def flat_step(folder: str) -> Callable[[], object]:
    """The step that makes the flat."""
    return _step(folder, "f")


def rows() -> list[dict[str, Any]]:
    """What the two steps cost."""
    with tempfile.TemporaryDirectory(prefix="bench-master-") as folder:
        measure("benchmarks.bench_master:make_night", folder, repeats=1)
        costs = {name: measure(f"benchmarks.bench_master:{name}_step", folder) for name in ("bias", "flat")}
    return [
        row(
            f"{name} master of {FRAMES} full-size quadrants, the whole step",
            cost,
            bar="<= 1200 MB",
            met=cost.peak_mb <= 1200,
            note="reads Rice-compressed raw files, writes and flushes six images, log and record",
        )
        for name, cost in costs.items()
    ]
