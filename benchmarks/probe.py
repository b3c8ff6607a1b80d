"""The process in which one repeat is measured: `python -m benchmarks.probe package.module:function ARGUMENTS`."""

from __future__ import annotations

import importlib
import json
import resource
import sys
from pathlib import Path


def cpu_s() -> float:
    """Processor time of this process and of its finished children [s]."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_mb() -> float:
    """Largest resident memory of this process or of a finished child [MB].

    The kernel's own mark is read where there is one: ru_maxrss of a new program starts at the size of its parent.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, children)
    own = next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return max(own, children)


def main(function: str, *arguments: str) -> None:
    """Prepare, time once, and print the cost as one line of JSON."""
    module, name = function.split(":")
    work = getattr(importlib.import_module(module), name)(*arguments)
    begun = cpu_s()
    value = work()
    spent = cpu_s() - begun
    if not isinstance(value, (int, float, str, list, dict, type(None))):
        value = None
    print(json.dumps({"cpu_s": spent, "peak_mb": peak_mb(), "value": value}))


if __name__ == "__main__":
    main(*sys.argv[1:])
