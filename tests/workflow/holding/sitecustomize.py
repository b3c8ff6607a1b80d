"""Python imports this by itself where PYTHONPATH has its folder: jobs then stop when a product is to get its name.

A file `asked/NAME` below the folder $ZTFPIPE_TEST_HOLDS holds the first job that is about to rename a complete
temporary file to NAME: it becomes `held/NAME` and says which process, job and node that is. The job goes on when that
file is gone; when `memory/NAME` appears, it takes as many megabytes of memory as that file says.
"""

import json
import os
import time
from pathlib import Path

HOLDS = os.environ.get("ZTFPIPE_TEST_HOLDS")


def hold(holds: Path, name: str) -> None:
    """Stop here if it was asked for."""
    held, greedy = holds / "held" / name, holds / "memory" / name
    try:
        (holds / "asked" / name).rename(held)
    except FileNotFoundError:
        return
    who = {"pid": os.getpid(), "job": os.environ.get("SLURM_JOB_ID"), "node": os.environ.get("SLURMD_NODENAME")}
    held.write_text(json.dumps(who))
    taken = b""
    while held.exists():
        if greedy.exists() and not taken:
            taken = b"\1" * (int(greedy.read_text()) << 20)
        time.sleep(0.1)


if HOLDS:
    rename = Path.replace

    def replace(source, to):
        hold(Path(HOLDS), Path(to).name)
        return rename(source, to)

    Path.replace = replace
