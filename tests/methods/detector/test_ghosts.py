"""Discs where they belong."""

import numpy as np

from ztfpipe.methods.detector.ghosts import disc_mask, ghost_discs, halo_mask


def test_discs_are_all_pixels_within_the_radius():
    random = np.random.default_rng(1)
    x, y, radius = random.uniform(-20, 90, 12), random.uniform(-20, 70, 12), random.uniform(1, 25, 12)
    rows, columns = np.mgrid[:50, :70]
    slow = np.zeros((50, 70), bool)
    for cx, cy, r in zip(x, y, radius, strict=True):
        slow |= np.hypot(columns - cx, rows - cy) <= r
    np.testing.assert_array_equal(disc_mask((50, 70), x, y, radius), slow)
    assert not disc_mask((50, 70), [np.nan, 500.0], [3.0, -500.0], 10.0).any()


def test_only_stars_bright_enough_have_halos_even_from_outside():
    mask = halo_mask((100, 100), [50.0, -20.0, 80.0], [50.0, 50.0, 80.0], [7.0, 6.5, np.nan], radius_px=30.0)
    assert not mask[50, 50]
    assert mask[50, 0]
    assert mask[50, 10]
    assert not mask[50, 11]
    assert not mask[80, 80]


def test_ghosts_lie_on_the_line_through_the_axis():
    x, y, radius = ghost_discs(
        [100.0, 200.0], [50.0, 60.0], [3.0, 9.0], (1000.0, 1000.0), magnification=-0.5, radius_px=40.0, faintest_mag=5.0
    )
    assert (x.tolist(), y.tolist(), radius.tolist()) == ([1450.0], [1475.0], [40.0])
