"""The box after the description of candidates: how real they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.difference.real_bogus import features, forest_scores, network_scores
from ztfpipe.model.candidates import Cutouts
from ztfpipe.model.difference import Candidates
from ztfpipe.model.real_bogus import Scorers


def scores(found: Candidates, cutouts: Cutouts, scorers: Scorers | None) -> dict[str, NDArray]:
    """The columns of SCORE_COLUMNS, (n,), of candidates with these cutouts; NaN and no version without classifiers."""
    rb = drb = np.full(len(found), np.nan, np.float32)
    versions = ("", "")
    if scorers is not None:
        rb = forest_scores(scorers.forest, features(found))
        drb = network_scores(scorers.network, cutouts, found.positive)
        versions = (scorers.forest.version, scorers.network.version)
    names = [np.full(len(found), version) for version in versions]
    return {"rb": rb, "rbversion": names[0], "drb": drb, "drbversion": names[1]}


def score_medians(columns: dict[str, NDArray]) -> dict[str, float]:
    """Median rb and drb of all candidates of an image, by which a drift of the classifiers shows; NaN without any."""
    return {
        f"{name}median": float(np.median(columns[name])) if columns[name].size else float("nan")
        for name in ("rb", "drb")
    }
