"""Seeing, clouds, sky and PSF of many exposures, measured back at their configured sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.config import SKY_EFFECTS, Simulate
from ztfpipe.simulate.geometry import unit_vectors
from ztfpipe.simulate.night import plan_night
from ztfpipe.simulate.observe import scene
from ztfpipe.simulate.telescope.earth import moon_to_dark_sky
from ztfpipe.simulate.telescope.weather import conditions, psf_field

MINI, QUADRANT = Camera.load("mini"), Camera.load("quadrant")
NIGHT = {"biases": 0, "flats": 0}


def only(*effects, **parts):
    return Simulate(off=tuple(name for name in SKY_EFFECTS if name not in effects), night=NIGHT, **parts)


def exposures(settings, n, minutes=0.0, code="zr"):
    """`n` exposures that differ in name, and in time by `minutes` each, but not in airmass."""
    plan = next(p for p in plan_night(settings, MINI) if p.key.filter == code)
    key = plan.key
    return [
        replace(plan, key=replace(key, filefracday=f"20180325{100000 + k}"), obsjd=plan.obsjd + k * minutes / 1440)
        for k in range(n)
    ]


def test_seeing_has_its_median_scatter_and_range():
    settings = only("seeing_changes", optics={"seeing_px": (0.5, 10.0)})
    # 200 minutes apart, five memories: independent.
    plans = exposures(settings, 300, minutes=200)
    fwhm = np.array([conditions(settings, MINI, plan).fwhm_px for plan in plans])
    expected = 1.9 * plans[0].at_start.airmass ** 0.6
    # Log-normal of 0.18: the median good to 1.25 * 0.18 / sqrt(300) = 1.3 %, the scatter to 4.1 %. Four sigma.
    assert np.median(fwhm) == pytest.approx(expected, rel=0.052)
    assert np.log(fwhm).std() == pytest.approx(0.18, rel=0.165)
    default = only("seeing_changes")
    kept = [conditions(default, MINI, plan).fwhm_px for plan in plans]
    assert min(kept) >= 1.5
    assert max(kept) <= 4.0
    assert conditions(only(), MINI, plans[0]).fwhm_px == 1.9


def test_seeing_remembers():
    settings = only("seeing_changes")
    fwhm = np.log([conditions(settings, MINI, plan).fwhm_px for plan in exposures(settings, 60, minutes=2)])
    # Two minutes against a memory of 40: steps of the Gaussian process are 0.05 of its scatter; 5 sigma of that.
    assert np.abs(np.diff(fwhm)).max() < 0.18 * 0.05 * 5


def test_seeing_is_worse_in_blue():
    settings = only("seeing_changes", optics={"seeing_scatter": 0.0, "seeing_px": (0.5, 10.0)})
    g, i = (conditions(settings, MINI, exposures(settings, 1, code=code)[0]) for code in ("zg", "zi"))
    ratio = (MINI.filter("zg").wavelength_nm / MINI.filter("zi").wavelength_nm) ** -0.2 * (g.airmass / i.airmass) ** 0.6
    assert g.fwhm_px / i.fwhm_px == pytest.approx(ratio, rel=1e-9)


def test_clouds_come_as_often_as_told():
    settings = only("clouds", weather={"cloudy_fraction": 0.3})
    clouds = np.array([conditions(settings, MINI, plan).cloud_mag for plan in exposures(settings, 400)])
    # Binomial: sqrt(0.3 * 0.7 / 400) = 0.023.
    assert (clouds > 0).mean() == pytest.approx(0.3, abs=4 * 0.023)
    # Log-normal of factor 1.8: the median is good to 1.25 * 0.59 / sqrt(120) = 7 %.
    assert np.median(clouds[clouds > 0]) == pytest.approx(0.5, rel=0.28)


def test_clouds_dim_the_stars_and_have_structure():
    cloudy = only("clouds", "cloud_structure", weather={"cloudy_fraction": 1.0})
    clear = only()
    ratios = []
    for plan in exposures(cloudy, 12):
        dimmed, tables = scene(cloudy, QUADRANT, plan, 10, 1)
        bright, _ = scene(clear, QUADRANT, plan, 10, 1)
        loss = -2.5 * np.log10(dimmed.stars.flux_e / bright.stars.flux_e) / tables["exposure"].cloud_mag[0]
        ratios.append(loss)
    losses = np.concatenate(ratios)
    assert losses.min() >= -1e-9
    # Twelve quadrants of about 15 independent patches each: mean 1 to 0.25 / sqrt(180) = 2 %, rms to 6 %. Four sigma.
    assert losses.mean() == pytest.approx(1.0, abs=0.08)
    assert losses.std() == pytest.approx(0.25, rel=0.24)


def test_transparency_changes_slowly_by_its_size():
    settings = only("transparency")
    values = [conditions(settings, MINI, plan).transparency_mag for plan in exposures(settings, 300, minutes=90)]
    assert np.std(values) == pytest.approx(0.008, rel=0.165)


def test_extinction_of_nights():
    settings = only("extinction")
    plan = exposures(settings, 1)[0]
    values = []
    for k in range(100):
        key = replace(plan.key, filefracday=f"20{20 + k // 25}{1 + k % 12:02d}{1 + k % 25:02d}123456")
        values.append(conditions(settings, MINI, replace(plan, key=key)).extinction_mag)
    # 100 nights: the mean to 0.2 %, the scatter to 7 %.
    assert np.mean(values) == pytest.approx(0.15, rel=0.008)
    assert np.std(values) / 0.15 == pytest.approx(0.02, rel=0.28)


def test_sky_level_by_hand():
    settings = only(stars={"stars_per_square_degree": 100})
    plan = exposures(settings, 1)[0]
    sky = scene(settings, MINI, plan, 10, 1)[0].sky
    # r = 20.9 per square arcsec at the zenith; here brighter by the longer path through the airglow (van Rhijn) and,
    # by convention, dimmed by extinction. Zero point 26.275 in DN of 30 s at airmass 1.2, mean gain, no extinction.
    path = (1 - 0.96 * (1 - np.sin(np.radians(plan.at_start.elevation_deg)) ** 2)) ** -0.5
    gain = np.mean([amplifier.gain_e_per_adu for amplifier in MINI.amplifiers.values()])
    zero_point = 26.275 + 0.15 * 1.2 + 2.5 * np.log10(gain)
    mag = 20.9 - 2.5 * np.log10(path) + 0.172 * (path - 1)
    expected = 1.0125**2 * 10 ** (-0.4 * (mag - zero_point))
    # The elevation of the start against that of the middle of the exposure: 15 s, 0.1 %.
    assert sky.level_e[0] == pytest.approx(expected, rel=0.002)
    assert np.all(sky.level_e[1:] == 0)


def test_gradients_have_their_size():
    settings = only("sky_gradient")
    values = np.array([conditions(settings, MINI, plan).gradient for plan in exposures(settings, 300)])
    assert values[:, :2].std() == pytest.approx(0.02, rel=4 / 1200**0.5)
    assert values[:, 2:].std() == pytest.approx(0.02 / 3, rel=4 / 1800**0.5)


def test_moonlight():
    up, moon, target = unit_vectors([0.0, 50.0, -40.0], [90.0, 40.0, 50.0])
    full, half = (moon_to_dark_sky(target, moon, up, angle) for angle in (0.0, 90.0))
    # Krisciunas & Schaefer 1991: near full Moon the V sky far from it is 2.5 to 4 mag brighter than a dark one, and the
    # first quarter gives 8 to 12 times less light than the full Moon.
    assert 2.5 < 2.5 * np.log10(1 + full) < 4.0
    assert 8 < full / half < 12
    assert moon_to_dark_sky(target, -up, up, 0.0) == 0.0
    plans = plan_night(Simulate(night=NIGHT), MINI)
    moonlit, dark = only("moonlight"), only()
    early, late = plans[0], plans[-1]
    assert early.at_start.moon_elevation_deg > 30
    assert late.at_start.moon_elevation_deg < 0
    assert conditions(moonlit, MINI, early).moon_over_dark > 0.3
    assert conditions(moonlit, MINI, late).moon_over_dark == 0
    assert conditions(dark, MINI, early).moon_over_dark == 0


def test_fringes_only_in_i_and_diluted_by_the_moon():
    settings = only("fringes", stars={"stars_per_square_degree": 100})
    for code, expected in (("zg", 0.0), ("zr", 0.0), ("zi", 0.015)):
        sky = scene(settings, MINI, exposures(settings, 1, code=code)[0], 10, 1)[0].sky
        assert sky.fringe_fraction == pytest.approx(expected)
    both = only("fringes", "moonlight", stars={"stars_per_square_degree": 100})
    plan = exposures(both, 1, code="zi")[0]
    ratio = conditions(both, MINI, plan).moon_over_dark
    assert scene(both, MINI, plan, 10, 1)[0].sky.fringe_fraction == pytest.approx(0.015 / (1 + ratio))


def test_psf_varies_over_quadrants_and_between_exposures():
    settings, ztf = only("psf_variation"), Camera.load("ztf")
    plans = exposures(settings, 4)
    changes, shapes = [], []
    u, v = (grid.ravel() for grid in np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9)))
    basis = np.stack([np.ones(81), u, v, u**2, u * v, v**2])
    for plan in plans:
        truth = conditions(settings, ztf, plan)
        for ccdid, qid in ztf.quadrants():
            psf = psf_field(settings, plan, truth, ztf.amplifier(ccdid, qid).rcid)
            fwhm = psf.fwhm_px @ basis
            changes.append(np.abs(fwhm / truth.fwhm_px - 1).max())
            shapes.append(psf.e1 @ basis)
    # The peak change is of the size told: a sum of five Gaussian terms, so a factor of two either way.
    assert 0.5 * 0.05 < np.median(changes) < 2 * 0.05
    assert 0.25 * 0.05 < np.std(shapes) < 1.5 * 0.05
    first, second = (psf_field(settings, p, conditions(settings, ztf, p), 5) for p in plans[:2])
    assert not np.array_equal(first.e1, second.e1)
    flat = psf_field(only(), plans[0], conditions(only(), ztf, plans[0]), 5)
    assert np.all(flat.fwhm_px[1:] == 0)
    assert np.all(np.concatenate([flat.e1, flat.e2, flat.skew_x, flat.skew_y]) == 0)
