"""Scores of a quadrant's candidates: weights read, features, trees, cutouts levelled, network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measure import measure, row
from ztfpipe.config import Difference
from ztfpipe.methods.difference.cutouts import SIZE_PX
from ztfpipe.methods.difference.real_bogus import FEATURES, forest_scores, network_scores
from ztfpipe.model.candidates import Cutouts
from ztfpipe.products.weights import read_scorers

CANDIDATES = 100
"""Of a quadrant, at the most of ordinary nights; sparse pairs have 30."""
SECONDS_MAX = 0.5


def score() -> Callable[[], object]:
    """Work: both scores of CANDIDATES, whatever they look like."""
    rng = np.random.default_rng(1)
    stamps = Cutouts(*(rng.normal(0, 8, (CANDIDATES, SIZE_PX, SIZE_PX)).astype(np.float32) for _ in range(3)))
    table = rng.normal(0, 1, (CANDIDATES, len(FEATURES))).astype(np.float32)
    settings, sign = Difference(), np.ones(CANDIDATES, bool)

    def work() -> float:
        scorers = read_scorers(settings.rb_version, settings.drb_version)
        rb, drb = forest_scores(scorers.forest, table), network_scores(scorers.network, stamps, sign)
        return float(rb.mean() + drb.mean())

    return work


def rows() -> list[dict[str, Any]]:
    """One row."""
    cost = measure("benchmarks.bench_scores:score")
    met = cost.cpu_s <= SECONDS_MAX
    return [row(f"scores of {CANDIDATES} candidates, weights read", cost, bar=f"<= {SECONDS_MAX:g} s", met=met)]
