"""A night replayed: raw files dropped into the incoming folder at their times, an operator at work, and how it kept up.

The night before makes masters and references, so that every quadrant of the replayed one gets its science image and
its difference. When a product was there is read from its record's time on disk; when its exposure was, from the replay.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ztfpipe.config import load_config
from ztfpipe.model.keys import NightKey, QuadrantKey
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.names import path_of
from ztfpipe.steps.simulate import simulate_night, write_catalogs

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
BEFORE, NIGHT = "20180325", "20180326"
FRAMES, EPOCHS = 5, 4
"""Frames of the masters and epochs of the references of the night before."""
PRODUCTS = {"science image": "sciqa", "difference": "diffqa"}
"""What is waited for, and the record that is written with it."""
GRACE_S = 30.0
"""The operator waits for files this long after the last one."""
_USED = re.compile(r"^ztfpipe \w+ \w+: ([0-9.]+) s, ([0-9.]+) CPU s", re.MULTILINE)


@dataclass(frozen=True)
class Replay:
    """What a replay found.

    arrived_s: when the exposures of some 14 digits had arrived [s since 1970]. cpu_s, steps_s: processor time of the
    operator with all its processes, and of its steps alone. peak_mb: of the largest process. code: the operator's.
    """

    night: str
    archive: Path
    arrived_s: dict[str, float]
    cpu_s: float
    steps_s: float
    peak_mb: float
    code: int

    def waited_s(self, product: str) -> NDArray[np.float64]:
        """Time from arrival to a product of each quadrant that was planned to have it, infinite where it has none."""
        keys = self._planned(product)
        paths = [self.archive / path_of(PRODUCTS[product], key) for key in keys]
        made_s = [path.stat().st_mtime if path.exists() else np.inf for path in paths]
        return np.array(made_s) - [self.arrived_s[key.exposure.filefracday] for key in keys]

    def backlog(self, product: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Times since the first arrival [s], and how many quadrants had arrived and not got a product from then on."""
        keys = self._planned(product)
        arrived_s = np.array([self.arrived_s[key.exposure.filefracday] for key in keys])
        done_s = arrived_s + self.waited_s(product)
        times_s = np.unique(np.concatenate([arrived_s, done_s[np.isfinite(done_s)]]))
        waiting = [np.count_nonzero((arrived_s <= now) & (done_s > now)) for now in times_s]
        return times_s - times_s[0], np.array(waiting)

    def _planned(self, product: str) -> list[QuadrantKey]:
        plan = read_plan(self.archive / path_of("plan", NightKey(self.night)))
        with_reference = {one.reference for one in plan.references}
        return [key for key in plan.science if product == "science image" or key.reference in with_reference]


def prepare(workspace: Path, exposures: int, say: Callable[[str], None], camera: str = "mini") -> Path:
    """Simulate the night before and run it with its references; stage the night to replay. Its configuration file."""
    night = {"biases": FRAMES, "flats": FRAMES, "fields": [473], "filters": ["zg"], "exposures_s": [30.0]}
    content: dict[str, Any] = {
        "camera": camera,
        "workspace": str(workspace),
        "calibration": {"frames_min": FRAMES},
        "reference": {"epochs_min": EPOCHS},
        "simulate": {"night": night | {"date": BEFORE, "visits": EPOCHS + 2}, "weather": {"cloudy_fraction": 0.0}},
    }
    workspace.mkdir(parents=True, exist_ok=True)
    path = workspace / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    config = load_config(path)
    write_catalogs(config)
    simulate_night(config, jobs=os.cpu_count() or 1, say=say)
    later = {"night": night | {"date": NIGHT, "biases": 0, "flats": 0, "visits": exposures}}
    simulate_night(config.model_copy(update={"simulate": config.simulate.model_validate(later)}), say=say)
    (workspace / "incoming" / NIGHT).rename(workspace / "staged")
    for target in ("night", "references"):
        say(f"{BEFORE}: {target}")
        _snakemake(path, target)
    return path


