"""The process in which one repeat is measured: `python -m benchmarks.probe package.module:function ARGUMENTS`."""

from __future__ import annotations

import importlib
import json
import resource
import sys


def cpu_s() -> float:
    """Processor time of this process and of its finished children [s]."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(function: str, *arguments: str) -> None:
    """Prepare, time once, and print the cost as one line of JSON."""
    module, name = function.split(":")
    work = getattr(importlib.import_module(module), name)(*arguments)
    begun = cpu_s()
    value = work()
    spent = cpu_s() - begun
    peak_kb = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    if not isinstance(value, (int, float, str, list, dict, type(None))):
        value = None
    print(json.dumps({"cpu_s": spent, "peak_mb": peak_kb / 1024, "value": value}))


if __name__ == "__main__":
    main(*sys.argv[1:])
