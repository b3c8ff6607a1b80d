"""Matching by cells against matching by trees."""

import numpy as np
import pytest

from ztfpipe.methods.sky.matching import match_cells, match_plane


@pytest.mark.parametrize(("n", "radius"), [(0, 1.0), (1, 1.0), (400, 1.0), (400, 30.0)])
def test_the_pairs_are_those_of_the_trees(n, radius):
    rng = np.random.default_rng(n)
    x2, y2 = rng.uniform(-50, 150, (2, 400))
    x1, y1 = (one[:n] + rng.normal(0, 0.8, n) for one in (x2, y2))
    if n > 2:
        x1[0], y2[5] = np.nan, np.nan
        x1[1] = 1e30
    found, expected = match_cells(x1, y1, x2, y2, radius), match_plane(x1, y1, x2, y2, radius)
    assert found.first.tolist() == expected.first.tolist()
    assert found.second.tolist() == expected.second.tolist()
    assert found.distance == pytest.approx(expected.distance, rel=1e-12)


def test_nothing_to_match_with_gives_nothing():
    assert len(match_cells([1.0], [1.0], [np.nan], [0.0], 1.0)) == 0
    assert len(match_cells([1.0], [1.0], [], [], 1.0)) == 0
