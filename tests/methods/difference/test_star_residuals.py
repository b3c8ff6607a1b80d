"""What bright stars leave is counted as noise about them, and nothing else is touched."""

from dataclasses import replace

import numpy as np
import pytest

from ztfpipe.methods.difference.star_residuals import (
    discount_lost_cores,
    discount_stars,
    psf_uncertainty,
    residual_profile,
)
from ztfpipe.methods.difference.zogy import subtract

SHAPE = (400, 400)
SIGMA = 10.0
RNG = np.random.default_rng(4)
PLACES = np.stack(np.meshgrid(np.arange(40, 400, 80.0), np.arange(40, 400, 80.0))).reshape(2, -1)
FLUX = np.linspace(2e5, 6e5, PLACES.shape[1])


@pytest.fixture(scope="module")
def pair(psf_of, drawn, exposed):
    """A function (size of a lobe, flux of a transient) -> difference of 25 bright stars, each with a lobe of its light
    4 px beside it in the science image that no PSF knows, and the transient 8 px beside the first."""

    def make(lobe, transient=0.0):
        rng = np.random.default_rng(6)
        psf = psf_of(2.4, SHAPE)
        stars = drawn(psf, *PLACES, FLUX)
        extra = drawn(psf, PLACES[0] + 4, PLACES[1], lobe * FLUX) + drawn(psf, 32.0, 40.0, transient)
        variance = SIGMA**2 + stars / 6.0
        science = rng.normal(stars + extra, np.sqrt(variance))
        reference = rng.normal(stars, np.sqrt(variance))
        sides = [exposed(image, SIGMA, psf, variance=variance) for image in (science, reference)]
        return subtract(*sides)

    return make


def around(difference, x, y, half=1):
    box = difference.scorr[int(y) - half : int(y) + half + 1, int(x) - half : int(x) + half + 1]
    return np.abs(box).max()


def test_a_lobe_that_all_have_is_no_candidate_and_a_transient_beside_one_is(pair):
    before = pair(0.005, 1500.0)
    after = discount_stars(before, *PLACES, FLUX)
    lobes = [around(before, x + 4, y) for x, y in PLACES.T]
    assert min(lobes) > 6
    # The mean square over a ring of 25 pixels, of which the lobe fills some eight: half of it.
    assert max(around(after, x + 4, y) for x, y in PLACES.T) < 4
    assert around(after, 32, 40) > 0.6 * around(before, 32, 40) > 6
    far = np.min(np.hypot(*(np.indices(SHAPE)[::-1, ..., None] - PLACES[:, None, None])), axis=-1) > 31
    np.testing.assert_array_equal(after.scorr[far], before.scorr[far])


def test_profile_is_the_size_of_the_lobe_and_nothing_without_one(pair):
    profile = residual_profile(pair(0.01), *PLACES, FLUX)
    # A lobe of a hundredth of the star, at its middle: the root mean square over its ring is between a quarter and
    # two thirds of it. On the other rings its own wings; seven px away nothing of a Gaussian is left.
    assert 0.0025 < profile[4] < 0.0067
    assert profile[9:].max() < 0.0003
    # 25 stars of signal-to-noise ratio 3,000 and more: nothing above a part in a thousand of them.
    assert residual_profile(pair(0.0), *PLACES, FLUX).max() < 0.001


def test_faint_stars_do_not_hide_what_the_bright_ones_show(pair):
    difference = pair(0.005)
    alone = residual_profile(difference, *PLACES, FLUX)
    rng = np.random.default_rng(8)
    # Places of nothing but noise, as catalog stars of S/N 230 and more: a ring's squares are skew, their median is low.
    empty = np.stack([rng.uniform(15, 385, 150), rng.choice(np.arange(80, 400, 80.0), 150)])
    many = residual_profile(difference, *np.hstack([PLACES, empty]), np.append(FLUX, np.full(150, 1.5e4)))
    # Nothing of 15,000 DN is known to 3e-3 of it, where the lobe is: 150 of them weigh as much as a few of the 25.
    assert many[4] == pytest.approx(alone[4], rel=0.3)


