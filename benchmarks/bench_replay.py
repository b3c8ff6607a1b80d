"""Half an hour of exposures every 40 s on the small camera against an operator: whether it keeps up, and at what cost.

It takes as long as the arrivals do. ZTFPIPE_REPLAY_MINUTES makes it shorter, which its row then says.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Cost, row
from benchmarks.replay import PRODUCTS, Replay, draw, prepare, replay

EVERY_S = 40.0
"""The survey's cadence: 30 s of exposure and 10 s to the next."""
MINUTES = 30.0
LATE_S = 2 * EVERY_S
"""No product comes later than this after its exposure: then no more than two exposures ever wait."""
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "replay.png"


def rows() -> list[dict[str, Any]]:
    """The night as it came in."""
    minutes = float(os.environ.get("ZTFPIPE_REPLAY_MINUTES", MINUTES))
    exposures = round(60 * minutes / EVERY_S)
    with tempfile.TemporaryDirectory() as scratch:
        configuration = prepare(Path(scratch, "site"), exposures, print)
        found = replay(configuration, EVERY_S, batch=2)
        draw(found, PICTURE)
        return [_row(found, exposures, minutes)]


def _row(found: Replay, exposures: int, minutes: float) -> dict[str, Any]:
    waited_s = {product: found.waited_s(product) for product in PRODUCTS}
    quadrants = len(waited_s["science image"])
    most = max(int(found.backlog(product)[1].max()) for product in PRODUCTS)
    latest_s = max(float(one.max()) for one in waited_s.values())
    told = [
        f"{product} after {np.median(one):.0f} s (median), {np.percentile(one, 95):.0f} (95 %), {one.max():.0f} (last)"
        for product, one in waited_s.items()
    ]
    more = 100 * (found.cpu_s / found.steps_s - 1)
    told += [
        f"at most {most} of {quadrants} quadrants waited",
        f"CPU: all of the night, the steps and {more:.0f} % more for arrivals, graphs and the operator",
    ]
    return row(
        f"{exposures} exposures in {minutes:g} minutes on the small camera, a quadrant",
        Cost(found.cpu_s / quadrants, found.peak_mb),
        bar=f"none later than {LATE_S:g} s",
        met=found.code == 0 and latest_s <= LATE_S,
        note="; ".join(told),
    )
