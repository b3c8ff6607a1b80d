"""Quadrants side by side: against counting by hand, and by where known pixels end up."""

import numpy as np
import pytest

from ztfpipe.methods.detector.mosaic import assemble, block_mean, tile_corners


def test_block_mean_is_the_mean_of_each_block():
    image = np.random.default_rng(1).normal(100, 5, (11, 7)).astype(np.float32)
    image[0:3, 0:3] = np.nan  # a whole block
    image[4, 4] = np.nan
    got = block_mean(image, 3)
    assert got.shape == (3, 2)
    for y in range(3):
        for x in range(2):
            block = image[3 * y : 3 * y + 3, 3 * x : 3 * x + 3].astype(np.float64)
            good = block[np.isfinite(block)]
            if good.size:
                # float32 keeps seven digits
                assert got[y, x] == pytest.approx(good.mean(), rel=1e-6)
            else:
                assert np.isnan(got[y, x])


def test_block_mean_by_one_changes_nothing():
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(block_mean(image, 1), image)


def test_tiles_stand_where_their_centres_are():
    # Two tiles of 4 rows and 6 columns, the second to the right of a gap of 2 columns and 1 row lower.
    corners = tile_corners({(1, 1): (10.0, 20.0), (1, 2): (18.0, 21.0)}, (4, 6))
    assert corners == {(1, 1): (0, 0), (1, 2): (1, 8)}
    tiles = {(1, 1): np.full((4, 6), 1, np.float32), (1, 2): np.full((4, 6), 2, np.float32)}
    canvas = assemble(tiles, corners, 1)
    assert canvas.shape == (5, 14)
    assert (canvas[0:4, 0:6] == 1).all()
    assert (canvas[1:5, 8:14] == 2).all()
    assert np.isnan(canvas).sum() == 5 * 14 - 2 * 24


def test_a_missing_tile_leaves_its_place_empty():
    corners = {(1, 1): (0, 0), (1, 2): (0, 4)}
    canvas = assemble({(1, 1): np.ones((2, 2), np.float32)}, corners, 2)
    assert canvas.shape == (2, 4)
    assert np.isnan(canvas[:, 2:]).all()
