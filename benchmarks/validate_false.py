"""False candidates a quadrant that the network lets pass, on a large area of differences in which nothing is amiss.

Pairs of the judged family without planted artefacts: another family of PSFs, other nights than those trained on. Their
stars, 12.5 mag and fainter, stand without the masks of halos that a quadrant of the survey has. The whole takes a
quarter of an hour of one processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import chi2

from benchmarks.accuracy import row
from benchmarks.score_figures import SCORR_MIN, Scored
from benchmarks.validate_scores import NIGHTS, PAIRS, scored
from training.pairs import FAMILIES, SHAPE
from training.samples import Samples, draw_samples, joined
from ztfpipe.camera import Camera
from ztfpipe.config import Difference
from ztfpipe.products.weights import read_scorers

JUDGED_NIGHTS, STEP = range(2000, 2350), 35
FEW = 8
"""Sources planted in a pair: some must be real."""
FALSE_MAX, CONFIDENCE = 0.1, 0.9


def rows() -> list[dict[str, Any]]:
    """All rows."""
    family, settings = FAMILIES["judged"], Difference()
    first, last = JUDGED_NIGHTS.start, JUDGED_NIGHTS.stop
    parts = [
        _thin(draw_samples(family, range(start, min(start + STEP, last)), planted=FEW, artefacts=0))
        for start in range(first, last, STEP)
    ]
    scorers = read_scorers(settings.rb_version, settings.drb_version)
    spoilt = scored(scorers, draw_samples(family, NIGHTS, pairs=PAIRS))
    return false_rows(spoilt, scored(scorers, joined(parts)), len(JUDGED_NIGHTS))


def _thin(samples: Samples) -> Samples:
    """Those that are judged."""
    return samples.of(~samples.real & (samples.scorr >= SCORR_MIN))


def false_rows(spoilt: list[Scored], empty: list[Scored], pairs: int) -> list[dict[str, Any]]:
    """Bogus a quadrant beyond each classifier's threshold, which `spoilt` tells, and the upper limit."""
    ny, nx = Camera.load("quadrant").quadrant_shape
    quadrants = pairs * SHAPE[0] * SHAPE[1] / (ny * nx)
    bogus = int(empty[0].bogus.sum())
    what = f"nothing amiss, {quadrants:.0f} quadrants' area: false candidates a quadrant, S_corr >= {SCORR_MIN:g}"
    table = [row(f"{what}, before scores", bogus / quadrants, bar="", met=None)]
    for threshold, one in zip(spoilt, empty, strict=True):
        left = int(np.count_nonzero(one.score[one.bogus] >= threshold.threshold))
        most = float(chi2.ppf(CONFIDENCE, 2 * left + 2) / 2 / quadrants)
        # Between the two the area shows neither that the bar is met nor that it is missed.
        met = False if left / quadrants > FALSE_MAX else True if most <= FALSE_MAX else None
        judged = one.name == "drb"
        note = f"{left} of {bogus} pass {threshold.threshold:.3f}; at {CONFIDENCE:.0%} confidence fewer than {most:.2f}"
        table.append(row(
            f"{what}, after {one.name}", left / quadrants, bar=f"<= {FALSE_MAX}" if judged else "",
            met=met if judged else None, note=note,
        ))  # fmt: skip
    return table
