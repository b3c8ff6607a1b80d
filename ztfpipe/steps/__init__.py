"""Steps: one per rule. Read, call the recipe, write, record what happened; nothing else touches the disk."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def found_in(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package of steps (PEP 562): a call of one step imports that step's module only.

    modules: the module of `package` that each step is in.
    """

    def step(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package} has no step {name}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return step
