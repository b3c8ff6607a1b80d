"""Fringe templates learned from simulated exposures and taken out of one they have not seen."""

import numpy as np
import pytest

from ztfpipe.methods.detector import fringes

SHAPE = (512, 512)
BLOCK = 8
SKY = 900.0
AMPLITUDE = 0.01
NOISE = 12.0


def pattern(phase):
    """Interference rings about a point outside, 60 px apart, that drift with `phase`."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.cos(2 * np.pi * np.hypot(x + 100, y - 700) / 60.0 + phase)


def exposure(rng, phase, strength=AMPLITUDE):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    smooth = SKY * (1 + 0.02 * (x / 512 - 0.5) + 0.01 * (y / 512 - 0.5) ** 2)
    image = smooth + SKY * strength * pattern(phase) + rng.normal(0, NOISE, SHAPE)
    mask = np.zeros(SHAPE, bool)
    for cx, cy in rng.integers(10, 500, (40, 2)):
        image[cy - 4 : cy + 5, cx - 4 : cx + 5] += 3000.0
        mask[cy - 6 : cy + 7, cx - 6 : cx + 7] = True
    return image.astype(np.float32), mask


def signal_of(image, mask):
    return fringes.fringe_signal(fringes.block_medians(image, mask, BLOCK), SKY, smooth_blocks=15)


def learned(signals):
    return fringes.learn_fringes(
        np.array(signals), 3, block_px=BLOCK, smooth_blocks=15, period_min_px=24.0, window_px=192.0, noise_factor=3.0
    )


@pytest.fixture(scope="module")
def template():
    rng = np.random.default_rng(11)
    signals = [signal_of(*exposure(rng, phase, AMPLITUDE * rng.uniform(0.5, 1.5))) for phase in rng.normal(0, 0.3, 24)]
    return learned(signals)


def test_block_medians_against_numpy():
    rng = np.random.default_rng(12)
    image = rng.normal(100, 5, (37, 41)).astype(np.float32)
    mask = rng.random(image.shape) < 0.3
    mask[:8, :8] = True
    medians = fringes.block_medians(image, mask, 8)
    assert medians.shape == (4, 5)
    assert np.isnan(medians[0, 0])
    for row in range(4):
        for column in range(5):
            if (row, column) != (0, 0):
                box = np.s_[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
                assert medians[row, column] == pytest.approx(np.median(image[box][~mask[box]]), rel=1e-6)


def test_a_template_has_little_of_the_noise_of_its_exposures():
    rng = np.random.default_rng(15)
    y, x = np.mgrid[:64, :64]
    wave = np.cos(2 * np.pi * (0.11 * x + 0.05 * y)) * np.sqrt(2)
    found = learned((wave + rng.normal(0, 1, (16, 64, 64))).astype(np.float32))
    # Noise alone makes a second and a third component of the exposures: they are no pattern.
    assert len(found.components) == len(found.explained) == 1
    left = wave.ravel() - found.components[0].ravel() * (found.components[0].ravel() @ wave.ravel())
    # Sixteen exposures leave a quarter of one's noise. A plane wave under a taper of 24 x 24 blocks is 3 x 3 of its 576
    # frequencies, power averaged over 3 x 3 makes them 5 x 5, for both signs: sqrt(50 / 576) of the noise gets through,
    # and where mirrors break the wave, along edges, up to twice that.
    inner = np.zeros((64, 64), bool)
    inner[12:-12, 12:-12] = True
    assert np.std(left[inner.ravel()]) < 0.35 * 0.25
    assert np.std(left) < 0.5 * 0.25


def test_an_unseen_exposure_keeps_less_than_a_tenth_of_its_fringes(template):
    rng = np.random.default_rng(13)
    phase = 0.25
    image, mask = exposure(rng, phase)
    strength = fringes.fit_fringes(signal_of(image, mask), template)
    found = fringes.fringe_image(template, strength, SKY, SHAPE)
    true = SKY * AMPLITUDE * pattern(phase)
    inner = np.s_[40:-40, 40:-40]
    # Running means over 15 blocks (120 px = two fringes) hide a little of the pattern; noise of the fit adds
    # NOISE / sqrt(24 exposures x 64 px) per block, 3 % of the amplitude.
    assert np.std((true - found)[inner]) < 0.1 * np.std(true[inner])


def test_no_fringes_are_invented(template):
    rng = np.random.default_rng(14)
    image, mask = exposure(rng, 0.0, strength=0.0)
    strength = fringes.fit_fringes(signal_of(image, mask), template)
    found = fringes.fringe_image(template, strength, SKY, SHAPE)
    # Three amplitudes fitted to 4096 block medians of error 1.25 NOISE / 8 each.
    expected = 1.25 * NOISE / BLOCK * np.sqrt(3 / 4096)
    assert np.std(found) < 4 * expected


def test_strength_is_linear_in_the_fringes(template):
    weak, strong = (signal_of(*exposure(np.random.default_rng(16), 0.0, a)) for a in (0.005, 0.02))
    ratio = fringes.fit_fringes(strong, template)[0] / fringes.fit_fringes(weak, template)[0]
    assert ratio == pytest.approx(4.0, rel=0.05)


def test_a_broad_trail_across_the_image_does_not_set_their_strength(template):
    """An aircraft's: three times as bright as the sky, too broad to be masked; else as the exposure without it."""
    image, mask = exposure(np.random.default_rng(13), 0.25)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    across = (x - 0.3 * y - 160) / np.hypot(1, 0.3)
    crossed = image + (3 * SKY * np.exp(-0.5 * (across / 30) ** 2)).astype(np.float32)
    strength = fringes.fit_fringes(signal_of(crossed, mask), template)
    found = fringes.fringe_image(template, strength, SKY, SHAPE)
    true = SKY * AMPLITUDE * pattern(0.25)
    inner = np.s_[40:-40, 40:-40]
    # Of the trail's wings only what is fainter than 4 sigma of a block, 0.8 % of the sky, is taken for sky: one block
    # on either side, 3 % of all, by less than the fringes have. The bound is that of an exposure without a trail; where
    # the trail sets the fit, it is six times that.
    assert np.std((true - found)[inner]) < 0.1 * np.std(true[inner])
