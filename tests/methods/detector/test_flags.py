"""Flags of positions from the mask around them."""

import numpy as np

from ztfpipe.methods.detector.flags import box_flags


def test_boxes_against_slices():
    rng = np.random.default_rng(51)
    mask = np.where(rng.random((60, 70)) < 0.02, rng.integers(1, 8192, (60, 70)), 0).astype(np.uint16)
    x, y = rng.uniform(5, 64, 200), rng.uniform(5, 54, 200)
    flags = box_flags(mask, x, y, bits=6141, edge_px=3)
    for k in range(200):
        row, column = round(y[k]), round(x[k])
        box = mask[row - 2 : row + 3, column - 2 : column + 3]
        assert flags[k] == np.bitwise_or.reduce(box, axis=None) & 6141


def test_source_bits_do_not_count():
    mask = np.full((20, 20), 2050, np.uint16)
    assert box_flags(mask, np.array([10.0]), np.array([10.0]), bits=6141, edge_px=3)[0] == 0


def test_edges_and_positions_that_are_no_numbers():
    mask = np.zeros((20, 20), np.uint16)
    x = np.array([2.9, 3.0, 16.0, 16.1, np.nan, 10.0])
    flags = box_flags(mask, x, np.full(6, 10.0), bits=6141, edge_px=3)
    assert list(flags) == [-1, 0, 0, -1, -1, 0]


def test_no_positions():
    assert box_flags(np.zeros((20, 20), np.uint16), np.zeros(0), np.zeros(0), bits=6141, edge_px=3).shape == (0,)
