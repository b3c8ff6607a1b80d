"""Each effect of detector and electronics, measured back from raw pixels at its configured size, and gone when off."""

from __future__ import annotations

import numpy as np
import pytest

from ztfpipe.config import SimulateDetector
from ztfpipe.simulate.frames import COSMIC, SATURATED, bias_ccd, flat_ccd, sky_ccd
from ztfpipe.simulate.pixels.detector import in_read_order
from ztfpipe.simulate.pixels.detector_pattern import HOT, NOISY, fixed_pattern

quiet = SimulateDetector.quiet
QIDS = (1, 2, 3, 4)


def above_bias(quadrant, truth):
    """Image in DN above the true level of each row."""
    return quadrant.image.astype(float) - truth.row_level_adu[:, None]


def test_a_quiet_camera_is_constant(make_shot):
    raw = bias_ccd(make_shot(quiet())).raw
    for quadrant in raw.quadrants.values():
        assert np.ptp(quadrant.image) == 0
        assert np.array_equal(np.unique(quadrant.overscan), np.unique(quadrant.image))


@pytest.mark.parametrize("qid", QIDS)
def test_read_noise(make_shot, mini, qid):
    amplifier = mini.amplifier(10, qid)
    image = bias_ccd(make_shot(quiet(read_noise=True))).raw.quadrants[qid].image.astype(float)
    # Rounding adds 1/12 DN^2. N = 266,240: the standard error of a standard deviation is 1 / sqrt(2 N) = 0.14 %.
    expected = np.hypot(amplifier.read_noise_e / amplifier.gain_e_per_adu, 12**-0.5)
    assert image.std() == pytest.approx(expected, rel=4.5 * 0.0014)


def test_gain_by_mean_and_variance(make_shot, mini):
    settings = quiet(shot_noise=True, read_noise=True, bias_level_adu=1000.0)
    first, second = (flat_ccd(make_shot(settings, "f", "zg", 10.0, number)) for number in (1, 2))
    for qid in QIDS:
        one, two = (above_bias(f.raw.quadrants[qid], f.truth[qid]) for f in (first, second))
        amplifier = mini.amplifier(10, qid)
        variance = (one - two).var() / 2 - (amplifier.read_noise_e / amplifier.gain_e_per_adu) ** 2 - 1 / 12
        # A variance of N pixels has the relative error sqrt(2 / N) = 0.27 %.
        assert (one + two).mean() / 2 / variance == pytest.approx(amplifier.gain_e_per_adu, rel=4.5 * 0.0027)


def test_shot_noise_off_leaves_a_smooth_flat(make_shot):
    frame = flat_ccd(make_shot(quiet(), "f", "zg", 10.0))
    assert np.ptp(above_bias(frame.raw.quadrants[1], frame.truth[1])) == 0


def test_dark_current_grows_with_time(make_shot, build, mini):
    scenes = dict.fromkeys(QIDS, build.scene())
    levels = {}
    for exptime_s in (30.0, 300.0):
        frame = sky_ccd(make_shot(quiet(dark_current=True, shot_noise=True), "o", "zg", exptime_s), scenes)
        levels[exptime_s] = above_bias(frame.raw.quadrants[2], frame.truth[2]).mean()
    rate = (levels[300.0] - levels[30.0]) / 270 * mini.amplifier(10, 2).gain_e_per_adu
    # 300 e- in 266,240 pixels: 0.034 e- standard error of the mean over 270 s; the constant rounding offset cancels.
    assert rate == pytest.approx(mini.amplifier(10, 2).dark_current_e_per_s, abs=0.001)


def test_nonlinearity_has_the_published_coefficients(make_shot, build, mini):
    ramp = build.scene(level_e=build.even(150000.0, 140000.0))
    on, off = (
        sky_ccd(make_shot(quiet(nonlinearity=switch), "o", "zg", 30.0), dict.fromkeys(QIDS, ramp))
        for switch in (True, False)
    )
    for qid in QIDS:
        a, b = mini.nonlinearity_coefficients(10, qid, "20180325")
        measured = above_bias(on.raw.quadrants[qid], on.truth[qid])
        true = above_bias(off.raw.quadrants[qid], off.truth[qid])
        # Both are rounded to whole DN: 0.5 DN each, and the slope of the relation is within 7 % of 1.
        assert np.abs(measured / (a * measured**2 + b * measured + 1) - true).max() < 1.1
        assert np.abs(measured - true).max() > 100


