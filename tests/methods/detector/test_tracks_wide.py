"""Bands of light that a background's mesh would take for sky are found; what is no band is left alone."""

import numpy as np
import pytest

from ztfpipe.methods.detector.tracks import track_mask
from ztfpipe.methods.detector.tracks_wide import find_wide_tracks

SIZE, SIGMA = 1200, 7.0


def sky(seed, n_stars=400):
    """A tilted sky with noise and Gaussian stars [DN]."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    image = 400 + 20 * (x / SIZE) ** 2 - 15 * y / SIZE + random.normal(0, SIGMA, (SIZE, SIZE))
    y, x = np.mgrid[-12:13, -12:13]
    places = random.integers(12, SIZE - 12, (2, n_stars))
    for cx, cy, peak in zip(*places, 10 ** random.uniform(0.5, 3.5, n_stars), strict=True):
        image[cy - 12 : cy + 13, cx - 12 : cx + 13] += peak * np.exp(-2.77 * (x**2 + y**2) / 2.2**2)
    return image


def lights(ends, peak_sigma, width_px, offsets_px):
    """Parallel lights across the whole image, each a Gaussian of this sigma."""
    (x0, y0), (x1, y1) = ends
    y, x = np.mgrid[:SIZE, :SIZE]
    across = ((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / np.hypot(x1 - x0, y1 - y0)
    return sum(peak_sigma * SIGMA * np.exp(-0.5 * ((across - offset) / width_px) ** 2) for offset in offsets_px)


def search(image, excluded=None):
    excluded = np.zeros(image.shape, bool) if excluded is None else excluded
    return find_wide_tracks(image.astype(np.float32), SIGMA, excluded)


@pytest.mark.parametrize(
    ("ends", "peak_sigma", "width_px", "offsets_px"),
    [
        (((-50, 200), (1250, 640)), 100.0, 8.0, (-20, 0, 25)),
        (((310, -100), (400, 1300)), 5.0, 8.0, (-20, 0, 25)),
        (((1100, -20), (-30, 1210)), 3000.0, 8.0, (-20, 0, 25)),
        (((-10, 905), (1210, 660)), 30.0, 20.0, (-30, 0, 30)),
    ],
)
def test_bands_are_covered(ends, peak_sigma, width_px, offsets_px):
    light = lights(ends, peak_sigma, width_px, offsets_px)
    mask = track_mask(light.shape, search(sky(1) + light))
    assert mask[light > 0.5 * SIGMA].mean() >= 0.98
    # Blocks of four pixels and a margin of one and a half of them leave 10 px on either side, 1,700 px long at most.
    assert (mask & (light < 0.1 * SIGMA)).sum() < 20 * 1700


def test_narrow_tracks_are_left_to_the_other_search():
    assert search(sky(3) + lights(((-50, 200), (1250, 640)), 100.0, 1.5, (0,))) == []


@pytest.mark.parametrize("n_stars", [0, 400, 4000])
def test_no_band_no_mask(n_stars):
    assert search(sky(4, n_stars)) == []


def test_what_is_not_a_band():
    y, x = np.mgrid[:SIZE, :SIZE]
    galaxy = 400 * np.exp(-np.hypot((x - 600) * 0.8 + (y - 500) * 0.6, 2 * ((y - 500) * 0.8 - (x - 600) * 0.6)) / 90)
    halo = 30.0 * (np.hypot(x - 300, y - 900) < 364)
    column = 60.0 * (abs(x - 700) < 40)
    for light in (galaxy, halo, column):
        assert search(sky(5) + light) == []


def test_bad_pixels_are_borne():
    image = sky(6)
    assert search(np.full_like(image, np.nan), np.ones(image.shape, bool)) == []
    band = lights(((-50, 200), (1250, 640)), 50.0, 8.0, (-20, 0, 25))
    excluded = np.zeros(image.shape, bool)
    excluded[:, 500:540] = True
    image[excluded] = np.nan
    tracks = search(image + band, excluded)
    assert len(tracks) == 1
    assert track_mask(image.shape, tracks)[band > 0.5 * SIGMA].mean() >= 0.98
