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


def warm() -> list[str]:
    """Compile (or load) all kernels; the names of modules that have no `warm()` and compile at their first use."""
    cold = []
    for module in kernel_modules():
        if hasattr(module, "warm"):
            module.warm()
        else:
            cold.append(module.__name__)
    return cold


if __name__ == "__main__":
    started = time.perf_counter()
    cold = warm()
    print(f"kernels ready in {time.perf_counter() - started:.1f} s", *[f"(not {name})" for name in cold])
