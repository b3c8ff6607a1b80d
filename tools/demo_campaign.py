"""`make demo-campaign`: a small season in i, and its images and differences again with fringe templates.

Everything is made below demo-campaign/. Half a CCD of the small camera sees one field on three nights. Nothing is known
of fringes while they are processed; the templates are learned from all of them, and the campaign takes the fringes out
of every image, beside what is there. The comparison is shown; adopting the new products is left to you. A survey's
reference needs fifteen epochs, and its templates photometric nights; here less will do, and the configuration says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from ztfpipe.config import Reference, load_config
from ztfpipe.steps.simulate import simulate_night, write_catalogs

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
HALF_A_CCD = {
    "extends": str(ROOT / "camera" / "mini"),
    "name": "half",
    "ccds": [10],
    "qids": [1, 2],
    "raw": {"extends": True, "image_hdu": {1: 1, 2: 2}, "overscan_hdu": {1: 3, 2: 4}},
}
NIGHTS = ("20180325", "20180328", "20180331")
FRAMES, VISITS = 8, 8
"""Biases and flats of the first night; images of the field on each."""


def season(workspace: Path) -> dict:
    """The configuration of the season, but for its nights."""
    inputs = {code: limits.model_dump() for code, limits in Reference().inputs.items()}
    inputs["zi"] |= {"flatness_rms_max_mag": 0.1, "flatness_range_max_mag": 0.2}
    return {
        "camera": str(workspace / "half.yaml"),
        "workspace": str(workspace),
        "calibration": {"frames_min": FRAMES},
        "reference": {"epochs_min": 5, "inputs": inputs},
        # The tests of flatness and of photometric skies want the calibrators of a full quadrant; here there are few.
        "templates": {"bad_sky": ["photcal_failed"], "fringe_frames_min": 15},
    }


def simulated_night(night: str) -> dict:
    """What the simulator is asked for a night: biases and flats on the first one, which serve all."""
    frames = FRAMES if night == NIGHTS[0] else 0
    asked = {"date": night, "biases": frames, "flats": frames, "visits": VISITS}
    asked |= {"fields": [473], "filters": ["zi"], "exposures_s": [30.0]}
    return {"night": asked, "weather": {"cloudy_fraction": 0.0}}


def main() -> int:
    """Make the season unless it is there, run the campaign, and show the comparison."""
    workspace = ROOT / "demo-campaign"
    workspace.mkdir(exist_ok=True)
    (workspace / "half.yaml").write_text(yaml.safe_dump(HALF_A_CCD))
    config = workspace / "config.yaml"
    config.write_text(yaml.safe_dump(season(workspace)))
    times = {}
    if not (workspace / "incoming" / NIGHTS[-1] / "sent.csv").exists():
        times["simulate"] = _timed(lambda: _simulate(workspace))
    times["first night"] = _timed(lambda: _snakemake(config, NIGHTS[0], "night"))
    times["references"] = _timed(lambda: _snakemake(config, NIGHTS[0], "references"))
    for night in NIGHTS[1:]:
        times[f"night {night}"] = _timed(lambda night=night: _snakemake(config, night, "sciimgs", "diffimgs"))
    times["templates"] = _timed(lambda: _snakemake(config, NIGHTS[-1], "fringes"))
    for action in ("plan", "run", "compare"):
        times[action] = _timed(lambda action=action: _campaign(config, action))
    print("\nTo put the new products in the place of the old ones, which are kept:")
    print(" ".join(map(str, _words(config, "adopt"))))
    print(", ".join(f"{name} {seconds:.0f} s" for name, seconds in times.items()))
    return 0


def _simulate(workspace: Path) -> None:
    for night in NIGHTS:
        path = workspace / "simulate.yaml"
        path.write_text(yaml.safe_dump({**season(workspace), "simulate": simulated_night(night)}))
        config = load_config(path)
        if night == NIGHTS[0]:
            write_catalogs(config, night)
        simulate_night(config, jobs=min(4, os.cpu_count() or 1))


def _snakemake(config: Path, night: str, *targets: str) -> None:
    asked = ["--configfile", str(config), "--config", f"night={night}", "--", *targets]
    command = ["snakemake", "--profile", "profiles/local", "--quiet", "all", *asked]
    print(f"\n{' '.join(command)}", flush=True)
    subprocess.run([BIN / "ztfpipe", "worker", "--", BIN / command[0], *command[1:]], cwd=ROOT, check=True)


def _words(config: Path, action: str) -> list[str]:
    span = ("--filter", "zi", "--from", NIGHTS[0], "--to", NIGHTS[-1])
    return [str(BIN / "ztfpipe"), "campaign", "fringe", action, *span, "--config", str(config)]


def _campaign(config: Path, action: str) -> None:
    print(f"\nztfpipe {' '.join(_words(config, action)[1:])}", flush=True)
    cores = ["--cores", str(os.cpu_count() or 1)] if action in ("plan", "run") else []
    subprocess.run([*_words(config, action), *cores], cwd=ROOT, check=True)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
