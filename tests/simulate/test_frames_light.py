"""Each effect of optics and light, measured back from the raw pixels at its configured size, and gone when off."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from ztfpipe.config import SimulateDetector
from ztfpipe.simulate.frames import GHOST, HALO, STREAK, flat_ccd, sky_ccd
from ztfpipe.simulate.pixels.detector_pattern import (
    DEAD,
    HIGH,
    LOW,
    fixed_pattern,
    fringe_pattern,
    pixel_response,
    screen_illumination,
    vignetting,
)
from ztfpipe.simulate.pixels.render_stray import mirrored
from ztfpipe.simulate.scene import Streaks

quiet = SimulateDetector.quiet
QIDS = (1, 2, 3, 4)
EXPTIME_S = 30.0


@pytest.fixture
def look(make_shot, build):
    """look(settings, scene, qid, code): a quadrant's electrons above the bias, and its truth mask."""

    def take(settings, scene, qid=1, code="zg", others=None, number=0):
        shot = make_shot(settings, "o", code, EXPTIME_S, number)
        frame = sky_ccd(shot, {q: scene if q == qid else others or build.scene() for q in QIDS})
        signal = frame.raw.quadrants[qid].image.astype(float) - frame.truth[qid].row_level_adu[:, None]
        return signal * shot.amplifier(qid).gain_e_per_adu, frame.truth[qid].mask

    return take


def flat(make_shot, settings, code="zr", number=0, qid=1):
    frame = flat_ccd(make_shot(settings, "f", code, 10.0, number))
    return frame.raw.quadrants[qid].image.astype(float) - frame.truth[qid].row_level_adu[:, None]


def test_pixel_response(make_shot, mini):
    settings = quiet(prnu_rms=0.01)
    green, red = (flat(make_shot, settings, code) / 20000 - 1 for code in ("zg", "zr"))
    # N = 266,240: 0.14 % of the standard deviation; rounding adds (0.29 / 20000)^2.
    for image in (green, red):
        assert image.std() == pytest.approx(0.01, rel=4.5 * 0.0014)
    # A fifth of the variance belongs to the filter; a correlation coefficient is good to 1 / sqrt(N) = 0.2 %.
    assert np.corrcoef(green.ravel(), red.ravel())[0, 1] == pytest.approx(0.8, abs=4.5 * 0.002)
    again = flat(make_shot, settings, "zr", number=5) / 20000 - 1
    assert np.abs(again - red).max() < 1e-4
    assert np.ptp(flat(make_shot, quiet())) == 0
    other_camera = flat(make_shot, quiet(prnu_rms=0.01, pattern_seed=2)) / 20000 - 1
    assert abs(np.corrcoef(other_camera.ravel(), red.ravel())[0, 1]) < 4.5 * 0.002


def test_bad_pixels_respond_as_their_class_says(make_shot, mini):
    settings = quiet(dead_pixels=1e-3, low_response_pixels=1e-3, high_response_pixels=1e-3)
    response = flat(make_shot, settings) / 20000
    classes = fixed_pattern(mini, settings, 10, 1).classes
    for kind, lowest, highest in ((DEAD, 0.0, 0.1), (LOW, 0.25, 0.55), (HIGH, 1.5, 1.8)):
        found = response[classes == kind]
        # Binomial: 266 +- 16 pixels, a few of which a later class takes.
        assert abs(len(found) - 266) < 4.5 * 16.3
        assert found.min() > lowest - 1e-4
        assert found.max() < highest + 1e-4
        assert np.ptp(found) > 0.8 * (highest - lowest)
    assert np.ptp(response[classes == 0]) == 0


def test_static_bad_pixels_of_the_camera(make_shot, mini):
    response = flat(make_shot, quiet(static_bad_pixels=True)) / 20000
    box = next(b for b in mini.static_bad_pixels if (b.ccdid, b.qid, b.kind) == (10, 1, "dead"))
    inside = np.zeros(response.shape, bool)
    inside[box.y0 : box.y1 + 1, box.x0 : box.x1 + 1] = True
    assert response[inside].max() <= 0.1 + 1e-4
    assert np.all(response[~inside] == response[~inside][0])


def test_dust_throws_rings(make_shot, mini):
    shadow = 1 - flat(make_shot, quiet(dust_depth=0.03)) / 20000
    # One ring in 512 x 520 pixels, of half to all of the depth.
    assert 0.015 - 1e-4 < shadow.max() <= 0.03 + 1e-4
    assert 500 < np.count_nonzero(shadow > 0.005) < 20000
    assert shadow.min() > -1e-4


