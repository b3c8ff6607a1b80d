"""What the `ztfpipe` command and the warm worker agree on. Imports only what a bare interpreter has at hand."""

from __future__ import annotations

import os
import sys

WORKER_VARIABLE = "ZTFPIPE_WORKER"
"""Environment variable with the path of the worker's socket."""


def identity() -> dict[str, str]:
    """What client and worker must share for a job to give the same result in either: interpreter and camera folder."""
    return {"prefix": sys.prefix, "cameras": os.environ.get("ZTFPIPE_CAMERAS", "")}
