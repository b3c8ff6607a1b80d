"""The two real pairs of one sky differenced: S_corr away from stars, candidates, and sources planted into one of them.

Pictures of both stand in docs/pictures: the image, the difference, S_corr.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.accuracy import row
from benchmarks.real_pairs import RealPair, draw, empty_pixels, pair_of, present, sparse_difference
from benchmarks.report import ROOT
from ztfpipe.methods.difference.efficiency import pull

PICTURES = ROOT / "docs" / "pictures"
Row = dict[str, Any]


def rows() -> list[Row]:
    """Lines of the accuracy table; none where the images are not at hand."""
    if not present():
        return []
    pair = pair_of("r")
    science, reference, sparse = sparse_difference()
    draw(pair.science, pair.made.difference, PICTURES / "real-pair-r.jpg")
    draw(science, sparse, PICTURES / "real-pair-g.jpg")
    return [
        *sky_rows("r", pair.made.difference.scorr[pair.empty], pair.made.difference.scale),
        *sky_rows("g", sparse.scorr[empty_pixels(science, reference, sparse)], sparse.scale),
        *candidate_rows(pair),
        *planted_rows(pair),
    ]


def sky_rows(name: str, values: np.ndarray, scale: float) -> list[Row]:
    """Mean and width of S_corr in star-free pixels."""
    low, high = np.percentile(values, (15.87, 84.13))
    return [
        row(f"real {name} pair: mean of S_corr in star-free pixels", values.mean(), bar="|mean| <= 0.02",
            met=abs(values.mean()) <= 0.02, unit="sigma"),
        row(f"real {name} pair: width of S_corr in star-free pixels", (high - low) / 2, bar="0.98 to 1.02",
            met=abs((high - low) / 2 - 1) <= 0.02, unit="sigma",
            note=f"noise as predicted was multiplied by {scale:.4f}; {len(values)} pixels"),
    ]  # fmt: skip


def candidate_rows(pair: RealPair) -> list[Row]:
    """What is new or gone at five sigma, outside masks."""
    found = pair.made.candidates
    clear = found.bad_pixels <= 4
    listed = ", ".join(
        f"{'+' if positive else '-'}{scorr:.1f} at ({x:.0f}, {y:.0f})"
        for positive, scorr, x, y in zip(
            found.positive[clear], found.scorr[clear], found.x_px[clear], found.y_px[clear], strict=True
        )
    )
    return [row("real r pair: candidates at five sigma, outside masks", clear.sum(), bar="", met=None, note=listed)]


def planted_rows(pair: RealPair) -> list[Row]:
    """Points planted into the r pair: found by signal-to-noise ratio, and how bright."""
    points = pair.planted[~pair.planted.streak]
    bright = points[points.snr > 8]
    found = bright[bright.found]
    pulls = (found.fluxfound - found.flux) / found.sigfluxfound
    number = pull(points.found.to_numpy(), points.expected.to_numpy())
    return [
        row("real r pair: planted points found less those expected, in sigma", number, bar="|pull| <= 3",
            met=abs(number) <= 3, note=f"{points.found.sum()} of {len(points)}, expected {points.expected.sum():.1f}"),
        row("real r pair: planted points found at S/N above 8", bright.found.mean(), bar=">= 0.95",
            met=bright.found.mean() >= 0.95, note=f"{len(bright)} planted"),
        row("real r pair: flux pulls of those, mean", pulls.mean(), bar="", met=None),
        row("real r pair: flux pulls of those, width", pulls.std(), bar="", met=None),
    ]  # fmt: skip