def _snakemake(configuration: Path, target: str) -> None:
    words = ["--profile", "profiles/local", "--quiet", "all", "--configfile", str(configuration)]
    command = [BIN / "ztfpipe", "worker", "--", BIN / "snakemake", *words, "--config", f"night={BEFORE}", "--", target]
    subprocess.run(command, cwd=ROOT, check=True)


def send(staged: Path, incoming: Path, every_s: float) -> dict[str, float]:
    """Move the files of an exposure after the other into the incoming folder; when each was there [s since 1970].

    Then the list of files sent. The folders lie on one file system, so that a file is there whole or not at all.
    """
    incoming.mkdir(parents=True)
    exposures: dict[str, list[Path]] = {}
    for path in sorted(staged.glob("ztf_*")):
        exposures.setdefault(path.name.split("_")[1], []).append(path)
    started, arrived_s = time.monotonic(), {}
    for index, (name, paths) in enumerate(exposures.items()):
        time.sleep(max(0.0, started + index * every_s - time.monotonic()))
        for path in paths:
            path.rename(incoming / path.name)
        arrived_s[name] = time.time()
    shutil.move(staged / "sent.csv", incoming / "sent.csv")
    return arrived_s


def replay(configuration: Path, every_s: float, batch: int = 4, grace_s: float = GRACE_S) -> Replay:
    """Be the telescope and run an operator, until the night has ended."""
    workspace = configuration.parent
    staged, incoming = workspace / "staged", workspace / "incoming" / NIGHT
    exposures = len({path.name.split("_")[1] for path in staged.glob("ztf_*")})
    until = datetime.now(UTC) + timedelta(seconds=exposures * every_s + grace_s)
    call = [BIN / "ztfpipe", "operate", "--night", NIGHT, "--config", configuration, "--until", until.isoformat()]
    operator = subprocess.Popen([*call, "--batch", str(batch), "--pause", "1"], cwd=ROOT)
    arrived_s = send(staged, incoming, every_s)
    _, status, usage = os.wait4(operator.pid, 0)
    code = operator.returncode = os.waitstatus_to_exitcode(status)
    cpu_s, peak_mb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return Replay(NIGHT, workspace / "archive", arrived_s, cpu_s, steps_used(workspace, NIGHT)[1], peak_mb, code)


def steps_used(workspace: Path, night: str) -> tuple[float, float, int]:
    """Wall and processor time that the steps of a night say they took, by their logs [s], and how many they were."""
    logs = (workspace / "logs").glob(f"*/{night[:4]}/{night[4:]}/*.log")
    used = [found for log in logs for found in _USED.findall(log.read_text())]
    return sum(float(wall_s) for wall_s, _ in used), sum(float(cpu_s) for _, cpu_s in used), len(used)


def draw(found: Replay, path: Path) -> None:
    """Backlog against time, and the time from arrival to each product."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from benchmarks.figures import COLOUR, DPI

    figure = Figure(figsize=(8.2, 3.3), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    for product, colour, line in zip(PRODUCTS, (COLOUR["zg"], COLOUR["zr"]), ("-", "--"), strict=True):
        times_s, waiting = found.backlog(product)
        left.step(times_s / 60, waiting, where="post", color=colour, linestyle=line, label=product)
        waited_s = np.sort(found.waited_s(product))
        right.step(waited_s, np.arange(1, waited_s.size + 1) / waited_s.size, color=colour, linestyle=line)
    left.set(xlabel="minutes since the first arrival", ylabel="quadrants that wait")
    right.set(xlabel="seconds from arrival to product", ylabel="fraction of quadrants", xlim=(0, None), ylim=(0, 1))
    right.legend(*left.get_legend_handles_labels(), frameon=False, loc="lower right")
    for one in (left, right):
        one.grid(True, color="#dddddd", linewidth=0.6)
        one.spines[["top", "right"]].set_visible(False)
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})
