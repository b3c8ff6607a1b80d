"""Scenes: every switch changes something, seeds keep apart, moving things move, and truth agrees with the scene."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from ztfpipe.camera import Camera
from ztfpipe.config import SKY_EFFECTS, Simulate
from ztfpipe.errors import BadKey
from ztfpipe.simulate.night import plan_night
from ztfpipe.simulate.observe import scene
from ztfpipe.simulate.sky.moving import clip_segments
from ztfpipe.simulate.sky.trails import AIRCRAFT, HIGH_ORBIT, LOW_ORBIT, trails

MINI = Camera.load("mini")
NIGHT = {"biases": 0, "flats": 0}
BUSY = {
    "night": NIGHT,
    "weather": {"cloudy_fraction": 1.0},
    "moving": {"streaks_per_exposure": 15.0, "asteroids_per_square_degree": 400, "near_earth_objects": 40},
}


def numbers(seen):
    """All arrays of a scene, by name."""
    parts = {"stars": seen.stars, "galaxies": seen.galaxies, "streaks": seen.streaks, "psf": seen.psf, "sky": seen.sky}
    return {
        f"{name}.{item.name}": np.asarray(getattr(part, item.name))
        for name, part in parts.items()
        for item in fields(part)
    }


def the_same(a, b):
    return all(np.array_equal(value, b[name]) for name, value in a.items())


def _look(settings, **changes):
    plan = next(p for p in plan_night(settings, MINI) if p.key.filter == "zi")
    return scene(settings, MINI, replace(plan, **changes), 10, 1)


@pytest.fixture(scope="module")
def busy():
    return _look(Simulate(**BUSY))


@pytest.mark.parametrize("effect", SKY_EFFECTS)
def test_every_switch_changes_the_scene(effect, busy):
    assert not the_same(numbers(busy[0]), numbers(_look(Simulate(off=(effect,), **BUSY))[0]))


def test_the_same_twice(busy):
    assert the_same(numbers(busy[0]), numbers(_look(Simulate(**BUSY))[0]))


def test_seeds_keep_apart(busy):
    noisy = _look(Simulate(noise_seed=7, **BUSY))
    first, second = busy[1]["stars"], noisy[1]["stars"]
    both = first.merge(second, on="identifier", suffixes=("", "_other"))
    # Another pointing loses some stars at the edges, but they are the same stars, at the same place in the sky.
    assert len(both) > 0.7 * len(first)
    # Shutters open at times drawn anew, some seconds apart: proper motion of 1e-4 arcsec at most.
    np.testing.assert_allclose(both.ra_deg, both.ra_deg_other, atol=1e-7)
    assert not np.any(both.x_px == both.x_px_other)
    assert busy[1]["exposure"].colour_term[0] == noisy[1]["exposure"].colour_term[0]
    another_sky = _look(Simulate(sky_seed=7, **BUSY))
    assert not set(another_sky[1]["stars"].ra_deg) & set(first.ra_deg)


def test_truth_agrees_with_the_scene(busy):
    seen, tables = busy
    points = sum(len(tables[name]) for name in ("stars", "transients")) + (~tables["asteroids"].streak).sum()
    assert len(seen.stars.x_px) == points
    assert len(seen.galaxies.x_px) == len(tables["galaxies"])
    assert len(seen.streaks.x0_px) == len(tables["streaks"]) + tables["asteroids"].streak.sum()
    for part in numbers(seen).values():
        assert np.all(np.isfinite(part))
    assert len(tables["exposure"]) == 1
    assert len(tables["wcs"]) == 17 * 17
    ny, nx = MINI.quadrant_shape
    stars = tables["stars"]
    ordinary = stars[stars.v_mag > 12]
    assert ordinary.x_px.between(-41, nx + 40).all()
    assert ordinary.y_px.between(-41, ny + 40).all()
    assert (tables["asteroids"].near_earth & tables["asteroids"].streak).any() or tables[
        "asteroids"
    ].near_earth.sum() < 3


def test_stars_fill_the_quadrant_to_its_edges():
    settings = Simulate(night=NIGHT, stars={"stars_per_square_degree": 300000})
    _, tables = _look(settings)
    stars = tables["stars"]
    ny, nx = MINI.quadrant_shape
    counts, _, _ = np.histogram2d(stars.y_px, stars.x_px, bins=(8, 8), range=[[-0.5, ny - 0.5], [-0.5, nx - 0.5]])
    chi2 = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    # chi^2 of 63 degrees of freedom: sigma 11.
    assert abs(chi2 - 63) < 4 * 11.3


def test_asteroids_move_as_truth_says(busy):
    seen, tables = busy
    rocks = tables["asteroids"]
    settings = Simulate(**BUSY)
    later = _look(
        settings, obsjd=next(p for p in plan_night(settings, MINI) if p.key.filter == "zi").obsjd + 300 / 86400
    )
    both = rocks.merge(later[1]["asteroids"], on="identifier", suffixes=("", "_later"))
    assert len(both) > 3
    for axis in ("x", "y"):
        rate = (both[f"{axis}_px_later"] - both[f"{axis}_px"]) / 300
        # Turbulence is the same field for both (the name is the same), refraction changes by 0.2 arcsec in 300 s.
        np.testing.assert_allclose(both[f"d{axis}_px"] / 30, rate, atol=0.003)
    short = rocks[~rocks.streak]
    assert np.hypot(short.dx_px, short.dy_px).max() <= 10
    assert np.all(seen.stars.dx_px[: len(tables["stars"])] == 0)


def test_drift_trails_every_star():
    seen, tables = _look(Simulate(night=NIGHT, optics={"drift_px": 8.0}))
    assert np.hypot(seen.stars.dx_px, seen.stars.dy_px)[: len(tables["stars"])] == pytest.approx(8.0)
    steady, _ = _look(Simulate(night=NIGHT))
    np.testing.assert_array_equal(steady.stars.x_px, seen.stars.x_px)


def test_the_page_of_the_sky_names_every_switch():
    page = (Path(__file__).resolve().parents[2] / "docs" / "simulate-sky.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    assert {name.strip() for row in rows[1:] for name in row.split(",")} == set(SKY_EFFECTS)


def test_number_kinds_and_brightness_of_trails():
    settings = Simulate(night=NIGHT, moving={"streaks_per_exposure": 4.0})
    plan = plan_night(settings, MINI)[0]
    plans = [replace(plan, key=replace(plan.key, filefracday=f"20180325{200000 + k}")) for k in range(150)]
    tables = [trails(settings, MINI, p) for p in plans]
    kinds = np.concatenate([table.kind for table in tables])
    # An aircraft is three lights. 600 events: Poisson 4 %, aircraft 10 % of them.
    events = (kinds != AIRCRAFT).sum() + (kinds == AIRCRAFT).sum() / 3
    assert events == pytest.approx(600, abs=4 * 600**0.5)
    assert (kinds == AIRCRAFT).sum() / 3 == pytest.approx(60, abs=4 * 60**0.5)
    assert (kinds == LOW_ORBIT).sum() > (kinds == HIGH_ORBIT).sum() > 50
    long = replace(plan, exptime_s=300.0)
    plans = [replace(long, key=replace(long.key, filefracday=f"20180325{200000 + k}")) for k in range(20)]
    assert sum(len(trails(settings, MINI, p).kind) for p in plans) > 5 * sum(len(t.kind) for t in tables) / 150 * 20


def test_satellites_are_as_bright_as_they_are_fast():
    settings = Simulate(night=NIGHT, moving={"streaks_per_exposure": 30.0})
    plan = next(p for p in plan_night(settings, MINI) if p.key.filter == "zr")
    _, truth = scene(settings, MINI, plan, 10, 1)
    fast = truth["streaks"][truth["streaks"].kind == LOW_ORBIT]
    assert len(fast) > 3
    # A satellite of r = 6 at 0.5 deg/s leaves 10^(0.4 * (24.7 - 6)) e- a second over 1780 px: some 17,000 e- a pixel.
    for row in fast.itertuples():
        per_px = row.flux_e / np.hypot(row.x1_px - row.x0_px, row.y1_px - row.y0_px)
        at_full_speed, at_low = (10 ** (0.4 * (24.7 - row.mag)) * 1.0125 / 3600 / speed for speed in (1.0, 0.2))
        # Extinction and zero points shift it by up to 0.5 mag.
        assert 0.6 * at_full_speed < per_px < 1.1 * at_low


def test_trails_continue_from_quadrant_to_quadrant():
    settings = Simulate(off=("turbulence", "clouds"), night=NIGHT, moving={"streaks_per_exposure": 40.0})
    plan = plan_night(settings, MINI)[0]
    density = {}
    for qid in (1, 2):
        _, tables = scene(settings, MINI, plan, 10, qid)
        for row in tables["streaks"].itertuples():
            length = np.hypot(row.x1_px - row.x0_px, row.y1_px - row.y0_px)
            if length > 50:
                density.setdefault(round(row.mag, 9), []).append(row.flux_e / length)
    shared = [values for values in density.values() if len(values) == 2]
    assert len(shared) > 3
    # The quadrants' zero points and colour terms differ by some 0.05 mag.
    for a, b in shared:
        assert a == pytest.approx(b, rel=0.25)


def test_clipping_against_a_slow_twin():
    rng = np.random.default_rng(2)
    start, end = rng.uniform(-3, 3, (2, 200, 2))
    start[:5, 0] = end[:5, 0]
    low, high = np.array([-1.0, -0.5]), np.array([1.0, 0.7])
    enter, leave = clip_segments(start, end, low, high)
    steps = np.linspace(0, 1, 20001)
    for k in range(200):
        points = start[k] + steps[:, None] * (end[k] - start[k])
        inside = steps[((points > low) & (points < high)).all(axis=1)]
        if len(inside) == 0:
            assert leave[k] - enter[k] < 1e-4
        else:
            assert enter[k] == pytest.approx(inside[0], abs=1e-4)
            assert leave[k] == pytest.approx(inside[-1], abs=1e-4)


def test_no_such_quadrant():
    settings = Simulate(night=NIGHT)
    with pytest.raises(BadKey):
        scene(settings, MINI, plan_night(settings, MINI)[0], 3, 1)


def test_an_empty_sky_still_makes_a_scene():
    off = ("galaxies", "transients", "asteroids", "near_earth_objects", "streaks")
    seen, tables = _look(Simulate(off=off, night=NIGHT, stars={"stars_per_square_degree": 1e-6}))
    assert len(seen.stars.x_px) == len(seen.galaxies.x_px) == len(seen.streaks.x0_px) == 0
    assert len(tables["stars"]) == 0
    assert seen.sky.level_e[0] > 0


def test_a_dense_full_size_quadrant_is_quick():
    camera = Camera.load("quadrant")
    settings = Simulate(night=NIGHT, stars={"stars_per_square_degree": 40000})
    plan = plan_night(settings, camera)[0]
    started = time.process_time()
    scene(settings, camera, plan, 10, 1)
    # The budget; 0.6 s measured.
    assert time.process_time() - started < 2.0
