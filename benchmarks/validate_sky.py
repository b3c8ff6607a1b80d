"""Astrometry, cosmic rays, tracks and background on full-size synthetic quadrants: figures beside their bars.

`rows()` gives name, value, unit, bar, met and note of each. CPU seconds are of this process, after compilation.
Figures of other tools on such a quadrant: SCAMP 6.2 to 7.2 s, astroscrappy 16.6 s, sep's background 0.1 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation

from benchmarks import sky_scenes as scenes
from benchmarks.accuracy import row
from ztfpipe.methods.detector.cosmic_rays import find_rays, moffat_stamps, ray_filters
from ztfpipe.methods.detector.tracks import find_tracks, track_mask
from ztfpipe.methods.sky import projection
from ztfpipe.methods.sky.astrometry import Detections, References, Solution, solve
from ztfpipe.methods.sky.background import estimate
from ztfpipe.model.wcs import TpvWcs, undistorted_pv

Row = dict[str, Any]
TURBULENCE_MAS = 25.0
CENTRE = np.array([1535.5, 1539.5])


def rows() -> list[Row]:
    """All figures, in a few minutes."""
    return [*astrometry(), *rays(), *tracks(), *background()]


def astrometry() -> list[Row]:
    """Accuracy under turbulence, and how often wrong pointings are solved."""
    out = []
    for name, n_stars in (("sparse", 1500), ("dense", 6000)):
        rms, ratio, cell, floor, cpu = zip(*(_one_field(seed, n_stars) for seed in range(6)), strict=True)
        out += [
            _row(f"astrometry, {name}: RMS per axis, 12 <= G <= 18", np.mean(rms), "mas", "<= 30", np.mean(rms) <= 30),
            _row(f"astrometry, {name}: RMS over best quartic", max(ratio), "", "<= 1.05", max(ratio) <= 1.05),
            _row(f"astrometry, {name}: 3 x 3 cells, worst of six fields", max(cell), "mas", "<= 15", max(cell) <= 15),
            _row(f"astrometry, {name}: the same of the best quartic", max(floor), "mas", "", None),
            _row(f"astrometry, {name}: both passes", float(np.median(cpu)), "CPU s", "<= 0.3", np.median(cpu) <= 0.3),
        ]
    for n_stars in (100, 1500, 6000):
        solved = np.mean([_solved_from_afar(seed, n_stars) for seed in range(20)])
        out.append(_row(f"astrometry, {n_stars} stars: solved from 3', 0.5 deg", solved, "", "1", solved == 1))
    return out


def _one_field(seed: int, n_stars: int) -> tuple[float, float, float, float, float]:
    field = scenes.star_list(seed, n_stars, turbulence_mas=TURBULENCE_MAS)
    solution, cpu = _timed(lambda: _solve(field, (40.0, -70.0), 0.1))
    residual = solution.residual_arcsec[:, solution.used] * 1e3
    star = solution.reference[solution.used]
    x, y = field.quiet[:, star]
    ours = np.array(projection.pixel_to_plane(solution.wcs, x, y)) - np.array(
        projection.gnomonic(field.ref[0][star], field.ref[1][star], *solution.wcs.crval_deg)
    )
    ours *= 3.6e6
    best = ours - _quartic(x, y, ours)
    ratio = np.sqrt(np.mean(ours**2, axis=1) / np.mean(best**2, axis=1))
    cell = 3 * np.clip(y * 3 // scenes.SHAPE[0], 0, 2) + np.clip(x * 3 // scenes.SHAPE[1], 0, 2)
    worst, floor = (max(np.abs(v[:, cell == k].mean(axis=1)).max() for k in range(9)) for v in (ours, best))
    return float(np.sqrt(np.mean(residual**2))), float(ratio.max()), float(worst), float(floor), cpu


def _quartic(x: np.ndarray, y: np.ndarray, values: np.ndarray) -> np.ndarray:
    u, v = (x - CENTRE[0]) / 1540, (y - CENTRE[1]) / 1540
    design = np.stack([u**p * v**q for p in range(5) for q in range(5 - p)], axis=1)
    return (design @ np.linalg.lstsq(design, values.T, rcond=None)[0]).T


def _solved_from_afar(seed: int, n_stars: int) -> bool:
    random = np.random.default_rng(1000 + seed)
    field = scenes.star_list(seed, n_stars, turbulence_mas=TURBULENCE_MAS)
    angle = random.uniform(0, 2 * np.pi)
    solution = _solve(field, (180 * np.cos(angle), 180 * np.sin(angle)), random.uniform(-0.5, 0.5))
    return bool(solution.solved and np.mean(field.star[solution.detection] == solution.reference) > 0.98)


def _solve(field: scenes.StarList, offset_arcsec: tuple[float, float], rotation_deg: float) -> Solution:
    """From a prior without distortion, off by the offset and rotation."""
    c, s = np.cos(np.radians(rotation_deg)), np.sin(np.radians(rotation_deg))
    wrong = field.crval + np.array([offset_arcsec[0] / np.cos(np.radians(field.crval[1])), offset_arcsec[1]]) / 3600
    prior = TpvWcs(wrong, CENTRE, np.array([[c, -s], [s, c]]) @ field.cd, undistorted_pv())
    return solve(Detections(*field.det), References(*field.ref), prior, scenes.SHAPE)


def rays() -> list[Row]:
    """Cosmic rays by amplitude, and star cores touched, at three widths of the PSF."""
    out = []
    for fwhm in (1.5, 2.1, 3.0):
        found: dict[str, list[bool]] = {"10 to 15": [], "15 to 30": [], "above 30": []}
        touched, cpu = [], []
        filters = ray_filters(moffat_stamps(fwhm))
        for seed in range(2):
            scene = scenes.pixels(seed, 30000, 300, fwhm)
            excluded = binary_dilation(scene.saturated, iterations=3)
            mask, seconds = _timed(
                lambda s=scene, e=excluded, f=filters: find_rays(s.residual, s.noise, scenes.GAIN, e, f)
            )
            _count_rays(scene, mask, excluded, found)
            touched.append(_touched(scene, mask))
            cpu.append(seconds)
        every = np.concatenate(list(found.values()))
        name = f"cosmic rays, FWHM {fwhm} px"
        out.append(_row(f"{name}: found above 10 sigma", every.mean(), "", ">= 0.95", every.mean() >= 0.95))
        out += [_row(f"{name}: found {key} sigma", np.mean(hits), "", "", None) for key, hits in found.items()]
        out.append(_row(f"{name}: star cores touched", np.mean(touched), "", "<= 0.001", np.mean(touched) <= 0.001))
        out.append(_row(f"{name}: search", min(cpu), "CPU s", "<= 0.55", min(cpu) <= 0.55))
    return out


def _count_rays(scene: scenes.Pixels, mask: np.ndarray, excluded: np.ndarray, found: dict[str, list[bool]]) -> None:
    """Whether the brightest pixel of each ray is marked, by its amplitude in units of the noise."""
    owner, light = scene.owner.ravel(), (scene.rays / scene.noise).ravel()
    lit = np.flatnonzero(owner >= 0)
    lit = lit[np.argsort(owner[lit], kind="stable")]
    for ray in np.split(lit, np.flatnonzero(np.diff(owner[lit])) + 1):
        peak = ray[np.argmax(light[ray])]
        if light[peak] <= 10 or excluded.flat[peak]:
            continue
        key = "10 to 15" if light[peak] <= 15 else "15 to 30" if light[peak] <= 30 else "above 30"
        found[key].append(bool(mask.flat[peak]))


def _touched(scene: scenes.Pixels, mask: np.ndarray) -> float:
    """Fraction of stars with a marked pixel within a pixel of their centre that no ray lit."""
    false = mask & ~binary_dilation(scene.rays > 0.5 * scene.noise)
    near = binary_dilation(false, np.ones((3, 3)))
    return float(near[np.round(scene.y).astype(int), np.round(scene.x).astype(int)].mean())


def tracks() -> list[Row]:
    """Tracks of all brightnesses and widths, crossing and partial, in sparse and dense fields."""
    out = []
    for name, n_stars in (("sparse", 5000), ("dense", 30000)):
        scene = scenes.pixels(7, n_stars, 150, 2.1)
        excluded = binary_dilation(scene.saturated, iterations=3)
        none, cpu_none = _timed(lambda s=scene, e=excluded: find_tracks(s.residual, s.noise, e))
        random = np.random.default_rng(11)
        covered, pixels, cpu = 0, 0, []
        for k in range(12):
            light = scenes.track(random, k % 2 == 0, 10 ** random.uniform(0.0, 2.0), random.choice([0.9, 1.5, 6.0]))
            image = scene.residual + light * scene.noise
            found, seconds = _timed(lambda i=image, s=scene, e=excluded: find_tracks(i, s.noise, e))
            true = light > 0.5
            covered += int(np.sum(track_mask(scenes.SHAPE, found) & true))
            pixels += int(np.sum(true))
            cpu.append(seconds)
        share = covered / pixels
        out += [
            _row(f"tracks, {name}: pixels above half the noise", share, "", ">= 0.98", share >= 0.98),
            _row(f"tracks, {name}: false, no track there", len(none), "", "0", not none),
            _row(f"tracks, {name}: search, none there", cpu_none, "CPU s", "<= 0.5", cpu_none <= 0.5),
            _row(f"tracks, {name}: search, one there", np.median(cpu), "CPU s", "<= 0.5", np.median(cpu) <= 0.5),
        ]
    return out


def background() -> list[Row]:
    """Bias of the sky in units of the noise: 0.025 is 2 mmag at S/N 50."""
    out = []
    for n_stars in (5000, 30000):
        scene = scenes.pixels(3, n_stars, 150, 2.1)
        excluded = binary_dilation(scene.saturated, iterations=3)
        found, cpu = _timed(lambda s=scene, e=excluded: estimate(s.residual, e))
        bias = float(np.mean(found.level / scene.noise))
        noise = found.scatter / float(scene.noise[0, 0]) - 1
        out += [
            _row(f"background, {n_stars} stars: bias over noise", bias, "", "<= 0.025", abs(bias) <= 0.025),
            _row(f"background, {n_stars} stars: error of the noise", noise, "", "<= 0.02", abs(noise) <= 0.02),
            _row(f"background, {n_stars} stars", cpu, "CPU s", "", None),
        ]
    return out


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Result and CPU seconds of a second call: the first compiles and touches memory."""
    call()
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def _row(name: str, value: float, unit: str, bar: str, met: bool | None) -> Row:
    return row(name, float(value), bar=bar, met=met, unit=unit)


if __name__ == "__main__":
    for one in rows():
        print(f"{one['name']:60s} {one['value']:<10g} {one['unit']:6s} {one['bar']:10s} {one['met']}")
