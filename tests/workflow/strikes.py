"""Ways to strike a test cluster and its jobs, and to see that nothing of a strike is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ztfpipe.errors import BadName
from ztfpipe.products.names import parse

from .conftest import Site

CLUSTER = Path("/run/ztfpipe-slurm")
HOLDING = Path(__file__).parent / "holding"
WITH_TIMES = ("_log.txt", "qa.json")
"""Ends of names of the products that say how long they took: all others are the same in every run."""


def wait_for(condition: Callable[[], object], within_s: float = 60.0) -> None:
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, "what was waited for did not happen"
        time.sleep(0.05)


class Holds:
    """Jobs that stop at the moment when a product is complete and gets its name (holding/sitecustomize.py)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("asked", "held", "memory"):
            (folder / name).mkdir(parents=True)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(HOLDING), "ZTFPIPE_TEST_HOLDS": str(self.folder)}

    def ask(self, name: str) -> None:
        (self.folder / "asked" / name).touch()

    def wait(self, name: str, within_s: float) -> Mapping[str, str | int]:
        """Which process, job and node is held at a product."""
        path = self.folder / "held" / name
        wait_for(lambda: path.exists() and path.read_text(), within_s)
        return json.loads(path.read_text())

    def let_go(self, name: str) -> None:
        (self.folder / "held" / name).unlink()

    def take_memory(self, name: str, megabytes: int) -> None:
        (self.folder / "memory" / name).write_text(str(megabytes))


def strange_files(site: Site) -> list[str]:
    """Files below the archive that are no products, nor Snakemake's own, nor hidden temporary ones of the killed."""
    strange = []
    for path in site.archive.rglob("*"):
        relative = path.relative_to(site.archive)
        if path.is_file() and relative.parts[0] != ".snakemake" and not path.name.startswith("."):
            try:
                parse(relative)
            except BadName:
                strange.append(str(relative))
    return strange


def science(site: Site, part: str = "") -> dict[str, bytes]:
    """Content of the science products by name, of CCDs or quadrants whose names have a `part`."""
    paths = (path for path in site.archive.glob("sci/*/*/*/ztf_*") if part in path.name)
    return {path.name: path.read_bytes() for path in paths if not path.name.endswith(WITH_TIMES)}


def differing(struck: dict[str, bytes], undisturbed: dict[str, bytes]) -> list[str]:
    """Names of products that are only in one of two, or not the same in both."""
    return sorted(name for name in struck.keys() | undisturbed.keys() if struck.get(name) != undisturbed.get(name))


def slurm(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def state(job: str) -> str:
    """What SLURM says a job is doing, empty while its controller does not answer."""
    asked = ["squeue", "-h", "-t", "all", "-j", job, "-o", "%T"]
    return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60).stdout.strip()


def restart_scheduler() -> None:
    """Kill SLURM's controller and start it again, with what it has on disk."""
    daemon = CLUSTER / "run" / "slurmctld.pid"
    os.kill(int(daemon.read_text()), signal.SIGKILL)
    time.sleep(2)
    subprocess.run(["slurmctld", "-f", str(CLUSTER / "slurm.conf")], check=True)


def lose_node(node: str) -> None:
    """Kill a node: its daemon and all that runs on it."""
    os.kill(int((CLUSTER / "run" / f"slurmd.{node}.pid").read_text()), signal.SIGKILL)
    jobs = slurm("squeue", "-h", "-w", node, "-t", "running", "-o", "%i").split()
    marks = [f"SLURMD_NODENAME={node}\0".encode()]
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            steps = any(f"slurmstepd: [{job}.".encode() in words for job in jobs)
            if steps or any(mark in environment + b"\0" for mark in marks):
                os.kill(int(process.name), signal.SIGKILL)


def bring_back(node: str) -> None:
    subprocess.run(["slurmd", "-f", str(CLUSTER / "slurm.conf"), "-N", node], check=True)
