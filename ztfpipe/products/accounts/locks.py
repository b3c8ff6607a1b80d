"""One run at a time on a night, or on the references of a field: locks that the system lets go of when a run ends."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from ztfpipe.errors import Busy
from ztfpipe.products.accounts.queued import unfinished

FOLDER = Path("../ledger/locks")
"""Where locks are, from the archive."""
_JOBS = re.compile(r"with jobs (\S+) in the queue")


def holder(jobs: str = "") -> str:
    """Who this process is, to others that want what it holds. jobs: their name in a cluster's queue, if it has any."""
    who = f"process {os.getpid()} of {os.uname().nodename}"
    return f"{who} with jobs {jobs} in the queue" if jobs else who


def take_lock(folder: Path, unit: str, jobs: str = "", end: Callable[[str], None] | None = None) -> TextIO:
    """Lock a night (`20180325`), a field (`field000473`) or the place of an operator (`operator-20180325`).

    It is held until the file returned is closed, or the process ends.

    jobs: the name of this run's jobs in a cluster's queue, where it has any. end: ends such jobs of an earlier run
    that was killed, given their name; they would go on writing beside this one.

    Raises Busy, which says who has it, when another run works on it, or jobs of one that is no more and `end` is None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    what = f"field {unit[5:]}" if unit.startswith("field") else f"night {unit.removeprefix('operator-')}"
    what = unit.replace("-", " ", 1) if unit.startswith("campaign-") else what
    held = (folder / unit).open("a+")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.seek(0)
        who = held.read().strip() or "another run"
        held.close()
        raise Busy(what, who) from None
    held.seek(0)
    before = _JOBS.search(held.read())
    if before and unfinished(folder.parent, before[1]):
        try:
            if end is None:
                raise Busy(
                    what, f"jobs {before[1]} of a run that was killed; the next run of Snakemake on it ends them"
                )
            end(before[1])
        except BaseException:
            held.close()
            raise
    held.truncate(0)
    held.write(holder(jobs) + "\n")
    held.flush()
    return held
