"""No saturated pixel escapes; bleed trails are followed to their ends; little else is touched."""

import numpy as np

from ztfpipe.methods.detector.saturation import saturation_mask

LEVEL = 58000.0


def bled_star(flux, shape=(120, 80)):
    """A star whose charge above the full well runs up and down its columns; returns counts and what was clipped."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    light = flux * (1 + ((x - 40.3) ** 2 + (y - 60.2) ** 2) / 4.0) ** -2.5 / 8
    counts = light.copy()
    for column in range(shape[1]):
        excess = np.maximum(light[:, column] - LEVEL, 0).sum()
        counts[:, column] = np.minimum(light[:, column], LEVEL)
        for reach in range(shape[0]):
            for row in {60 - reach, 60 + reach}:
                room = LEVEL - counts[row, column] if 0 <= row < shape[0] else 0.0
                moved = min(room, excess)
                if moved > 0:
                    counts[row, column] += moved
                    excess -= moved
    return counts


def test_every_saturated_pixel_and_trail_is_masked():
    random = np.random.default_rng(1)
    for flux in (1e5, 3e6, 1e7):
        clean = bled_star(flux)
        # Read noise of 1.6 ADU: a clipped pixel may read less than the level.
        counts = (clean + random.normal(0, 1.6, clean.shape)).astype(np.float32)
        mask = saturation_mask(counts, LEVEL, margin_adu=8.0)
        assert mask[clean >= LEVEL].all()
        # The last pixel of a trail is partly filled.
        rows, columns = np.nonzero(clean >= LEVEL)
        assert mask[np.minimum(rows + 1, 119), columns].all()
        assert mask[np.maximum(rows - 1, 0), columns].all()
        if flux == 1e5:
            assert not mask.any()


def test_mask_is_that_of_the_slow_twin():
    random = np.random.default_rng(2)
    counts = random.uniform(0, 100, (60, 40)).astype(np.float32)
    counts[random.random(counts.shape) < 0.02] = np.nan
    slow = np.zeros(counts.shape, bool)
    for y, x in np.argwhere(counts >= 95):
        slow[y, max(x - 2, 0) : x + 3] = True
        for step in (-1, 1):
            j = y + step
            while 0 <= j < 60 and counts[j, x] >= 60:
                slow[j, x] = True
                j += step
            for k in range(3):
                if 0 <= j + k * step < 60:
                    slow[j + k * step, x] = True
    mask = saturation_mask(counts, 100.0, margin_adu=5.0, tail_fraction=0.6, along_px=3, across_px=2)
    np.testing.assert_array_equal(mask, slow)


def test_unsigned_counts_and_an_image_all_saturated():
    assert saturation_mask(np.full((10, 12), 65535, np.uint16), LEVEL, margin_adu=8.0).all()
    assert not saturation_mask(np.zeros((10, 12), np.uint16), LEVEL, margin_adu=8.0).any()
    assert not saturation_mask(np.full((5, 5), np.nan), LEVEL, margin_adu=8.0).any()