def test_vignetting_dims_the_corner_of_the_camera(make_shot, build, look, mini):
    image, _ = look(quiet(vignetting=0.2), build.scene(level_e=1e5), qid=1)
    transmission = image / 1e5
    # Quadrant 1 of CCD 10 is the outermost one in the north-east: its corner [0, 0] loses the whole 20 %.
    assert transmission[0, 0] == pytest.approx(0.8, abs=1e-3)
    assert transmission.max() > 0.97
    assert np.all(np.diff(transmission[100]) > -1e-4)
    bright, _ = look(quiet(), build.scene(level_e=1e5))
    assert np.ptp(bright) == 0


def test_screen_and_sky_differ_by_the_residual(make_shot, build, look, mini):
    settings = quiet(screen_residual=0.03, vignetting=0.1)
    sky, _ = look(settings, build.scene(level_e=1.2e5), code="zr")
    ratio = flat(make_shot, settings) / 20000 / (sky / 1.2e5)
    # Rounding: 0.5 of 18000 DN.
    assert np.ptp(ratio) == pytest.approx(0.03, abs=2e-4)
    assert ratio.mean() == pytest.approx(1.0, abs=1e-3)
    # Low frequency: neighbours 16 px apart differ by little of it.
    assert np.abs(ratio[:, 16:] - ratio[:, :-16]).max() < 0.006
    assert ratio == pytest.approx(screen_illumination(mini, settings, 10, 1, "zr"), abs=2e-4)


def test_lamps_have_a_gradient_and_drift(make_shot, mini):
    settings = quiet(screen_gradient=0.08)
    frame = flat_ccd(make_shot(settings, "f", "zg", 10.0))
    other = flat_ccd(make_shot(settings, "f", "zg", 10.0, ccdid=11))
    levels = [
        (f.raw.quadrants[q].image - f.truth[q].row_level_adu[:, None]) / 20000 for f in (frame, other) for q in QIDS
    ]
    # The gradient is 0.08 over the diameter of the circle through the corners: less along a direction between them.
    total = max(level.max() for level in levels) - min(level.min() for level in levels)
    assert 0.02 < total <= 0.0801
    drifting = [flat(make_shot, quiet(screen_drift=0.05), number=n).mean() / 20000 for n in range(24)]
    # 24 flats: the standard deviation is good to 15 %.
    assert np.std(drifting, ddof=1) == pytest.approx(0.05, rel=4 * 0.15)
    assert np.mean(drifting) == pytest.approx(1.0, abs=4.5 * 0.05 / np.sqrt(24))


def test_fringes_are_fixed_to_the_detector(build, look, mini):
    settings = quiet(fringes=True, read_noise=True)
    for qid in (1, 2):
        for phase in (0.4, 2.0):
            scene = build.scene(level_e=6000.0, fringe_fraction=0.02, phase=phase)
            image, _ = look(settings, scene, qid=qid, code="zi")
            pattern = fringe_pattern(mini, settings, 10, qid, phase).ravel()
            slope, level = np.polyfit(pattern, image.ravel(), 1)
            # Read noise 10 e- in 266,240 pixels against a pattern of 0.5 rms: 0.04 e- of 120.
            assert slope == pytest.approx(0.02 * 6000, abs=4.5 * 0.04)
            assert level == pytest.approx(6000, abs=4)
    # Other quadrants and phases have other patterns.
    first, drifted, other = (fringe_pattern(mini, settings, 10, q, p) for q, p in ((1, 0.0), (1, 1.5), (2, 0.0)))
    assert abs(np.corrcoef(first.ravel(), drifted.ravel())[0, 1]) < 0.4
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.4
    assert np.abs(first).max() <= 1.31
    flat_sky, _ = look(quiet(), build.scene(level_e=6000.0, fringe_fraction=0.02), code="zi")
    assert np.ptp(flat_sky) == 0


def test_fringe_period(mini):
    pattern = fringe_pattern(mini, SimulateDetector(fringe_period_px=60.0), 10, 1, 0.0)
    power = np.abs(np.fft.rfft2(pattern - pattern.mean())) ** 2
    fy, fx = np.meshgrid(np.fft.fftfreq(pattern.shape[0]), np.fft.rfftfreq(pattern.shape[1]), indexing="ij")
    frequency = (power * np.hypot(fx, fy)).sum() / power.sum()
    # Bending spreads the local period around 60 px by a factor of up to two.
    assert 30 < 1 / frequency < 90


def test_sky_gradient(build, look):
    image, _ = look(quiet(), build.scene(level_e=build.even(50000.0, 1000.0, -500.0, 200.0, 100.0, 50.0)))
    # Corners (u, v) = (-1, -1), (1, -1), (1, 1); rounding is half a DN of 6.5 e-, of pixel and of level.
    assert image[0, 0] == pytest.approx(50000 - 1000 + 500 + 200 + 100 + 50, abs=7)
    assert image[0, -1] == pytest.approx(50000 + 1000 + 500 + 200 - 100 + 50, abs=7)
    assert image[-1, -1] == pytest.approx(50000 + 1000 - 500 + 200 + 100 + 50, abs=7)


