"""Runs whose jobs are in a cluster's queue: a file for each, so that a run that was killed leaves word of its jobs.

`ledger/jobs/NAME` is there from before the first job of a run until its last has ended; NAME is the name that its jobs
have in the queue. A job begins only while its run's file is there. Who takes a dead run's place first renames the
file, so that no more jobs of it begin, then ends those that have, and then forgets it.
"""

from __future__ import annotations

from pathlib import Path

from ztfpipe.products.formats.atomic import write_text

FOLDER = "jobs"
RUN_VARIABLE = "ZTFPIPE_RUN"
"""Environment of a job: the file of its run."""
_OVER = ".over"


def announce(ledger: Path, run: str, who: str) -> Path:
    """Say that jobs of a run may be in the queue from now on, and whose. The file that says so."""
    path = ledger / FOLDER / run
    write_text(path, f"{who}\n")
    return path


def may_begin(path: Path) -> bool:
    """Whether jobs of a run may begin, by the file that announced it."""
    try:
        path.read_text()  # opened, because a network's file system may remember for a while that a file was there
    except FileNotFoundError:
        return False
    return True


def unfinished(ledger: Path, run: str) -> bool:
    """Whether jobs of a run may still be in the queue, as far as anybody knows."""
    return any((ledger / FOLDER / name).exists() for name in (run, run + _OVER))


def withdraw(ledger: Path, run: str) -> None:
    """Let no more jobs of a run begin."""
    path = ledger / FOLDER / run
    if path.exists():
        path.replace(path.with_name(run + _OVER))


def forget(ledger: Path, run: str) -> None:
    """Say that no jobs of a run are left."""
    for name in (run, run + _OVER):
        (ledger / FOLDER / name).unlink(missing_ok=True)
