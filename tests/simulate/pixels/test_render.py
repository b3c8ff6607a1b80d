"""Light on pixels: kernels against slow twins, and what is drawn measured back by moments and sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import dblquad

from ztfpipe.simulate.pixels import render_nb
from ztfpipe.simulate.pixels.render import (
    add_broad_component,
    add_point_sources,
    add_sources,
    quadratic,
    shapes_at,
    stamp_radius_px,
    trailed,
    unit_position,
)
from ztfpipe.simulate.pixels.render_galaxies import add_galaxies, edge_radius_px, stamp_table
from ztfpipe.simulate.scene import Galaxies

SHAPE = (101, 111)


def moffat_slow(dx, dy, fwhm, beta, e1, e2, sx, sy):
    """The PSF's core as the module's docstring writes it, matrix by matrix."""
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    shear = np.array([[1 + e1, e2], [e2, 1 - e1]]) / np.sqrt(1 - e1**2 - e2**2)
    skew = np.array([sx, sy])
    shift = alpha * shear @ skew / (2 * beta)
    p = np.linalg.inv(shear) @ (np.array([dx, dy]) + shift) / alpha
    p2 = p @ p
    return (beta - 1) / (np.pi * alpha**2) * (1 + p2) ** -beta * (1 + skew @ p / (1 + p2))


def moments(image, x0, y0, radius):
    """Flux, centroid and the three second moments within a disc."""
    y, x = np.indices(image.shape)
    inside = np.hypot(x - x0, y - y0) < radius
    light = np.where(inside, image, 0).astype(float)
    flux = light.sum()
    cx, cy = (light * x).sum() / flux, (light * y).sum() / flux
    xx, yy = (light * (x - cx) ** 2).sum() / flux, (light * (y - cy) ** 2).sum() / flux
    return flux, cx, cy, xx, yy, (light * (x - cx) * (y - cy)).sum() / flux


@pytest.mark.parametrize("fwhm", [1.5, 2.0, 4.0])
def test_kernel_agrees_with_brute_force_integration(build, fwhm):
    psf = build.psf(fwhm, e1=build.even(0.1), e2=build.even(-0.05), skew_x=build.even(0.4), skew_y=build.even(-0.2))
    image = np.zeros((61, 61), np.float32)
    x0, y0 = 30.3, 29.6
    shapes = shapes_at(psf, np.array([x0]), np.array([y0]), image.shape)
    render_nb.add_sources(image, np.array([x0]), np.array([y0]), np.ones(1), shapes, psf.beta, np.array([25.0]))
    # The centre at 1.5 px FWHM is the hardest pixel for 3 x 3 points; 1e-3 of the peak there, 1e-4 of it elsewhere.
    peak = float(image.max())
    for y, x, tolerance in (
        (30, 30, 2e-3),
        (29, 31, 2e-3),
        (31, 28, 1e-3),
        (26, 33, 3e-4),
        (30, 37, 1e-4),
        (45, 30, 1e-5),
    ):
        # 20 x 20 midpoints are exact to 2e-5 of the peak.
        offsets = (np.arange(20) + 0.5) / 20 - 0.5
        fine = [moffat_slow(x + a - x0, y + b - y0, fwhm, 3.0, 0.1, -0.05, 0.4, -0.2) for a in offsets for b in offsets]
        assert image[y, x] == pytest.approx(np.mean(fine), abs=tolerance * peak)


def test_flux_and_centroid_are_those_of_the_scene(build):
    psf = build.psf(2.3, e1=build.even(0.08), skew_x=build.even(0.5), skew_y=build.even(0.3), beta=4.5)
    image = np.zeros(SHAPE, np.float32)
    add_sources(image, [52.37], [49.81], [1e6], psf, noise_e=1e-6)
    flux, cx, cy, *_ = moments(image, 52.37, 49.81, 45)
    # beta = 4.5: 1 - (1 + (45 / alpha)^2)^-3.5 < 1e-8 lies outside; the pixel sums are good to 1e-3 of the core's peak.
    assert flux == pytest.approx(1e6, rel=5e-4)
    # The skewness would shift the centroid by alpha s / (2 beta) = 0.16 px had it not been taken back.
    assert (cx, cy) == pytest.approx((52.37, 49.81), abs=2e-3)


def test_fwhm_and_ellipticity_are_those_of_the_field(build):
    fwhm = 9.0
    psf = build.psf(fwhm, e1=build.even(0.0, 0.2), beta=3.5)
    nx = SHAPE[1]
    for u in (-0.8, 0.0, 0.8):
        image = np.zeros(SHAPE, np.float32)
        x0 = (u + 1) / 2 * (nx - 1)
        x0, y0 = round(x0), 50
        add_sources(image, [x0], [y0], [1.0], psf, noise_e=1e-9)
        e1 = 0.2 * unit_position(np.array([x0]), np.array([y0]), SHAPE)[0][0]
        # Half maximum along x and y: the shear stretches by (1 + e1) / sqrt(1 - e1^2) and its inverse. The pixel adds
        # 1/12 px^2 to a variance of 15 px^2, and straight lines between samples widen the peak by less than 1 %.
        row, column = image[y0].astype(float), image[:, x0].astype(float)
        stretch = (1 + e1) / np.sqrt(1 - e1**2)
        assert width_at_half(row) == pytest.approx(fwhm * stretch, rel=0.015)
        assert width_at_half(column) == pytest.approx(fwhm / stretch, rel=0.015)


def width_at_half(profile):
    """Full width at half maximum of a sampled peak, linear between samples."""
    above = np.flatnonzero(profile > profile.max() / 2)
    first, last = above[0], above[-1]
    half = profile.max() / 2
    left = first - (profile[first] - half) / (profile[first] - profile[first - 1])
    return last + (profile[last] - half) / (profile[last] - profile[last + 1]) - left


def test_quadratic_and_unit_position():
    c = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    u, v = unit_position(np.array([0.0, 110.0, 55.0]), np.array([0.0, 100.0, 50.0]), SHAPE)
    assert u == pytest.approx([-1, 1, 0])
    assert v == pytest.approx([-1, 1, 0])
    assert quadratic(c, u, v) == pytest.approx([1 - 2 - 3 + 4 + 5 + 6, 21, 1])


def test_stamps_lose_little_light(build):
    psf = build.psf(2.0, beta=2.8)
    for flux_noise, most in ((1e5, 1.1e-4), (300.0, 4e-4), (10.0, 1.05e-2)):
        image = np.zeros((401, 401), np.float32)
        add_point_sources(image, build.stars(200.2, 199.7, flux_noise), psf, noise_e=1.0)
        lost = 1 - image.sum(dtype=float) / flux_noise
        # What LOST_NOISE and LOST_FLUX allow, and 3e-4 for the integration over pixels.
        assert -3e-4 < lost < most + 3e-4


def test_bright_stars_have_larger_stamps():
    alpha = np.array([2.0])
    radii = [stamp_radius_px(np.array([flux]), alpha, 3.0, 40.0)[0] for flux in (1e2, 1e4, 1e6, 1e8)]
    assert np.all(np.diff(radii) > 0)
    # (beta - 1) / (pi alpha^2) 1e8 (1 + (r / alpha)^2)^-3 = 0.03 * 40
    assert radii[3] == pytest.approx(2 * np.sqrt((0.15915 * 1e8 / 1.2) ** (1 / 3) - 1) + 1, rel=1e-3)


def test_broad_component_holds_its_share_and_width(build):
    psf = build.psf(2.0, halo_fraction=0.1, halo_fwhm_px=12.0)
    image = np.zeros((301, 301), np.float32)
    add_broad_component(image, np.array([150.4]), np.array([149.1]), np.array([1e6]), psf)
    # The grid's edge is beyond the image's, nothing is lost; FFT and interpolation conserve the sum to 1e-4.
    assert image.sum(dtype=float) == pytest.approx(1e5, rel=1e-3)
    _, cx, cy, *_ = moments(image, 150.4, 149.1, 90)
    assert (cx, cy) == pytest.approx((150.4, 149.1), abs=0.02)
    # Two linear interpolations on cells of FWHM / 6 add cell^2 / 6 each to the variance, 3 % to the width.
    assert width_at_half(image[149].astype(float)) == pytest.approx(12.0, rel=0.05)


def test_deposit_and_interpolation_against_slow_twins():
    rng = np.random.default_rng(1)
    x, y, flux = rng.uniform(-5, 30, 40), rng.uniform(-5, 20, 40), rng.uniform(0, 1, 40)
    cell, margin = 2.5, 3
    grid, slow = np.zeros((12, 16)), np.zeros((12, 16))
    render_nb.deposit(grid, x, y, flux, cell, margin)
    for xk, yk, fk in zip(x, y, flux, strict=True):
        for j in range(12):
            for i in range(16):
                dx, dy = abs(xk / cell + margin - i), abs(yk / cell + margin - j)
                slow[j, i] += fk * max(0, 1 - dx) * max(0, 1 - dy)
    assert np.allclose(grid, slow)
    image = np.zeros((7, 9), np.float32)
    render_nb.add_interpolated(image, grid, cell, margin, 2.0)
    for yy in range(7):
        for xx in range(9):
            gx, gy = xx / cell + margin, yy / cell + margin
            weights = np.maximum(0, 1 - abs(np.arange(12) - gy))[:, None] * np.maximum(0, 1 - abs(np.arange(16) - gx))
            assert image[yy, xx] == pytest.approx(2 * (weights * grid).sum(), rel=1e-5)


def test_moving_sources_are_trailed_about_their_middle(build):
    stars = build.stars([50.0, 20.0], [50.0, 70.0], [1e4, 1e3], [9.0, 0.0], [-6.0, 0.0])
    x, y, flux = trailed(stars)
    # 10.8 px in steps of at most 0.3 px, and one star at rest.
    assert len(x) == 37 + 1
    assert flux.sum() == pytest.approx(1.1e4)
    assert x[:37].mean() == pytest.approx(50.0)
    assert y[:37].mean() == pytest.approx(50.0)
    assert np.ptp(x[:37]) == pytest.approx(9.0 * 36 / 37)
    image = np.zeros(SHAPE, np.float32)
    add_point_sources(image, build.stars(50.0, 50.0, 1e4, 9.0, -6.0), build.psf(2.0, beta=4.5), noise_e=1e-3)
    _, _, _, xx, yy, xy = moments(image, 50, 50, 30)
    at_rest = np.zeros(SHAPE, np.float32)
    add_point_sources(at_rest, build.stars(50.0, 50.0, 1e4), build.psf(2.0, beta=4.5), noise_e=1e-3)
    _, _, _, xx0, yy0, _ = moments(at_rest, 50, 50, 30)
    # A uniform line of length L adds L^2 / 12.
    assert xx - xx0 == pytest.approx(81 / 12, rel=0.01)
    assert yy - yy0 == pytest.approx(36 / 12, rel=0.01)
    assert xy == pytest.approx(-54 / 12, rel=0.01)


def galaxy(x, y, flux, radius, ratio=1.0, angle=0.0, index=1.0) -> Galaxies:
    return Galaxies(*(np.array([float(value)]) for value in (x, y, flux, radius, ratio, angle, index)))


@pytest.mark.parametrize("index", [1.0, 4.0])
@pytest.mark.parametrize("flux_noise", [50.0, 1e5])
def test_galaxies_keep_flux_and_place(build, index, flux_noise):
    image = np.zeros((301, 301), np.float32)
    psf = build.psf(2.0, halo_fraction=0.05)
    add_galaxies(image, galaxy(150.3, 149.6, flux_noise, 4.0, 0.6, 30.0, index), psf, noise_e=1.0)
    # The stamps and the profile are normalised, so only the broad component's grid (1e-3) is inexact.
    assert image.sum(dtype=float) == pytest.approx(flux_noise, rel=2e-3)
    _, cx, cy, *_ = moments(image, 150.3, 149.6, 12)
    # Faint galaxies stand on half pixels of the grid, the error is a small part of the half pixel.
    assert (cx, cy) == pytest.approx((150.3, 149.6), abs=0.1 if flux_noise < 100 else 0.03)


def test_half_light_radius_and_position_angle_of_a_large_galaxy(build):
    image = np.zeros((401, 401), np.float32)
    add_galaxies(image, galaxy(200, 200, 1e7, 20.0, 0.5, 30.0, 1.0), build.psf(1.5, beta=4.5), noise_e=1.0)
    y, x = np.indices(image.shape)
    along = np.cos(np.radians(30)) * (x - 200) + np.sin(np.radians(30)) * (y - 200)
    across = np.cos(np.radians(30)) * (y - 200) - np.sin(np.radians(30)) * (x - 200)
    within = np.hypot(along, across / 0.5) < 20.0
    # The PSF (sigma 0.7 px) changes the half-light radius by (0.7 / 10)^2 / 2 at most; the profile ends at 8 radii.
    assert image[within].sum(dtype=float) / 1e7 == pytest.approx(0.5, abs=0.01)
    *_, xx, yy, xy = moments(image, 200, 200, 190)
    assert np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) == pytest.approx(30.0, abs=0.5)


def test_galaxy_weights_against_a_slow_twin():
    x0, y0, phases, fine_px, edge_px, half = 0.3, -0.4, 2, 1, 4.0, 4
    b, radius, n, ratio, angle = 1.678, 1.7, 1.0, 0.7, 0.5
    weights = np.zeros((phases**2 + 1, 2 * half + 1, 2 * half + 1))
    total = render_nb.galaxy_weights(
        x0, y0, np.cos(angle), np.sin(angle), ratio, (b, radius, 1 / n), fine_px, edge_px, phases, weights
    )
    slow = np.zeros_like(weights)
    for j in range(-half, half + 1):
        for i in range(-half, half + 1):
            # The centre's pixel is (0, 0).
            cells = [(0.0, 0.0, 4, 1.0)]
            if np.hypot(i, j) <= fine_px:
                cells = [(-0.25, -0.25, 0, 0.25), (0.25, -0.25, 1, 0.25), (-0.25, 0.25, 2, 0.25), (0.25, 0.25, 3, 0.25)]
            for dx, dy, phase, area in cells:
                d = np.array([i + dx - x0, j + dy - y0])
                turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ d
                r = np.hypot(turned[0], turned[1] / ratio)
                if r <= edge_px:
                    r = max(r, 0.15 if len(cells) > 1 else 0.3)
                    slow[phase, j + half, i + half] = area * np.exp(-b * (r / radius) ** (1 / n))
    assert np.allclose(weights, slow)
    assert total == pytest.approx(slow.sum())


def test_galaxy_kernel_adds_stamps_point_by_point(build):
    rng = np.random.default_rng(9)
    stamps = rng.uniform(0, 1, (5, 7, 7)).astype(np.float32)
    form = (np.cos(0.4), np.sin(0.4), 0.6, 1.678, 2.0, 1.0)
    # Off the corner, so that stamps are cut by the edges.
    x0, y0, fine_px, edge_px, phases = 1.3, 17.6, 1, 3.5, 2
    image, slow = np.zeros((20, 24), np.float32), np.zeros((60, 64))
    render_nb.add_galaxy(image, x0, y0, 100.0, form, fine_px, edge_px, phases, stamps)
    weights = np.zeros((5, 9, 9))
    total = render_nb.galaxy_weights(x0, y0, *form[:3], form[3:], fine_px, edge_px, phases, weights)
    for phase, j, i in np.argwhere(weights > 0):
        y, x = 18 + j - 4 + 20, 1 + i - 4 + 20
        slow[y - 3 : y + 4, x - 3 : x + 4] += 100 * weights[phase, j, i] / total * stamps[phase]
    assert image == pytest.approx(slow[20:40, 20:44], rel=1e-4, abs=1e-4)


def test_discs_against_a_slow_twin():
    image, mask = np.zeros((30, 40), np.float32), np.zeros((30, 40), np.uint8)
    render_nb.add_discs(image, mask, 8, np.array([5.2, 60.0]), np.array([28.7, 90.0]), np.array([50.0, 1.0]), 4.0, 9.0)
    y, x = np.indices(image.shape)
    r = np.hypot(x - 5.2, y - 28.7)
    share = np.clip(9.5 - r, 0, 1) * np.clip(r - 3.5, 0, 1)
    assert image == pytest.approx(50 / (np.pi * (81 - 16)) * share, rel=1e-5, abs=1e-7)
    assert np.array_equal(mask, np.where(share > 0, 8, 0))


def test_galaxies_are_convolved_with_the_local_psf(build):
    psf = replace(build.psf(beta=4.5), fwhm_px=build.even(2.5, 1.0))
    image = np.zeros((200, 200), np.float32)
    tiny = [galaxy(x, 100.0, 1e5, 0.3) for x in (25.0, 175.0)]
    for one in tiny:
        add_galaxies(image, one, psf, noise_e=1.0)
    left, right = moments(image, 25, 100, 20), moments(image, 175, 100, 20)
    # FWHM 1.75 and 3.25 px in the middle of the outer tiles. Variances: of the Moffat function
    # alpha^2 / (2 (beta - 2)) = 0.3003 FWHM^2 for beta = 4.5, of the pixel 1/12, of the galaxy 3 (0.3 / 1.678)^2. The
    # wings beyond 20 px hold 3 %.
    expected = [0.3003 * fwhm**2 + 1 / 12 + 0.096 for fwhm in (1.75, 3.25)]
    assert (left[3], right[3]) == pytest.approx(expected, rel=0.04)


def test_stamps_are_one_and_shifted(build):
    stamps = stamp_table(build.psf(2.0), (100, 100), (50.0, 50.0), 1e5, 4)
    assert stamps.shape[0] == 17
    assert stamps.sum(axis=(1, 2)) == pytest.approx(np.ones(17), abs=1e-5)
    half = stamps.shape[1] // 2
    x = np.arange(-half, half + 1)
    # Within 4 px: the wings of a stamp cut at a fixed square pull the centroid back a little.
    core = stamps[:, half - 4 : half + 5, half - 4 : half + 5].astype(float)
    centroid = (core * x[half - 4 : half + 5]).sum(axis=(1, 2)) / core.sum(axis=(1, 2))
    assert centroid[[0, 1, 2, 3]] == pytest.approx([-0.375, -0.125, 0.125, 0.375], abs=0.03)
    assert centroid[16] == pytest.approx(0, abs=1e-4)


def test_edge_of_a_galaxy_where_it_sinks_into_the_noise():
    bright = galaxy(0, 0, 1e9, 3.0)
    faint = galaxy(0, 0, 1.0, 3.0)
    assert edge_radius_px(bright, 40.0)[0] == pytest.approx(8 * 3 + 1)
    assert edge_radius_px(faint, 40.0)[0] == pytest.approx(3 * 3 + 1)
    between = galaxy(0, 0, 3e4, 3.0)
    edge = edge_radius_px(between, 40.0)[0] - 1
    total, _ = dblquad(lambda r, t: r * np.exp(-1.6783 * r / 3), 0, 2 * np.pi, 0, 100)
    assert 3e4 / total * np.exp(-1.6783 * edge / 3) == pytest.approx(0.03 * 40, rel=0.01)
