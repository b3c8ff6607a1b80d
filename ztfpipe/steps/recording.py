"""What a step notes of itself: times, processor time, memory, versions, checksums."""

from __future__ import annotations

import contextlib
import importlib.metadata
import math
import resource
import time
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

Metrics = dict[str, float | int | str | None]


class Stopwatch:
    """Wall and processor time of the parts of a step, and its peak memory."""

    def __init__(self) -> None:
        self._parts: dict[str, float] = {}
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the processor time of the body to part `name`."""
        begun = time.process_time()
        try:
            yield
        finally:
            self._parts[name] = self._parts.get(name, 0.0) + time.process_time() - begun

    def timings_s(self) -> dict[str, float]:
        """Seconds: of wall and processor since the start, and of processor in each part."""
        total = {"wall": time.perf_counter() - self._wall, "cpu": time.process_time() - self._cpu}
        return {name: round(value, 4) for name, value in {**total, **self._parts}.items()}


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far [MB]."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def versions() -> dict[str, str]:
    """Versions of the package and of the libraries its numbers come from."""
    return {name: importlib.metadata.version(name) for name in ("ztfpipe", "numpy", "numba", "scipy", "astropy")}


def pixel_checksum(*arrays: NDArray[np.generic]) -> str:
    """CRC-32 of the values of arrays: what was read of a file, not the whole file."""
    value = 0
    for array in arrays:
        value = zlib.crc32(np.ascontiguousarray(array).data, value)
    return f"crc32:{value:08x}"


def finite(metrics: Mapping[str, float | int | str | None]) -> Metrics:
    """Metrics as JSON and FITS can hold them: not-a-number and infinity become None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metrics.items()
    }
