"""Streaks: kernels against plain sums, planted streaks of several lengths, and what must not pass for one."""

import numpy as np
import pytest

from ztfpipe.methods.difference import streaks_nb as kernels
from ztfpipe.methods.difference.streaks import _Search, find_streaks
from ztfpipe.methods.difference.zogy import subtract

SHAPE = (300, 320)
SIGMA = 6.0


def streak(drawn, psf, ends, flux):
    """A streak of points a third of a pixel apart."""
    x0, y0, x1, y1 = ends
    count = int(3 * np.hypot(x1 - x0, y1 - y0)) + 1
    f = (np.arange(count) + 0.5) / count
    return drawn(psf, x0 + f * (x1 - x0), y0 + f * (y1 - y0), np.full(count, flux / count))


@pytest.fixture(scope="module")
def setting(psf_of, drawn, exposed):
    """PSF of the science image, and a function (light, seed) -> difference from an empty, deep reference."""
    psf = psf_of(2.5, SHAPE)
    deep = exposed(np.zeros(SHAPE), 0.5, psf)

    def make(light, seed=None):
        rng = None if seed is None else np.random.default_rng(seed)
        return subtract(exposed(light, SIGMA, psf, rng), deep, calibrate=False)

    return psf, make


def test_sums_along_lines_are_those_of_points_between_pixels():
    y, x = np.mgrid[:30, :40]
    image = (2.0 * x - 3.0 * y + 0.5 * x * y).astype(np.float32)
    out = np.empty(9)
    kernels.along(image, 2.25, 3.5, 30.75, 20.0, 9, out)
    f = np.linspace(0, 1, 9)
    xs, ys = 2.25 + f * 28.5, 3.5 + f * 16.5
    # Bilinear interpolation is exact for such a surface, in single precision.
    assert out == pytest.approx(2 * xs - 3 * ys + 0.5 * xs * ys, rel=1e-5)
    kernels.along(image, -5.0, 3.0, -1.0, 3.0, 9, out)
    assert (out == 0).all()


def test_the_best_stretch_is_that_of_a_plain_search():
    rng = np.random.default_rng(1)
    values = rng.standard_normal(60)
    values[20:41] += 1.5
    norm = np.sqrt(np.arange(200) * 2.0 + 1.0)
    best = (-1e9, 0, 0)
    for a in range(60):
        for b in range(a + 4, 60):
            gain = np.trapezoid(values[a : b + 1]) / np.sqrt((b - a) * 2.0 + 1.0)
            best = max(best, (gain, a, b))
    first, last, gain = kernels.best_stretch(values, 1.0, norm, 4)
    assert (first, last) == best[1:]
    assert gain == pytest.approx(best[0])


@pytest.mark.parametrize("length", [10, 40, 120])
def test_noise_of_a_line_is_that_of_its_template(setting, drawn, length):
    psf, make = setting
    search = _Search(make(np.zeros(SHAPE), 3))
    ends = np.array([60.0, 80.0, 60.0 + 0.8 * length, 80.0 + 0.6 * length])
    template = streak(drawn, psf, ends, float(length)).astype(float)
    # P_D is the science PSF, as the reference has next to no noise; the sum has unit steps, the template third ones.
    assert search.norm[length] == pytest.approx(np.sqrt((template**2).sum()), rel=0.02)


