"""Real pairs of one sky, a minute or two apart: the difference is noise, what moved shows, what is planted is found."""

import numpy as np
import pytest

from benchmarks import real_pairs
from ztfpipe.methods.difference.efficiency import pull

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def pair():
    return real_pairs.pair_of("r")


def test_the_sky_subtracts_to_noise_as_predicted(pair):
    assert pair.made.status == 1
    values = pair.made.difference.scorr[pair.empty]
    low, high = np.percentile(values, (15.87, 84.13))
    # 135,000 pixels, some ten of which see the same noise: the width to half a per cent; the bar is two.
    assert (high - low) / 2 == pytest.approx(1.0, abs=0.02)
    # What was predicted from both images' noise is that to a few per cent before it was scaled.
    assert pair.made.difference.scale == pytest.approx(1.0, abs=0.04)


def test_what_moved_in_two_minutes_is_new_and_gone_and_nothing_else_is(pair):
    found = pair.made.candidates
    clear = found.bad_pixels <= 4
    # A source of the same flux 6 px from where it was; white noise gives one candidate in twelve such cut-outs.
    assert set(found.positive[clear]) == {True, False}
    assert 2 <= clear.sum() <= 3
    new, gone = (np.flatnonzero(clear & (found.positive == sign))[0] for sign in (True, False))
    assert np.hypot(found.x_px[new] - found.x_px[gone], found.y_px[new] - found.y_px[gone]) < 10
    sigma = np.hypot(found.sigma_flux_adu[new], found.sigma_flux_adu[gone])
    assert abs(found.flux_adu[new] - found.flux_adu[gone]) < 4 * sigma


def test_planted_points_come_back_as_noise_lets_expect(pair):
    points = pair.planted[~pair.planted.streak]
    assert len(points) > 100
    assert abs(pull(points.found.to_numpy(), points.expected.to_numpy())) < 3
    bright = points[points.snr > 8]
    # All but one in a thousand by noise; one or two fall beside a star that leaves a residual.
    assert bright.found.mean() > 0.93


def test_a_pair_with_one_bright_star_is_no_pair_for_the_recipe_and_subtracts_by_hand():
    science, reference, difference = real_pairs.sparse_difference()
    values = difference.scorr[real_pairs.empty_pixels(science, reference, difference)]
    low, high = np.percentile(values, (15.87, 84.13))
    assert (high - low) / 2 == pytest.approx(1.0, abs=0.02)
    assert np.count_nonzero(np.abs(values) > 5) == 0