def test_halo_of_a_bright_star(build, look, mini):
    settings = quiet(halo_fraction=0.02, halo_radius_arcsec=101.25, shot_noise=True)
    star = build.stars(250.0, 260.0, 2e8)
    with_halo, mask = look(settings, build.scene(star, level_e=1000.0))
    without, no_mask = look(quiet(shot_noise=True), build.scene(star, level_e=1000.0))
    y, x = np.indices(mask.shape)
    disc = np.hypot(x - 250, y - 260) < 99
    ring = disc & (np.hypot(x - 250, y - 260) > 70)
    # 2 % of 2e8 e- over a disc of 100 px: 127 e-/px; sky noise 34 e- in 15,000 pixels, of both frames.
    excess = (with_halo - without)[ring].mean()
    assert excess == pytest.approx(0.02 * 2e8 / (np.pi * 100**2), abs=4.5 * 34 * np.sqrt(2 / ring.sum()))
    assert (with_halo - without)[np.hypot(x - 250, y - 260) > 102].mean() == pytest.approx(0, abs=1.0)
    assert np.all(mask[disc] & HALO)
    assert not np.any(mask[np.hypot(x - 250, y - 260) > 102] & HALO)
    assert not np.any(no_mask & HALO)
    _, faint_mask = look(settings, build.scene(build.stars(250.0, 260.0, 2e7)))
    assert not np.any(faint_mask & HALO)


def test_ghost_stands_mirrored_about_the_ccd(build, look, mini):
    settings = quiet(ghost_fraction=0.01, ghost_radius_arcsec=60.75)
    bright = build.scene(build.stars([100.0, 2000.0], [140.0, 0.0], [1e8, 1e8]))
    # The star stands on quadrant 1, its ghost on the diagonally opposite quadrant 3.
    image, mask = look(settings, build.scene(level_e=1000.0), qid=3, others=bright)
    ny, nx = mini.quadrant_shape
    ghost = np.argwhere(mask & GHOST)
    # `others` puts the same star on quadrants 1, 2 and 4; from quadrant 1 it comes to (nx - 1 - x, ny - 1 - y).
    y, x = np.indices(mask.shape)
    ring = np.hypot(x - (nx - 1 - 100), y - (ny - 1 - 140))
    own = (ring < 58) & (ring > 26)
    assert np.all(mask[own] & GHOST)
    assert not np.any(mask[(ring < 20) | (ring > 62)] & GHOST)
    area = np.pi * (60**2 - 24**2)
    assert image[own].mean() - 1000 == pytest.approx(0.01 * 1e8 / area, abs=3.5)
    assert len(ghost) == pytest.approx(area, rel=0.05)
    assert mirrored(np.array([100.0]), np.array([140.0]), 1, 3, 10, mini) == pytest.approx(
        (nx - 101, ny - 141), abs=0.2
    )
    nothing, empty_mask = look(quiet(), build.scene(level_e=1000.0), qid=3, others=bright)
    assert not np.any(empty_mask & GHOST)
    assert np.ptp(nothing) == 0


def test_streaks_have_their_flux_width_and_mask(build, look):
    # 600 px of which 300 lie on the quadrant; 3e6 e- in all.
    track = Streaks(*(np.array([v]) for v in (-300.0, 100.0, 300.0, 100.0, 3e6, 0.0)))
    image, mask = look(quiet(), build.scene(streaks=track, psf=build.psf(2.0, beta=4.5)))
    image -= np.median(image)
    across = image[60:141, 50:250].mean(axis=1)
    # 5000 e- per pixel of length; rounding of half a DN and a stamp's lost light 1 %.
    assert across.sum() == pytest.approx(5000, rel=0.015)
    assert (np.arange(60, 141) * across).sum() / across.sum() == pytest.approx(100.0, abs=0.05)
    assert image[100, 250] > 100 * max(abs(image[100, 320]), 1)
    streak = mask & STREAK > 0
    assert streak[96:105, :300].all()
    assert not streak[112:].any()
    assert not streak[:88].any()
    blurred = Streaks(*(np.array([v]) for v in (-300.0, 100.0, 900.0, 100.0, 6e6, 4.0)))
    wide, _ = look(quiet(), build.scene(streaks=blurred, psf=build.psf(2.0, beta=4.5)))
    profile = (wide - np.median(wide))[60:141, 50:450].mean(axis=1)
    # Half maximum: the blur is added in quadrature to the FWHM; a line through a Moffat function is a little wider.
    above = np.flatnonzero(profile > profile.max() / 2)
    assert len(above) == pytest.approx(np.hypot(2.0, 2.3548 * 4.0), abs=1.5)