@pytest.mark.parametrize(("length", "angle_deg"), [(10, 25), (30, 100), (80, 62), (240, 5)])
def test_planted_streaks_are_found_and_measured(setting, drawn, length, angle_deg):
    psf, make = setting
    angle = np.radians(angle_deg)
    x0, y0 = (40.3, 50.7) if angle_deg < 90 else (160.2, 40.4)
    ends = np.array([x0, y0, x0 + length * np.cos(angle), y0 + length * np.sin(angle)])
    unit = streak(drawn, psf, ends, 1.0).astype(float)
    flux = 14.0 * SIGMA / np.sqrt((unit**2).sum())
    found = find_streaks(make(streak(drawn, psf, ends, flux), seed=length))
    assert len(found) == 1
    # The fit's free ends add chi-square of four to G^2: 14 becomes 14.1; four sigma.
    assert found.snr[0] == pytest.approx(14.1, abs=4)
    assert found.flux_adu[0] == pytest.approx(flux, abs=4.5 * found.sigma_flux_adu[0])
    got = np.array([found.x0_px[0], found.y0_px[0], found.x1_px[0], found.y1_px[0]])
    if np.hypot(*(got[:2] - ends[:2])) > np.hypot(*(got[:2] - ends[2:])):
        got = np.roll(got, 2)
    # Across the line an end is known to about twice PSF sigma over S/N; along it, to a few such or some per cent.
    normal = np.array([-np.sin(angle), np.cos(angle)])
    offset = (got - ends).reshape(2, 2)
    assert np.abs(offset @ normal).max() < 5 * 2 * 1.1 / 14 * 1.5
    assert np.abs(offset).max() < 4 + 0.15 * length
    assert min(abs(found.angle_deg[0] - angle_deg), 180 - abs(found.angle_deg[0] - angle_deg)) < 3 + 60 / length
    # A width is known to 1.15 / (S/N) of itself: four sigma, and a tenth of a pixel for the steps of the profile.
    assert found.width_px[0] == pytest.approx(2.5 / 2.3548, abs=4 * 1.15 / 14 * 1.06 + 0.1)
    # The strip has some 6 length pixels at least: the mean of their squares is good to sqrt(2 / n); five sigma.
    assert found.chi2[0] == pytest.approx(1.0, abs=5 * np.sqrt(2 / (6 * length)))
    assert found.evenness[0] > 0.6
    assert not found.capped


def test_noise_and_point_sources_are_no_streaks(setting, drawn):
    psf, make = setting
    rng = np.random.default_rng(9)
    assert len(find_streaks(make(np.zeros(SHAPE), seed=10))) == 0
    stars = drawn(psf, *rng.uniform(20, 280, (2, 25)), 10 ** rng.uniform(2.5, 3.3, 25))
    assert len(find_streaks(make(stars, seed=11))) == 0


def test_the_negative_is_not_searched(setting, drawn):
    psf, make = setting
    dark = -streak(drawn, psf, (50.0, 60.0, 200.0, 160.0), 6000.0)
    assert len(find_streaks(make(dark, seed=12))) == 0


def test_two_that_cross_are_two(setting, drawn):
    psf, make = setting
    light = streak(drawn, psf, (40.0, 60.0, 260.0, 200.0), 6000.0) + streak(
        drawn, psf, (60.0, 220.0, 240.0, 50.0), 6000.0
    )
    found = find_streaks(make(light, seed=13))
    assert len(found) == 2
    assert sorted(np.round(found.angle_deg / 10)) == [3, 14]


def test_more_than_allowed_is_capped(setting, drawn):
    psf, make = setting
    light = sum(streak(drawn, psf, (40.0, y, 260.0, y + 20.0), 5000.0) for y in (40.0, 100.0, 160.0, 220.0))
    found = find_streaks(make(light, seed=14), max_count=2)
    assert len(found) == 2
    assert found.capped


@pytest.mark.parametrize("angle_deg", [10, 35, 55, 80, 100, 125, 145, 170])
def test_long_lines_of_every_octant_lie_on_the_light(setting, drawn, angle_deg):
    psf, make = setting
    direction = np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))])
    middle = np.array([155.0, 140.0])
    ends = np.concatenate([middle - 100 * direction, middle + 100 * direction])
    lines = _Search(make(streak(drawn, psf, ends, 2e4))).long_lines(8.0)
    across = np.array([-direction[1], direction[0]])
    off = [max(abs((line.reshape(2, 2) - middle) @ across)) for line in lines]
    # Lines of the transform wander about the straight one by a bin or so, of two pixels.
    assert min(off) < 3.0
