"""Raw detections and light filters on the planted pair of `validate_difference`: what is kept, and what is tagged."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import ndtr

from benchmarks.accuracy import row
from benchmarks.validate_difference import Planted, plant
from ztfpipe.methods.difference.light_filters import failed_filters
from ztfpipe.methods.difference.raw_detections import find_raw
from ztfpipe.model.candidates import LIGHT_FILTERS

_NEAR_PX = 2.0


def raw_rows(planted: Planted) -> list[dict[str, Any]]:
    """Sources of S/N 5 are above 3 as theory says, with their flux; noise makes the rest."""
    raw = find_raw(planted.result.difference, threshold=3.0, below=np.inf)
    chosen = planted.clear & ~planted.hosted & (planted.aimed_snr == 5.0)
    tree = cKDTree(np.stack([raw.x_px[raw.positive], raw.y_px[raw.positive]], 1))
    places = np.stack([planted.x_px[chosen], planted.y_px[chosen]], 1)
    distance, which = tree.query(places, distance_upper_bound=_NEAR_PX)
    seen = np.isfinite(distance)
    expected, n = ndtr(2.0), int(chosen.sum())
    bar = expected - 4 * np.sqrt(expected * (1 - expected) / n)
    at = np.flatnonzero(raw.positive)[which[seen]]
    pull = (raw.flux_adu[at] - planted.flux_adu[chosen][seen]) / raw.sigma_flux_adu[at]
    return [
        row("raw detections: transients off hosts of S/N 5 kept", seen.mean(), bar=f">= {bar:.3f}",
            met=seen.mean() >= bar, note=f"{n} planted; theory {expected:.3f}"),
        row("raw detections: flux pulls at S/N 5, mean", pull.mean(), bar="|mean| <= 0.4",
            met=abs(pull.mean()) <= 0.4,
            note="the best place is chosen, which adds 1 / (S/N) = 0.2 sigma; what is below 3 is not there: 0.05"),
        row("raw detections from 3 to 5 sigma of a quadrant", int((raw.scorr < 5).sum()), bar="", met=None),
    ]  # fmt: skip


def filter_rows(planted: Planted) -> list[dict[str, Any]]:
    """Share of found transients that pass the light filters, and what the others fail."""
    found = planted.result.candidates
    bits = failed_filters(found.columns())
    tree = cKDTree(np.stack([found.x_px, found.y_px], 1))
    distance, which = tree.query(np.stack([planted.x_px, planted.y_px], 1), distance_upper_bound=_NEAR_PX)
    seen = np.isfinite(distance) & planted.clear
    table = []
    groups = [(f"off hosts at S/N {snr:.0f}", ~planted.hosted & (planted.aimed_snr == snr)) for snr in (5, 7, 8, 20)]
    for name, group in [*groups, ("on hosts", planted.hosted)]:
        one = bits[which[seen & group]]
        failed = ", ".join(
            f"{label} {np.mean(one >> bit & 1):.2f}"
            for bit, label in enumerate(LIGHT_FILTERS)
            if (one >> bit & 1).any()
        )
        table.append(row(f"light filters: found transients {name} that pass all", np.mean(one == 0), bar="", met=None,
                         note=f"of {len(one)}; failed: {failed or 'none'}"))  # fmt: skip
    return table


def rows() -> list[dict[str, Any]]:
    """All rows."""
    planted = plant()
    return [*raw_rows(planted), *filter_rows(planted)]
