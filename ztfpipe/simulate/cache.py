"""A memory for what is fixed to a quadrant and dear to make: bounded in bytes, keyed by the camera's digest."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import is_dataclass
from typing import TypeVar

import numpy as np

from ztfpipe.camera import Camera

Result = TypeVar("Result")
BUDGET_BYTES = 600_000_000
"""Enough for three full-size quadrants, or for a whole small camera."""

_kept: OrderedDict[Hashable, object] = OrderedDict()


def remembered(function: Callable[..., Result]) -> Callable[..., Result]:
    """Keep results of `function(camera, *rest)`, the least recently used go first; their arrays become read-only."""

    @functools.wraps(function)
    def call(camera: Camera, *rest: Hashable) -> Result:
        key = (function.__name__, camera.digest, *rest)
        if key not in _kept:
            result = function(camera, *rest)
            for array in _arrays(result):
                array.setflags(write=False)
            _kept[key] = result
            while (
                len(_kept) > 1
                and sum(array.nbytes for kept in _kept.values() for array in _arrays(kept)) > BUDGET_BYTES
            ):
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]  # type: ignore[return-value]

    return call


def _arrays(result: object) -> list[np.ndarray]:
    if is_dataclass(result):
        result = tuple(vars(result).values())
    parts = result if isinstance(result, tuple) else (result,)
    return [part for part in parts if isinstance(part, np.ndarray)]
