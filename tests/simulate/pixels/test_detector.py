"""Kernels of the detector against slow twins, and what they conserve."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import label

from ztfpipe.config import SimulateDetector
from ztfpipe.simulate.frames import COSMIC, bias_ccd, sky_ccd
from ztfpipe.simulate.pixels import detector_nb
from ztfpipe.simulate.pixels.detector import add_cosmic_rays, add_crosstalk, count_photons, full_well_e, in_read_order


@pytest.mark.parametrize("mean", [0.5, 12.0, 60.0, 3000.0])
def test_photon_counts_follow_poisson(mean):
    size = (400, 500)
    counts = count_photons(np.full(size, mean, np.float32), np.random.default_rng(4))
    assert np.array_equal(counts, np.rint(counts))
    assert counts.min() >= 0
    # 200,000 pixels: standard error of the mean sqrt(mean / N), of the variance sqrt((2 mean^2 + mean) / N), of the
    # skewness sqrt(6 / N); 4.5 sigma each.
    n = counts.size
    assert counts.mean(dtype=float) == pytest.approx(mean, abs=4.5 * np.sqrt(mean / n) + 1e-6 * mean)
    # Rounding to whole electrons adds 1/12 to the variance where the expansion is used.
    variance = mean + (1 / 12 if mean > 40 else 0)
    assert counts.var(dtype=float) == pytest.approx(variance, abs=4.5 * np.sqrt((2 * mean**2 + mean) / n) + 0.02)
    assert stats.skew(counts.ravel().astype(float)) == pytest.approx(mean**-0.5, abs=4.5 * np.sqrt(6 / n) + 0.05 / mean)


def test_shot_noise_kernel_against_a_slow_twin():
    rng = np.random.default_rng(3)
    mean, z = rng.uniform(0, 200, (4, 5)).astype(np.float32), rng.standard_normal((4, 5)).astype(np.float32)
    out = np.empty_like(mean)
    detector_nb.shot_noise(mean, z, out)
    expected = np.maximum(0, np.rint(mean + np.sqrt(mean) * z + (z.astype(float) ** 2 - 1) / 6))
    # float32 may round a value within 1e-5 of a half to the other side.
    assert np.abs(out - expected).max() <= 1
    assert (out == expected).mean() > 0.9


def test_no_light_gives_no_photons():
    dark = np.zeros((3, 4), np.float32)
    assert not count_photons(dark, np.random.default_rng(1)).any()


def bleed_slow(column, full_well):
    """Each full pixel sends half its excess down and half up, pixel by pixel, until it finds room."""
    held = np.minimum(column, full_well).astype(float)
    for step in (1, -1):
        for y in range(len(column))[::step]:
            charge, k = 0.5 * max(0.0, column[y] - full_well), y
            while charge > 1e-12 and 0 <= k < len(column):
                taken = min(charge, full_well - held[k])
                held[k] += taken
                charge -= taken
                k += step
    return held


def test_bleeding_against_a_slow_twin_and_conserves_charge():
    rng = np.random.default_rng(2)
    image = rng.uniform(0, 90, (60, 8)).astype(np.float32)
    image[20, 2] = 1500.0
    image[30:33, 5] = 800.0
    image[58, 7] = 2000.0
    before = image.copy()
    full = detector_nb.bleed(image, np.float32(100.0), True)
    assert full.tolist() == [False, False, True, False, False, True, False, True]
    for x in range(8):
        assert image[:, x] == pytest.approx(bleed_slow(before[:, x], 100.0), abs=1e-3)
    # Nothing reaches the edges in columns 2 and 5; in column 7 charge runs off the end.
    for x in (2, 5):
        assert image[:, x].sum(dtype=float) == pytest.approx(before[:, x].sum(dtype=float), rel=1e-6)
    assert image[:, 7].sum() < before[:, 7].sum()
    assert image.max() == np.float32(100.0)


def test_without_bleeding_the_excess_is_cut():
    image = np.array([[10.0], [500.0], [10.0]], np.float32)
    detector_nb.bleed(image, np.float32(100.0), False)
    assert image[:, 0].tolist() == [10.0, 100.0, 10.0]


@pytest.mark.parametrize(("a", "b"), [(-1.09e-11, 6.64e-7), (-5.14e-12, 1.01e-7), (0.0, 0.0), (2e-12, -3e-7)])
def test_nonlinearity_is_the_inverse_of_the_published_form(a, b):
    measured = np.linspace(-50, 62000, 777)
    true = measured / (a * measured**2 + b * measured + 1)
    out = np.empty_like(true, dtype=np.float32)
    detector_nb.measured_adu(true.astype(np.float32), a, b, out)
    # float32 holds 60,000 to 0.004.
    assert out == pytest.approx(measured, abs=0.01)


def test_digitise_against_a_slow_twin():
    rng = np.random.default_rng(5)
    signal, bias, factor, deviates = (rng.normal(0, 30, (5, 6)).astype(np.float32) for _ in range(4))
    signal[0, 0], signal[1, 1] = 9e4, -9e4
    level = rng.uniform(1000, 1010, 5)
    out = np.empty((5, 6), np.uint16)
    detector_nb.digitise(signal, bias, level, factor, np.float32(1.5), deviates, out)
    exact = signal.astype(float) + bias + level[:, None] + 1.5 * factor.astype(float) * deviates
    expected = np.clip(np.floor(exact + 0.5), 0, 65535)
    assert np.array_equal(out, expected.astype(np.uint16))
    assert (out[0, 0], out[1, 1]) == (65535, 0)


def test_tracks_leave_their_charge_where_they_pass():
    electrons, mask = np.zeros((20, 20), np.float32), np.zeros((20, 20), bool)
    detector_nb.add_track(electrons, mask, 3.0, 4.0, 9.0, 4.0, 6000.0)
    # From centre to centre: half a pixel of length in each end pixel, one in between; 20 steps per pixel.
    assert electrons[4, 3:10] == pytest.approx([500] + [1000] * 5 + [500], abs=51)
    assert electrons.sum() == pytest.approx(6000, rel=1e-5)
    assert np.array_equal(mask, electrons > 0)
    detector_nb.add_track(electrons, mask, -5.0, 0.0, -1.0, 0.0, 1e6)
    assert electrons.sum() == pytest.approx(6000, rel=1e-5)


def test_cosmic_rays_come_at_their_rate_length_and_charge():
    settings = SimulateDetector.quiet(cosmic_rays_per_px_s=2e-6, cosmic_length_px=6.0, cosmic_e_per_px=900.0)
    electrons = np.zeros((2000, 2000), np.float32)
    mask = add_cosmic_rays(electrons, 100.0, settings, np.random.default_rng(8))
    expected = 2e-6 * 100 * electrons.size
    # Tracks that touch each other merge: 1 % of the pixels are hit, so a few per cent of the 800 do.
    count = label(mask, np.ones((3, 3)))[1]
    assert expected * 0.93 - 4 * np.sqrt(expected) < count < expected + 4 * np.sqrt(expected)
    # Mean length max(l, 0.7) of an exponential of 6: 6.04; the log-normal's mean is exp(0.125). Relative scatter of one
    # track's charge 1.2, of the sum of 800 and their number 0.055; tracks lose what leaves the image, 0.3 %.
    charge = 900 * 6.04 * np.exp(0.125)
    assert electrons.sum(dtype=float) / expected == pytest.approx(charge, rel=4.5 * 0.055)
    assert np.array_equal(mask, electrons > 0)
    assert not add_cosmic_rays(electrons, 0.0, settings, np.random.default_rng(8)).any()


def test_read_order_starts_at_the_outer_corners(mini):
    image = np.arange(12).reshape(3, 4)
    first = {qid: in_read_order(image, mini, qid)[0, 0] for qid in mini.qids}
    assert first == {1: 0, 2: 3, 3: 11, 4: 8}
    for qid in mini.qids:
        assert np.array_equal(in_read_order(in_read_order(image, mini, qid), mini, qid), image)


def test_crosstalk_mirrors_the_source(mini):
    signals = {qid: np.zeros(mini.quadrant_shape, np.float32) for qid in mini.qids}
    signals[1][10, 20] = 5e4
    received = add_crosstalk(signals, mini)
    ny, nx = mini.quadrant_shape
    places = {2: (10, nx - 1 - 20), 3: (ny - 1 - 10, nx - 1 - 20), 4: (ny - 1 - 10, 20)}
    for qid, place in places.items():
        assert received[qid][place] == pytest.approx(5e4 * mini.raw.crosstalk[qid - 1][0], rel=1e-6)
        assert np.count_nonzero(received[qid]) == 1
    assert received[1][10, 20] == 5e4


def test_full_well_reads_as_the_saturation_level(make_shot, mini):
    shot = make_shot(SimulateDetector())
    amplifier = mini.amplifier(10, 1)
    true_adu = full_well_e(shot, 1) / amplifier.gain_e_per_adu
    out = np.empty(1, np.float32)
    detector_nb.measured_adu(np.array([true_adu], np.float32), *shot.nonlinearity(1), out)
    assert out[0] == pytest.approx(amplifier.saturation_adu, abs=0.05)
    linear = make_shot(SimulateDetector.quiet())
    assert full_well_e(linear, 1) == pytest.approx(amplifier.saturation_adu * amplifier.gain_e_per_adu)


def test_one_effect_switched_off_leaves_the_draws_of_the_others(make_shot, build, mini):
    scenes = dict.fromkeys(mini.qids, build.scene(level_e=500.0))
    common = {"cosmic_rays_per_px_s": 1e-6, "bias_jump_adu": 2.0, "bias_level_adu": 1000.0}
    masks, levels = [], []
    for switches in ({}, {"shot_noise": True}, {"read_noise": True, "overscan_wave_adu": 0.0}):
        truth = sky_ccd(make_shot(SimulateDetector.quiet(**common, **switches), "o", "zg", 30.0), scenes).truth[2]
        masks.append(truth.mask & COSMIC)
        levels.append(truth.row_level_adu)
    assert masks[0].any()
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0], masks[2])
    assert np.array_equal(levels[0], levels[1])
    assert np.array_equal(levels[0], levels[2])


def test_noise_depends_on_the_exposure_and_quadrant_alone(make_shot):
    first = bias_ccd(make_shot(SimulateDetector(), number=1)).raw
    again = bias_ccd(make_shot(SimulateDetector(), number=1)).raw
    other = bias_ccd(make_shot(SimulateDetector(), number=2)).raw
    neighbour = bias_ccd(make_shot(SimulateDetector(), number=1, ccdid=11)).raw
    for qid, quadrant in first.quadrants.items():
        assert np.array_equal(quadrant.image, again.quadrants[qid].image)
        assert not np.array_equal(quadrant.image, other.quadrants[qid].image)
        assert not np.array_equal(quadrant.image, neighbour.quadrants[qid].image)
    assert not np.array_equal(first.quadrants[1].image, first.quadrants[2].image)
