"""One run at a time on a night, or on the references of a field: locks that the system lets go of when a run ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from ztfpipe.errors import Busy

FOLDER = Path("../ledger/locks")
"""Where locks are, from the archive."""


def take_lock(folder: Path, unit: str) -> TextIO:
    """Lock a night (`20180325`), a field (`field000473`) or the place of an operator (`operator-20180325`).

    It is held until the file returned is closed, or the process ends.

    Raises Busy, which says who has it, when another run works on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = (folder / unit).open("a+")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.seek(0)
        who = held.read().strip() or "another run"
        held.close()
        what = f"field {unit[5:]}" if unit.startswith("field") else f"night {unit.removeprefix('operator-')}"
        what = unit.replace("-", " ", 1) if unit.startswith("campaign-") else what
        raise Busy(what, who) from None
    held.truncate(0)
    held.write(f"process {os.getpid()} of {os.uname().nodename}\n")
    held.flush()
    return held