def matched_flux(image, noise2, profile):
    """Least-squares flux of a known profile and its closed-form uncertainty: sum(p d / v) / sum(p^2 / v)."""
    weight = (profile**2 / noise2).sum()
    return (profile * image / noise2).sum() / weight, weight**-0.5


def test_psf_photometry_recovers_fluxes(build, look, mini):
    """Known positions and PSF, weights by the expected noise: mean of 196 stars good to 0.1 %, scatter as expected."""
    settings = quiet(shot_noise=True, read_noise=True)
    gx, gy = (g.ravel() for g in np.meshgrid(np.arange(14) * 34.0 + 30, np.arange(14) * 34.0 + 30))
    rng = np.random.default_rng(6)
    x, y = gx + rng.uniform(-0.5, 0.5, gx.size), gy + rng.uniform(-0.5, 0.5, gy.size)
    fwhm, beta, sky, truth = 2.2, 4.5, 900.0, 30000.0
    psf = build.psf(fwhm, beta=beta)
    image, _ = look(settings, build.scene(build.stars(x, y, np.full(x.size, truth)), psf=psf, level_e=sky))
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    read_e = mini.amplifier(10, 1).read_noise_e
    pulls, fluxes = [], []
    steps = (np.arange(5) + 0.5) / 5 - 0.5
    for x0, y0, xi, yi in zip(x, y, gx.astype(int), gy.astype(int), strict=True):
        yy, xx = np.mgrid[yi - 9 : yi + 10, xi - 9 : xi + 10]
        fine = (xx[..., None, None] + steps[:, None] - x0) ** 2 + (yy[..., None, None] + steps - y0) ** 2
        profile = ((beta - 1) / (np.pi * alpha**2) * (1 + fine / alpha**2) ** -beta).mean(axis=(2, 3))
        noise2 = sky + truth * profile + read_e**2 + (mini.amplifier(10, 1).gain_e_per_adu ** 2) / 12
        flux, sigma = matched_flux(image[yi - 9 : yi + 10, xi - 9 : xi + 10] - sky, noise2, profile)
        fluxes.append(flux)
        pulls.append((flux - truth) / sigma)
    # One star: about 1 %; 196 of them 0.07 %; the kernel's integration 0.05 %.
    assert np.mean(fluxes) / truth == pytest.approx(1.0, abs=4.5 * np.std(fluxes) / truth / 14 + 5e-4)
    # Standard deviation of 196 unit normals: 5 %.
    assert np.std(pulls) == pytest.approx(1.0, abs=4.5 * 0.05)


@pytest.mark.parametrize("fwhm", [1.6, 2.2, 4.0])
def test_fwhm_measured_back_by_a_fit(build, look, fwhm):
    """A Moffat function integrated over pixels, fitted to one bright star: its width is the scene's."""
    image, _ = look(
        quiet(shot_noise=True), build.scene(build.stars(255.3, 260.2, 1e6), psf=build.psf(fwhm), level_e=500)
    )
    patch = image[245:276, 240:271] - 500
    yy, xx = np.mgrid[245:276, 240:271]
    steps = (np.arange(5) + 0.5) / 5 - 0.5

    def residual(p):
        flux, x0, y0, width, beta = p
        alpha = width / (2 * np.sqrt(2 ** (1 / beta) - 1))
        fine = (xx[..., None, None] + steps[:, None] - x0) ** 2 + (yy[..., None, None] + steps - y0) ** 2
        model = flux * ((beta - 1) / (np.pi * alpha**2) * (1 + fine / alpha**2) ** -beta).mean(axis=(2, 3))
        return ((patch - model) / np.sqrt(np.maximum(patch, 0) + 500 + 3.5)).ravel()

    fit = least_squares(residual, [9e5, 255, 260, fwhm * 1.2, 2.5])
    # A star of 1e6 e- gives its width to 1 / sqrt(1e6) = 0.1 %, its beta to about ten times that.
    assert fit.x[3] == pytest.approx(fwhm, rel=0.006)
    assert fit.x[4] == pytest.approx(3.0, rel=0.05)
    assert fit.x[1:3] == pytest.approx([255.3, 260.2], abs=0.01)


def test_vignetting_of_the_whole_camera_is_one_function(mini):
    settings = SimulateDetector(vignetting=0.1)
    fields = {qid: vignetting(mini, settings, 10, qid) for qid in QIDS}
    # Quadrants 1 and 2 touch: the last column of 1 (east) and the first of 2 (west) are 1 px apart.
    assert fields[1][:, -1] == pytest.approx(fields[2][:, 0], abs=1e-3)
    assert fields[1][-1, :] == pytest.approx(fields[4][0, :], abs=1e-3)


def test_response_is_the_same_for_every_caller(mini):
    settings = SimulateDetector()
    first = pixel_response(mini, settings, 10, 1, "zg")
    assert pixel_response(mini, settings, 10, 1, "zg") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1.0