def test_saturation_level_and_bleeding(make_shot, build, mini):
    star = build.scene(build.stars(255.0, 260.0, 4e7), psf=build.psf(2.0))
    empty = build.scene()
    scenes = {1: star, 2: empty, 3: empty, 4: empty}
    cut = sky_ccd(make_shot(quiet(saturation=True), "o", "zg", 30.0), scenes)
    bled = sky_ccd(make_shot(quiet(saturation=True, bleeding=True), "o", "zg", 30.0), scenes)
    amplifier = mini.amplifier(10, 1)
    charge = {}
    for name, frame in (("cut", cut), ("bled", bled)):
        image = above_bias(frame.raw.quadrants[1], frame.truth[1])
        saturated = frame.truth[1].mask & SATURATED > 0
        # Rounding of pixel and level: within 1 DN.
        assert np.abs(image[saturated] - amplifier.saturation_adu).max() <= 1
        assert np.all(image[~saturated] < amplifier.saturation_adu)
        # Rounding shifts all pixels of an empty row by the same part of a DN: the median takes it out.
        charge[name] = (image - np.median(image)).sum() * amplifier.gain_e_per_adu
    rows_cut, rows_bled = (np.flatnonzero((f.truth[1].mask[:, 255] & SATURATED) > 0) for f in (cut, bled))
    assert np.ptp(rows_bled) > 2 * np.ptp(rows_cut)
    # Bleeding keeps the star's charge (stamps lose 1e-4, rounding half a DN per pixel averages out to 1e-3 of it).
    assert charge["bled"] == pytest.approx(4e7, rel=5e-3)
    assert charge["cut"] < 0.8 * 4e7
    columns = np.flatnonzero((bled.truth[1].mask & SATURATED).any(axis=0))
    assert np.ptp(columns) < 15


def test_crosstalk_coefficients(make_shot, build, mini):
    # A bright band in quadrant 1 that has no mirror symmetry.
    band = build.scene(level_e=build.even(150000.0, 100000.0, 30000.0))
    scenes = {1: band, 2: build.scene(), 3: build.scene(), 4: build.scene()}
    # Read noise, so that leaks of a few DN are not lost in rounding.
    frames = {
        s: sky_ccd(make_shot(quiet(crosstalk=s, read_noise=True), "o", "zg", 30.0), scenes) for s in (True, False)
    }
    for switch, frame in frames.items():
        source = above_bias(frame.raw.quadrants[1], frame.truth[1])
        for victim in (2, 3, 4):
            aligned = in_read_order(in_read_order(source, mini, 1), mini, victim)
            leak = above_bias(frame.raw.quadrants[victim], frame.truth[victim])
            slope = np.polyfit(aligned.ravel(), leak.ravel(), 1)[0]
            # 1.5 DN of noise in 266,240 pixels against a spread of 9000 DN of the source: 3.3e-7.
            assert slope == pytest.approx(switch * mini.raw.crosstalk[victim - 1][0], abs=4.5 * 3.3e-7)


@pytest.mark.parametrize("qid", QIDS)
def test_drift_along_the_rows_is_in_image_and_overscan(make_shot, mini, qid):
    settings = quiet(read_noise=True, overscan_drift_adu=4.0)
    frame = bias_ccd(make_shot(settings)).raw.quadrants[qid]
    profile = in_read_order(frame.image.astype(float), mini, qid).mean(axis=1)
    strip = in_read_order(frame.overscan.astype(float), mini, qid).mean(axis=1)
    # Ends averaged over 20 rows: 1 % of the settling is missed; read noise 1.5 DN / sqrt(20 x 512) = 0.015 DN; the
    # strength of one exposure scatters by 10 %.
    assert profile[-20:].mean() - profile[:20].mean() == pytest.approx(4.0, rel=0.35)
    # The strip's rows have 30 pixels: 0.28 DN each, over 520 rows 0.012 DN.
    assert (strip - profile).mean() == pytest.approx(0.0, abs=4.5 * 0.0125)
    # Not a polynomial of second order: an exponential of 0.4 of the rows leaves 1.3 % of its size, 0.05 DN.
    x = np.linspace(-1, 1, len(profile))
    exact = np.mean([bias_ccd(make_shot(quiet(overscan_drift_adu=4.0))).truth[qid].row_level_adu], axis=0)
    residual = exact - np.polyval(np.polyfit(x, exact, 2), x)
    assert 0.02 < residual.std() < 0.1


def test_wave_along_the_rows(make_shot):
    settings = quiet(overscan_wave_adu=0.7)
    levels = [bias_ccd(make_shot(settings, number=n)).truth[1].row_level_adu for n in (1, 2)]
    x = np.linspace(0, 1, len(levels[0]))
    waves = np.stack([np.ones_like(x), np.sin(2 * np.pi * 1.7 * x), np.cos(2 * np.pi * 1.7 * x)], axis=1)
    fits = [np.linalg.lstsq(waves, level, rcond=None)[0] for level in levels]
    for _, sine, cosine in fits:
        assert np.hypot(sine, cosine) == pytest.approx(0.7, rel=1e-6)
    assert abs(np.arctan2(*fits[0][1:]) - np.arctan2(*fits[1][1:])) > 0.01


@pytest.mark.parametrize("qid", QIDS)
def test_signal_trails_into_the_first_overscan_columns(make_shot, mini, qid):
    settings = quiet(overscan_trail=0.005, overscan_trail_px=3.0, read_noise=True)
    frame = flat_ccd(make_shot(settings, "f", "zr", 10.0))
    quadrant, truth = frame.raw.quadrants[qid], frame.truth[qid]
    signal = above_bias(quadrant, truth).mean()
    strip = quadrant.overscan.astype(float) - truth.row_level_adu[:, None]
    profile = in_read_order(strip, mini, qid).mean(axis=0)
    expected = 0.005 * signal * np.exp(-np.arange(30) / 3.0)
    # 520 rows of 1.53 DN: 0.067 DN per column.
    assert profile == pytest.approx(expected, abs=4.5 * 0.067)
    used = strip[:, mini.raw.overscan_columns_used(qid)]
    assert used.mean() == pytest.approx(expected[20:].mean(), abs=4.5 * 0.067 / np.sqrt(10))
    assert expected[20:].max() < 0.15


