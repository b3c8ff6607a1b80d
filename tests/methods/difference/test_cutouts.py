"""Cutouts of candidates: where they lie, what edges do, and that real packets agree."""

from __future__ import annotations

import gzip
import io

import fastavro
import numpy as np
import pytest
from astropy.io import fits

from tests.real_data import REAL_DATA
from ztfpipe.methods.difference.cutouts import cutouts, truncated


@pytest.fixture
def rng():
    return np.random.default_rng(63)


def test_the_candidate_is_in_the_middle_pixel(rng):
    image = rng.normal(size=(90, 101)).astype(np.float32)
    x, y = np.array([40.4, 50.6, 44.5]), np.array([44.0, 45.49, 39.51])
    found = cutouts(image, x, y)
    assert found.shape == (3, 63, 63)
    assert found.dtype == np.float32
    assert found[:, 31, 31].tolist() == [image[44, 40], image[45, 51], image[40, 45]]
    assert np.array_equal(found[0], image[44 - 31 : 44 + 32, 40 - 31 : 40 + 32])


@pytest.mark.parametrize("place", [(3.2, 40.0), (97.0, 88.0), (50.0, 0.0), (0.0, 0.0), (100.0, 89.0)])
def test_pixels_beyond_the_edge_are_nan_and_packets_leave_them_out(rng, place):
    image = rng.normal(size=(90, 101)).astype(np.float32)
    x, y = place
    found = cutouts(image, x, y, size=31)[0]
    padded = np.full((90 + 60, 101 + 60), np.nan, np.float32)
    padded[30:-30, 30:-30] = image
    j, i = int(y + 0.5) + 30, int(x + 0.5) + 30
    assert np.array_equal(found, padded[j - 15 : j + 16, i - 15 : i + 16], equal_nan=True)
    kept = truncated(found, x, y, image.shape)
    assert kept.size == np.isfinite(found).sum()
    assert np.isfinite(kept).all()


def test_far_outside_there_is_nothing():
    image = np.ones((20, 20), np.float32)
    found = cutouts(image, [-200.0], [10.0], size=5)
    assert np.isnan(found).all()
    assert truncated(found[0], -200.0, 10.0, image.shape).size == 0


def test_none_and_even_sizes():
    image = np.ones((20, 20), np.float32)
    assert cutouts(image, [], []).shape == (0, 63, 63)
    with pytest.raises(ValueError, match="odd"):
        cutouts(image, 5.0, 5.0, size=6)


@pytest.mark.shared_data
def test_real_packets_have_their_candidate_where_ours_have():
    """The centroid of a real stamp, measured from [31, 31], is xpos less the nearest whole number, so for y.

    Bright ones only (scorr > 20): centroids of a Gaussian window are then good to 0.05 px; five times that is allowed
    for blends with residuals of a host.
    """
    seen = 0
    for candidate, stamp in real_packets():
        if candidate["scorr"] < 20:
            continue
        seen += 1
        # Real packets number the first pixel 1; a whole number does not matter to where the middle pixel lies.
        expected = [candidate[name] - np.floor(candidate[name] + 0.5) for name in ("xpos", "ypos")]
        assert stamp.shape == (63, 63)
        assert np.abs(np.array(centroid(stamp)) - expected).max() < 0.25, candidate["candid"]
    assert seen >= 5


def real_packets():
    """(candidate, difference cutout) of the public packets."""
    for path in sorted((REAL_DATA / "alerts").glob("*.avro")):
        with path.open("rb") as file:
            for packet in fastavro.reader(file):
                raw = io.BytesIO(gzip.decompress(packet["cutoutDifference"]["stampData"]))
                with fits.open(raw, ignore_missing_simple=True) as stored:
                    yield packet["candidate"], stored[0].data.astype(float)


def centroid(stamp):
    """Centroid (x, y) from the middle pixel in a Gaussian window that follows it."""
    y, x = np.mgrid[:63, :63] - 31.0
    cx = cy = 0.0
    for _ in range(30):
        weight = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 1.2**2)) * np.nan_to_num(stamp)
        cx, cy = cx + 2 * (weight * (x - cx)).sum() / weight.sum(), cy + 2 * (weight * (y - cy)).sum() / weight.sum()
    return cx, cy
