"""The box after the candidates: how real they are."""

from __future__ import annotations

import numpy as np

from ztfpipe.methods.difference.real_bogus import features, forest_scores, network_scores
from ztfpipe.model.difference import Candidates, Difference, Image
from ztfpipe.model.real_bogus import Scorers, Scores


def score(
    found: Candidates, science: Image, reference: Image, difference: Difference, scorers: Scorers | None
) -> Scores:
    """Scores of the candidates of a difference by both classifiers; NaN and no version where there are none.

    science, reference: as they were subtracted, on the pixels of the difference.
    """
    if scorers is None:
        unknown = np.full(len(found), np.nan, np.float32)
        return Scores(unknown, "", unknown, "")
    rb = forest_scores(scorers.forest, features(found))
    drb = network_scores(scorers.network, science, reference, difference, found)
    return Scores(rb, scorers.forest.version, drb, scorers.network.version)