def test_bias_level_jumps_and_structure(make_shot, mini):
    settings = quiet(bias_level_adu=1500.0, bias_jump_adu=5.0)
    levels = np.array(
        [[bias_ccd(make_shot(settings, number=n)).truth[q].row_level_adu[0] for q in QIDS] for n in range(12)]
    )
    assert np.all(np.abs(levels.mean(axis=0) / 1500 - 1) < 0.11)
    assert np.ptp(levels.mean(axis=0)) > 10
    # 44 degrees of freedom: the standard deviation is known to 11 %.
    assert np.sqrt(levels.var(axis=0, ddof=1).mean()) == pytest.approx(5.0, rel=4 * 0.11)
    structured = quiet(bias_structure_adu=3.0, read_noise=True)
    frames = [bias_ccd(make_shot(structured, number=n)) for n in range(6)]
    stack = np.mean([above_bias(f.raw.quadrants[3], f.truth[3]) for f in frames], axis=0)
    pattern = fixed_pattern(mini, structured, 10, 3).bias_adu
    # Stacked read noise 1.49 / sqrt(6) = 0.61 DN beside 3 DN; N = 266,240.
    assert np.sqrt(stack.var() - 0.61**2) == pytest.approx(3.0, rel=0.1)
    assert np.std(stack - pattern) == pytest.approx(np.hypot(1.46, 12**-0.5) / 6**0.5, rel=0.02)
    assert pattern.mean() == pytest.approx(0, abs=1e-3)


def test_noisy_pixels_are_noisier(make_shot, mini):
    settings = quiet(read_noise=True, noisy_pixels=2e-3, noisy_factor=3.0)
    stack = np.stack([bias_ccd(make_shot(settings, number=n)).raw.quadrants[1].image[:200] for n in range(40)])
    scatter = stack.astype(float).std(axis=0, ddof=1)
    pattern = fixed_pattern(mini, settings, 10, 1)
    noisy = pattern.classes[:200] == NOISY
    expected = 2e-3 * noisy.size
    assert abs(noisy.sum() - expected) < 4.5 * np.sqrt(expected)
    assert np.array_equal(noisy, pattern.noise_factor[:200] > 1)
    assert pattern.noise_factor[:200][noisy].min() >= 2.2
    ratio = scatter[noisy] / np.median(scatter[~noisy])
    # One pixel's scatter of 40 frames is good to 11 %, the mean of 200 pixels to 1 %; factors scatter by 15 %, with
    # mean 3 exp(0.011) = 3.03; rounding and the median's bias 2 %.
    assert ratio.mean() == pytest.approx(3.03, rel=0.06)
    quiet_pattern = fixed_pattern(mini, quiet(), 10, 1)
    assert np.all(quiet_pattern.noise_factor == 1)


def test_hot_pixels_glow(make_shot, build, mini):
    settings = quiet(hot_pixels=1e-3, hot_e_per_s=50.0)
    frame = sky_ccd(make_shot(settings, "o", "zg", 100.0), dict.fromkeys(QIDS, build.scene()))
    signal = above_bias(frame.raw.quadrants[4], frame.truth[4]) * mini.amplifier(10, 4).gain_e_per_adu
    hot = fixed_pattern(mini, settings, 10, 4).classes == HOT
    expected = 1e-3 * hot.size
    assert abs(hot.sum() - expected) < 4.5 * np.sqrt(expected)
    # Median of a log-normal with 0.7 of natural-log scatter, 266 pixels: 5 %.
    assert np.median(signal[hot]) / 100 == pytest.approx(50.0, rel=4 * 0.054)
    assert np.abs(signal[~hot]).max() < mini.amplifier(10, 4).gain_e_per_adu
    without = bias_ccd(make_shot(settings))
    assert np.ptp(without.raw.quadrants[4].image) == 0


def test_cosmic_rays_are_in_the_pixels_and_in_the_truth(make_shot, build):
    settings = quiet(cosmic_rays_per_px_s=1e-6, shot_noise=True)
    frame = sky_ccd(make_shot(settings, "o", "zr", 100.0), dict.fromkeys(QIDS, build.scene(level_e=400.0)))
    for qid in QIDS:
        image = above_bias(frame.raw.quadrants[qid], frame.truth[qid])
        hit = frame.truth[qid].mask & COSMIC > 0
        # 27 tracks expected; sky noise is 3.2 DN, so 6 sigma is 19 DN and a pixel of a track has up to 190 DN.
        assert hit.sum() > 20
        bright = image > 400 / 6.0 + 6 * np.sqrt(400) / 6.0
        assert np.all(hit[bright])
        assert bright[hit].mean() > 0.5
