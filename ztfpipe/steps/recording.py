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

from ztfpipe.config import RECIPE_VERSIONS, Section
from ztfpipe.model.records import QaRecord

Metrics = dict[str, float | int | str | None]
Numbers = Mapping[str, float | int | str | None]


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


def finite(metrics: Numbers) -> Metrics:
    """Metrics as JSON and FITS can hold them: not-a-number and infinity become None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metrics.items()
    }


def spelt(metrics: Numbers) -> list[str]:
    """Lines of a log for people, one for each metric."""
    return [
        f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}" for name, value in metrics.items()
    ]


def qa_record(
    step: str,
    product: str,
    status: int,
    reason: str,
    metrics: Numbers,
    section: Section,
    watch: Stopwatch,
    inputs: Mapping[str, str] | None = None,
) -> QaRecord:
    """The record of what a step has made: with it go its memory, times, versions and settings.

    step: "PIPELINE ACTION", whose pipeline names the recipe's version.
    """
    pipeline = step.partition(" ")[0]
    return QaRecord(
        step=step,
        product=product,
        status=status,
        reason=reason,
        metrics=finite({**metrics, "peak_memory_mb": peak_memory_mb()}),
        inputs=dict(inputs or {}),
        timings_s=watch.timings_s(),
        versions={**versions(), "recipe": str(RECIPE_VERSIONS[pipeline])},
        settings=section.model_dump(mode="json"),
        ended_unix=round(time.time(), 3),
    )