def test_a_transient_beside_a_star_is_not_learned_from(pair):
    without, beside = (residual_profile(pair(0.005, flux), *PLACES, FLUX) for flux in (0.0, 1500.0))
    # Eight pixels from the faintest of 25 stars: of them all it may add what six times its expectation does.
    assert beside[8] < without[8] + 0.0005


def test_the_psf_is_least_certain_in_the_corners(pair, psf_of):
    rng = np.random.default_rng(9)
    x, y = rng.uniform(0, 399, (2, 300))
    terms = 10
    psf = replace(
        psf_of(2.4, SHAPE), order=3, coefficients=np.zeros((terms, 5, 5), np.float32), used_x_px=x, used_y_px=y,
        used_flux_adu=rng.uniform(2e4, 2e5, 300),
    )  # fmt: skip
    u, v = ((2 * one / 399 - 1) for one in (x, y))
    powers = [(i, j) for i in range(4) for j in range(4 - i)]
    design = np.stack([u**i * v**j for i, j in powers], 1)
    # The same by experiment: a cubic through values of equal errors, at a corner and at the middle, 2,000 times.
    found = np.linalg.lstsq(design, rng.normal(size=(300, 2000)), rcond=None)[0]
    corner, middle = (np.std(np.array([a**i * b**j for i, j in powers]) @ found) for a, b in ((1, 1), (0, 0)))
    told = psf_uncertainty(replace(pair(0.0), science_psf=psf), np.array([399.0, 199.5]), np.array([399.0, 199.5]))
    # Two standard deviations of 2,000 numbers are known to 1.6 per cent each; stars of 20,000 DN weigh a little less.
    assert told[0] / told[1] == pytest.approx(corner / middle, rel=0.1)
    assert told[0] > 2 > 1 > told[1]
    assert (psf_uncertainty(pair(0.0), *PLACES) == 1).all()


def test_few_bright_stars_tell_nothing(pair):
    difference = pair(0.01)
    assert not residual_profile(difference, *PLACES[:, :4], FLUX[:4]).any()
    assert discount_stars(difference, *PLACES[:, :4], FLUX[:4]) is difference
    assert not residual_profile(difference, *PLACES, FLUX / 1e4).any()


def test_rings_about_a_lost_core_are_brought_to_their_width(pair):
    difference = pair(0.0)
    y, x = np.indices(SHAPE)
    distance = np.hypot(x - 200, y - 200)
    bad = difference.bad | (distance < 6) | (x == 350)
    bad[20:30, :3] = True
    scorr = difference.scorr + np.where(distance < 25, np.float32(12), np.float32(0))
    scorr[200, 215] += 40
    spoilt = replace(difference, scorr=scorr.astype(np.float32), bad=bad)
    after = discount_lost_cores(spoilt).scorr
    ring = (distance > 7) & (distance < 24)
    one = np.abs(y - 200) + np.abs(x - 215) < 3
    # Twelve of a width of twelve and a bit.
    assert np.abs(after[ring & ~one]).max() < 2
    # A transient of forty more stays above it.
    assert after[200, 215] > 3
    far = distance > 62
    np.testing.assert_array_equal(after[far], spoilt.scorr[far])


def test_calm_rings_are_left_alone(pair):
    difference = pair(0.0)
    y, x = np.indices(SHAPE)
    calm = replace(difference, scorr=np.random.default_rng(2).normal(size=SHAPE).astype(np.float32))
    calm.bad[np.hypot(x - 120, y - 120) < 4] = True
    after = discount_lost_cores(calm).scorr
    # Ring by ring, some of a few dozen pixels are by chance wider than a third.
    assert np.mean(after != calm.scorr) < 0.002
