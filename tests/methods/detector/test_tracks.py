"""Tracks are covered, fields without tracks are left alone, and the transform sums what it says it sums."""

import numpy as np
import pytest

from ztfpipe.methods.detector.tracks import Track, find_tracks, track_mask
from ztfpipe.methods.detector.tracks_nb import binned_significance, draw_segment, strongest_lines

SIZE = 1000
SIGMA = 6.5


def star_image(seed, n_stars, fwhm=2.2):
    """Noise and Gaussian stars of all brightnesses in units of ADU."""
    random = np.random.default_rng(seed)
    image = random.normal(0, SIGMA, (SIZE, SIZE))
    y, x = np.mgrid[-12:13, -12:13]
    for cx, cy, peak in zip(
        *random.integers(12, SIZE - 12, (2, n_stars)), 10 ** random.uniform(0.5, 3.5, n_stars), strict=True
    ):
        image[cy - 12 : cy + 13, cx - 12 : cx + 13] += peak * np.exp(-2.77 * (x**2 + y**2) / fwhm**2)
    return image


def streak(ends, peak_sigma, width_px):
    """Light of a straight track: a Gaussian across, ends cut."""
    (x0, y0), (x1, y1) = ends
    y, x = np.mgrid[:SIZE, :SIZE]
    length = np.hypot(x1 - x0, y1 - y0)
    along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length
    across = ((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length
    return peak_sigma * SIGMA * np.exp(-0.5 * (across / width_px) ** 2) * ((along >= 0) & (along <= length))


def search(image, excluded=None):
    excluded = np.zeros(image.shape, bool) if excluded is None else excluded
    return find_tracks(image.astype(np.float32), np.full(image.shape, SIGMA, np.float32), excluded)


@pytest.mark.parametrize("n_stars", [500, 3000])
@pytest.mark.parametrize(
    ("ends", "peak_sigma", "width_px"),
    [
        (((-50, 200), (1100, 640)), 1.5, 1.0),
        (((310, -100), (400, 1100)), 5.0, 1.0),
        (((900, -20), (-30, 1010)), 40.0, 1.5),
        (((-10, 905), (1010, 660)), 3.0, 7.0),
        (((250, 300), (700, 520)), 6.0, 1.2),
    ],
)
def test_tracks_are_covered(n_stars, ends, peak_sigma, width_px):
    light = streak(ends, peak_sigma, width_px)
    mask = track_mask((SIZE, SIZE), search(star_image(1, n_stars) + light))
    # A track's pixels: those it lights by half the noise or more.
    assert mask[light > 0.5 * SIGMA].mean() >= 0.98
    # What is masked besides: margins of two pixels, chunks of 32 px at the ends; not a second track's worth.
    assert mask.sum() < 2.5 * np.sum(light > 0.15 * SIGMA) + 64 * 40


def test_two_tracks_that_cross():
    light = streak(((-10, 100), (1010, 800)), 4.0, 1.0) + streak(((-10, 850), (1010, 300)), 8.0, 1.0)
    tracks = search(star_image(2, 500) + light)
    assert len(tracks) == 2
    assert track_mask((SIZE, SIZE), tracks)[light > 0.5 * SIGMA].mean() >= 0.98


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_bright_tracks_among_many_stars_in_a_small_image_do_not_hide_each_other(seed):
    """Eight of them light a quarter of the pixels. Where two meet, one may be lost in the other; most are covered."""
    ends = np.random.default_rng(seed).uniform(0, 512, (2, 8)).T
    light = sum(streak(((-10, left), (522, right)), 60.0, 1.5) for left, right in ends)[:512, :512]
    tracks = search(star_image(5, 4500)[:512, :512] + light)
    assert len(tracks) > 4
    assert track_mask((512, 512), tracks)[light > 0.5 * SIGMA].mean() > 0.5


@pytest.mark.parametrize("n_stars", [500, 5000])
@pytest.mark.parametrize("peak_sigma", [20.0, 3000.0])
def test_short_chord_across_a_corner(n_stars, peak_sigma):
    """280 px long, also among as many stars as there are in the Milky Way, in an image whose line goes on outside."""
    light = streak(((790, 1010), (1010, 810)), peak_sigma, 1.0)
    mask = track_mask((SIZE, SIZE), search(star_image(7, n_stars) + light))
    assert mask[light > 0.5 * SIGMA].mean() >= 0.98
    assert mask.sum() < 2.5 * np.sum(light > 0.15 * SIGMA) + 64 * 40


def test_track_behind_another_is_one_track():
    """A band that is excluded already hides 500 px of it."""
    light = streak(((-10, 100), (1010, 800)), 8.0, 1.0)
    excluded = np.zeros((SIZE, SIZE), bool)
    excluded[:, 300:800] = True
    tracks = search(star_image(8, 500) + light, excluded)
    assert len(tracks) == 1
    assert track_mask((SIZE, SIZE), tracks)[light > 0.5 * SIGMA].mean() >= 0.98


@pytest.mark.parametrize("n_stars", [0, 500, 4000])
def test_no_track_no_mask(n_stars):
    for seed in range(3):
        assert search(star_image(seed, n_stars)) == []


def test_what_is_not_a_track():
    quiet = star_image(3, 500)
    # An asteroid's trail, a bad column, a few bright stars in a row, and a star's spike that fades outwards.
    assert search(quiet + streak(((400, 400), (470, 440)), 10.0, 1.0)) == []
    column = quiet.copy()
    column[:, 333] += 3 * SIGMA
    assert search(column) == []
    y, x = np.mgrid[:SIZE, :SIZE]
    row = sum(300 * SIGMA * np.exp(-0.3 * ((x - 200 - 120 * k) ** 2 + (y - 300 - 50 * k) ** 2)) for k in range(5))
    assert search(quiet + row) == []
    distance, across = np.hypot(x - 500, y - 500), (x - 500) * 0.6 - (y - 500) * 0.8
    spike = 3e5 * SIGMA / (30 + distance) ** 2.5 * np.exp(-0.5 * across**2)
    found = track_mask((SIZE, SIZE), search(quiet + spike, excluded=distance < 30))
    assert not found[distance > 300].any()


def test_bad_pixels_and_empty_images():
    image = star_image(4, 500) + streak(((-50, 200), (1100, 640)), 5.0, 1.0)
    excluded = np.zeros(image.shape, bool)
    excluded[:, 480:520] = True
    image[excluded] = np.nan
    tracks = search(image, excluded)
    assert len(tracks) == 1
    assert tracks[0].x0_px < 5
    assert tracks[0].x1_px > 994
    assert search(image, np.ones(image.shape, bool)) == []


def test_transform_finds_the_line_of_the_slow_twin():
    """The discrete line of every rise, summed pixel by pixel: Brady's recursion by its definition."""
    random = np.random.default_rng(5)
    image = random.normal(0, 1, (20, 32)).astype(np.float32)

    def height(column, rise, width):
        """How far a line of this rise has come up after so many columns."""
        if width == 1:
            return 0
        half = width // 2
        if column < half:
            return height(column, rise // 2, half)
        return (rise + 1) // 2 + height(column - half, rise // 2, half)

    found = strongest_lines(image, 1.0, 4, 0.0)
    for level, line in zip((4, 5), found, strict=True):
        width, best = 2**level, 0.0
        for x0 in range(0, 32, width):
            for rise in range(width):
                for y0 in range(-rise, 20):
                    rows = [y0 + height(c, rise, width) for c in range(width)]
                    total = sum(image[y, x0 + c] for c, y in enumerate(rows) if 0 <= y < 20)
                    slope = rise / (width - 1)
                    # The exact line's length inside the image, as the kernel counts it.
                    inside = width - max(0, -y0) / slope - max(0, y0 + rise - 19) / slope if rise else width
                    if inside >= 8:
                        best = max(best, total / np.sqrt(inside))
        assert line[0] == pytest.approx(best, rel=1e-5)


def test_bins_are_sums_over_known_pixels():
    random = np.random.default_rng(6)
    image, noise = random.normal(0, 3, (9, 13)).astype(np.float32), np.full((9, 13), 2.0, np.float32)
    excluded = random.random((9, 13)) < 0.3
    bins = binned_significance(image, noise, excluded, 4, np.float32(1.5))
    assert bins.shape == (2, 3)
    for y, x in np.ndindex(2, 3):
        block = np.s_[4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
        known = ~excluded[block]
        slow = (image[block][known] / 2.0).sum() / np.sqrt(known.sum()) if known.sum() >= 8 else 0.0
        assert bins[y, x] == pytest.approx(np.clip(slow, -1.5, 1.5), abs=1e-5)


SEGMENTS = [(3.2, 5.0, 40.0, 22.0), (30.0, -5.0, 31.0, 60.0), (-9.0, 20.0, 60.0, 20.0), (45.0, 3.0, 5.0, 44.0)]


@pytest.mark.parametrize("ends", SEGMENTS)
def test_segments_are_drawn_as_the_slow_twin_does(ends):
    x0, y0, x1, y1 = ends
    mask = np.zeros((50, 48), bool)
    draw_segment(mask, x0, y0, x1, y1, 2.5)
    y, x = np.mgrid[:50, :48]
    length = np.hypot(x1 - x0, y1 - y0)
    along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length
    across = ((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length
    np.testing.assert_array_equal(mask, (along >= 0) & (along <= length) & (np.abs(across) <= 2.5))
    assert track_mask((50, 48), [Track(*ends, 2.5, 10.0, 1.0)]).sum() == mask.sum()
