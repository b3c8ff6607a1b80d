"""One full-size quadrant of the synthetic night: its scene, the rendering, the detector, and the raw file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import measure, row

CPU_S_MAX = 8.0
FIELD, CCDID, QID = 1467, 10, 1


def _maker() -> tuple[Callable[[Any], None], list[Any]]:
    """What makes the raw file of an exposure, and two exposures of one field and filter."""
    from ztfpipe.camera import Camera
    from ztfpipe.config import Simulate
    from ztfpipe.products.arrival.raw import write_raw_ccd
    from ztfpipe.simulate.frames import sky_ccd
    from ztfpipe.simulate.night import plan_night
    from ztfpipe.simulate.observe import scene
    from ztfpipe.simulate.pixels.detector import Shot

    camera = Camera.load("quadrant")
    settings = Simulate.model_validate(
        {"night": {"biases": 0, "flats": 0, "fields": [FIELD], "filters": ["zr"], "visits": 2}}
    )

    def make(plan: Any) -> None:
        shot = Shot(camera, settings.detector, settings.noise_seed, plan, CCDID)
        frames = sky_ccd(shot, {QID: scene(settings, camera, plan, CCDID, QID)[0]})
        with tempfile.TemporaryDirectory(prefix="bench-simulate-") as folder:
            write_raw_ccd(Path(folder) / "raw.fits.fz", frames.raw, camera)

    return make, plan_night(settings, camera)


def first() -> Callable[[], object]:
    """The first exposure of a process: also makes the fixed sky and the detector's pattern, and loads kernels."""
    make, plans = _maker()
    return lambda: make(plans[0])


def further() -> Callable[[], object]:
    """A further exposure of the same field."""
    make, plans = _maker()
    make(plans[0])
    return lambda: make(plans[1])


def rows() -> list[dict[str, Any]]:
    """The bar of the simulator, for the first exposure of a process and for further ones."""
    costs = {
        "first": measure("benchmarks.bench_simulate:first"),
        "further": measure("benchmarks.bench_simulate:further"),
    }
    return [
        row(
            f"one simulated full-size quadrant, {name} exposure of a process",
            cost,
            bar=f"<= {CPU_S_MAX:g} CPU s",
            met=cost.cpu_s <= CPU_S_MAX,
            note="scene, rendering, detector and Rice-compressed raw file; the first one also makes the fixed sky and "
            "the detector's pattern",
        )
        for name, cost in costs.items()
    ]
