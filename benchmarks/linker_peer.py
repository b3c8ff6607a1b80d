"""heliolinx on the detections of a scene, in its own environment; `make bench-peers` installs it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Cost
from benchmarks.moving_scenes import FIELD_DEG, Scene

FOLDER = Path(__file__).parent / "heliolinx"
PYTHON = Path(__file__).resolve().parents[1] / ".venv-heliolinx" / "bin" / "python"
TIMEOUT_S = 600


def installed() -> bool:
    """Whether heliolinx is here."""
    return PYTHON.exists()


def links(truth: Scene) -> tuple[list[NDArray[np.int64]], Cost]:
    """Detections of each of its links, and what they cost: seconds of linking, memory of the process."""
    seen = truth.detections
    order = np.argsort(seen.jd_mid, kind="stable")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(
            folder / "scene.npz", jd=seen.jd_mid[order], ra=seen.ra_deg[order], dec=seen.dec_deg[order],
            sigma=seen.sigma_arcsec[order], observer=seen.observer_au[order], mag=truth.v_mag[order],
            field_deg=FIELD_DEG,
        )  # fmt: skip
        command = [PYTHON, FOLDER / "run.py", folder]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        if ran.returncode != 0:
            raise RuntimeError(f"heliolinx failed:\n{ran.stderr[-2000:]}")
        found = np.load(folder / "links.npz")
        cost = Cost(**json.loads((folder / "cost.json").read_text()))
    numbers = np.unique(found["link"])
    return [order[np.unique(found["detection"][found["link"] == one])] for one in numbers], cost


def two_pairs(truth: Scene) -> NDArray[np.int64]:
    """Linkable bodies with two detections on each of two nights: tracklets on two nights are the least it links."""
    night = np.floor(truth.detections.jd_mid - 0.2).astype(np.int64)
    return np.array(
        [
            body
            for body in truth.linkable()
            if (np.unique(night[truth.body == body], return_counts=True)[1] >= 2).sum() >= 2
        ],
        np.int64,
    )
