"""The recipe on pairs in memory: what is masked, not covered or not understood, and what then becomes of it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.difference_scene import read_pair
from ztfpipe.camera import Camera
from ztfpipe.config import Difference
from ztfpipe.pipelines.difference.recipe import make_difference

CAMERA = Camera.load("mini")
SETTINGS = Difference()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return read_pair(tmp_path_factory.mktemp("pair") / "archive", CAMERA)


@pytest.fixture(scope="module")
def made(pair):
    return make_difference(*pair, CAMERA, SETTINGS)


def test_noise_is_what_was_predicted(made):
    assert made.status == 1
    assert made.notes == ()
    # White noise of known sigma in all inputs: the width in empty sky is predicted. The reference's correlated noise is
    # known to some per cent.
    assert made.metrics["scorr_width"] == pytest.approx(1.0, abs=0.1)
    difference = made.difference
    assert made.metrics["diffsigpix"] == pytest.approx(np.median(difference.noise_adu), rel=0.1)


def test_few_false_candidates_away_from_bright_stars(made, pair):
    """Nine are planted."""
    catalog, found = pair[0].catalog, made.candidates
    bright = catalog.flux_adu > 10 ** (-0.4 * (16.0 - pair[0].zero_point_mag))
    distance = np.hypot(found.x_px[:, None] - catalog.x_px[bright], found.y_px[:, None] - catalog.y_px[bright])
    # White noise gives 4 in a full quadrant, 1 in 9 of this size.
    assert 9 <= np.count_nonzero(distance.min(axis=1) > 12) <= 9 + 2


def test_masked_pixels_are_masked_in_the_difference(pair):
    science, reference = pair
    mask = science.mask.copy()
    mask[100:140, 200:260] = CAMERA.mask_value("noisy")
    made = make_difference(replace(science, mask=mask), reference, CAMERA, SETTINGS)
    assert made.status == 1
    assert made.difference.bad[100:140, 200:260].all()
    inside = (made.candidates.x_px > 199) & (made.candidates.x_px < 260)
    inside &= (made.candidates.y_px > 99) & (made.candidates.y_px < 140)
    assert not inside.any()


def test_partial_overlap_is_differenced_where_there_is_something_and_counted(pair):
    science, reference = pair
    ny = reference.mask.shape[0]
    third = replace(reference, image_adu=reference.image_adu.copy(), mask=reference.mask.copy())
    third.image_adu[: ny // 3] = np.nan
    third.mask[: ny // 3] = CAMERA.mask_value("nan")
    made = make_difference(science, third, CAMERA, SETTINGS)
    assert made.status == 1
    assert made.metrics["diffpctbad"] == pytest.approx(100 / 3, abs=4)
    strict = make_difference(science, third, CAMERA, Difference(bad_fraction_max=0.2))
    assert strict.status == 0
    assert "too many pixels are masked" in strict.notes[0]
    assert strict.candidates is None


def test_noise_that_is_not_understood_gives_no_candidates(pair):
    science, reference = pair
    made = make_difference(science, replace(reference, sigma_adu=reference.sigma_adu * 30), CAMERA, SETTINGS)
    assert made.status == 0
    assert "its noise is not what was predicted" in made.notes[0]
    assert made.candidates is None


def test_throughput_of_a_third_is_matched(pair, made):
    """The reference in other units: the same difference."""
    science, reference = pair
    catalog = reference.catalog
    brighter = replace(
        reference, image_adu=reference.image_adu * 3, sigma_adu=reference.sigma_adu * 3,
        gain_e_per_adu=reference.gain_e_per_adu / 3,
        catalog=replace(catalog, flux_adu=catalog.flux_adu * 3, flux_error_adu=catalog.flux_error_adu * 3),
    )  # fmt: skip
    again = make_difference(science, brighter, CAMERA, SETTINGS)
    assert again.metrics["fluxrat"] == pytest.approx(made.metrics["fluxrat"] / 3, rel=1e-3)
    good = ~made.difference.bad & ~again.difference.bad
    change = np.abs(again.difference.image_adu - made.difference.image_adu)[good]
    # Fits end within their tolerances, not at the same digit: a hundredth of the noise almost everywhere.
    assert np.percentile(change, 99) < 0.05 * made.metrics["diffsigpix"]


@pytest.mark.parametrize("side", [0, 1])
def test_an_image_without_stars_is_of_no_use(pair, side):
    sides = list(pair)
    catalog = sides[side].catalog
    few = replace(catalog, flux_error_adu=catalog.flux_error_adu * 1e6)
    sides[side] = replace(sides[side], catalog=few)
    made = make_difference(*sides, CAMERA, SETTINGS)
    assert made.status == 0
    assert made.difference is None
    assert "stars" in made.notes[0]
