"""Compile every kernel of the package into the cache folder: `python -m ztfpipe.methods.warm`.

Each `*_nb.py` has a function `warm()` that calls its kernels once with small arrays of the types used in production.
"""

from __future__ import annotations

import importlib
import pkgutil
import time
from types import ModuleType

import ztfpipe.methods


def kernel_modules() -> list[ModuleType]:
    """All modules of kernels below ztfpipe.methods, imported."""
    found = pkgutil.walk_packages(ztfpipe.methods.__path__, "ztfpipe.methods.")
    return [importlib.import_module(module.name) for module in found if module.name.endswith("_nb")]


def warm() -> int:
    """Compile (or load) all kernels; the number of modules."""
    modules = kernel_modules()
    for module in modules:
        module.warm()
    return len(modules)


if __name__ == "__main__":
    started = time.perf_counter()
    count = warm()
    print(f"{count} modules of kernels ready in {time.perf_counter() - started:.1f} s")
