"""What the `ztfpipe` command and the warm worker agree on. Imports only what a bare interpreter has at hand."""

from __future__ import annotations

import os
import sys

WORKER_VARIABLE = "ZTFPIPE_WORKER"
"""Environment variable with the path of the worker's socket."""


def identity() -> dict[str, str]:
    """What client and worker must share for a job to give the same result in either, interpreter and camera folder; and
    the allocation, because a job on a cluster must not be done outside of its own, without its limits."""
    names = {"cameras": "ZTFPIPE_CAMERAS", "allocation": "SLURM_JOB_ID"}
    return {"prefix": sys.prefix, **{name: os.environ.get(variable, "") for name, variable in names.items()}}
