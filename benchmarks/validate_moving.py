"""Linking and quick orbits against truth: bodies under all planets' pull, ten false detections for each real one."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.accuracy import row
from benchmarks.moving_scenes import KINDS, scene
from ztfpipe.methods.solar_system.linking import link
from ztfpipe.methods.solar_system.orbit_fit import believed, quick_orbits

LINKING = {
    "max_rate_deg_day": 1.2, "min_motion_arcsec": 1.0, "pair_days": 10 / 24, "parallax_per_au": (0.7, 0.5),
    "bend_arcsec_day2": 12.0, "gate_probability": 1e-5, "night_longitude_deg": -116.86,
}  # fmt: skip
ORBITS = {"inverse_axis_per_au": (0.4, 0.3), "eccentricity_width": 0.4}
BELIEVED = {"chance": 1e-4, "prior_max": 15.0}
EFFICIENCY_MIN, RELIABILITY_MIN = 0.95, 0.99


def rows() -> list[dict[str, Any]]:
    """Efficiency by kind of body, and reliability."""
    truth = scene(5000, 30.0, 10.0, seed=8)
    tracks = link(truth.detections, **LINKING)
    kept = believed(tracks, quick_orbits(truth.detections, tracks.members, **ORBITS), **BELIEVED)
    bodies = [np.unique(truth.body[one]) for one, good in zip(tracks.members, kept, strict=True) if good]
    pure = [one[0] for one in bodies if len(one) == 1 and one[0] >= 0]
    linkable = truth.linkable()
    found = np.isin(linkable, pure)
    text = f"{len(truth.detections)} detections of 4 nights, 10 false for each real one"
    result = [
        row(
            f"linkable objects found, {text}",
            found.mean(),
            bar=f">= {EFFICIENCY_MIN}",
            met=found.mean() >= EFFICIENCY_MIN,
        ),
        row(
            "tracks kept that are one body and nothing else",
            len(pure) / len(bodies),
            bar=f">= {RELIABILITY_MIN}",
            met=len(pure) >= RELIABILITY_MIN * len(bodies),
        ),
    ]
    for kind in KINDS:
        own = truth.kind[linkable] == kind
        result.append(row(f"of {int(own.sum())} linkable bodies, {kind}: found", found[own].mean(), bar="", met=None))
    return result
