"""Streaks on full-size differences of white noise: how many are found against length and S/N, and how well measured."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import row
from benchmarks.difference_scenes import SHAPE, Epoch, psf_of
from ztfpipe.methods.difference.streaks import find_streaks
from ztfpipe.methods.difference.zogy import subtract
from ztfpipe.methods.stars.detection import detect, gaussian_filter
from ztfpipe.methods.stars.psf_fit import fit_psf
from ztfpipe.model.difference import Exposed, Streaks
from ztfpipe.model.stars import PsfModel
from ztfpipe.simulate.pixels.render import add_sources

LENGTHS_PX = (10, 20, 40, 100, 300, 1000, 2500)
SNRS, IMAGES = (7.5, 10.0), 12
SIGMA_ADU, FWHM_PX = 6.0, 2.3
SEED = 101
"""None that was looked at while the method was made."""
Truth = list[tuple[NDArray[np.float64], float, float, float]]


def plant(rng: np.random.Generator, light: NDArray[np.float32], psf, length: float, snr: float) -> tuple:
    """Add a streak of this matched-filter S/N to an image of light; ends, length, S/N and flux."""
    ny, nx = light.shape
    while True:
        angle = rng.uniform(0, np.pi)
        start = rng.uniform(60, [nx - 60, ny - 60])
        stop = start + length * np.array([np.cos(angle), np.sin(angle)])
        if (stop > 60).all() and (stop < [nx - 60, ny - 60]).all():
            break
    f = (np.arange(int(2 * length)) + 0.5) / int(2 * length)
    x, y = (start[k] + f * (stop[k] - start[k]) for k in (0, 1))
    unit = np.zeros_like(light)
    add_sources(unit, x, y, np.full(len(f), 1e6 / len(f)), psf, 1.0)
    unit /= np.float32(1e6)
    flux = snr * SIGMA_ADU / np.sqrt(np.sum(np.square(unit, dtype=np.float64)))
    light += np.float32(flux) * unit
    return np.concatenate([start, stop]), length, snr, flux


def measured_psf(rng: np.random.Generator, psf) -> PsfModel:
    """The PSF as stars of an image tell it."""
    light = np.zeros(SHAPE, np.float32)
    grid = np.meshgrid(np.arange(60, SHAPE[1] - 60, 100.0), np.arange(60, SHAPE[0] - 60, 100.0))
    x, y = (axis.ravel() + rng.uniform(-5, 5, axis.size) for axis in grid)
    add_sources(light, x, y, np.full(x.size, 4e4), psf, SIGMA_ADU)
    image = light + rng.standard_normal(SHAPE, np.float32) * np.float32(SIGMA_ADU)
    weight = np.full(SHAPE, 1 / SIGMA_ADU**2, np.float32)
    found = detect(image, weight, gaussian_filter(FWHM_PX), threshold=8)
    return fit_psf(image, weight, found, gain_e_per_adu=1e6, fwhm_px=FWHM_PX)


def matches(found: Streaks, ends: NDArray[np.float64]) -> NDArray[np.intp]:
    """Which of the found lie along a true streak."""
    delta = ends[2:] - ends[:2]
    length = np.hypot(*delta)
    middle = np.stack([(found.x0_px + found.x1_px) / 2, (found.y0_px + found.y1_px) / 2], 1) - ends[:2]
    along, across = middle @ delta / length, np.abs(middle @ np.array([-delta[1], delta[0]])) / length
    return np.flatnonzero((along > -10) & (along < length + 10) & (across < 6))


def rows() -> list[dict[str, Any]]:
    """Recovery for each S/N, pulls of flux, false ones, time."""
    rng = np.random.default_rng(SEED)
    psf = psf_of(Epoch(FWHM_PX, 1.0), rng)
    model = measured_psf(rng, psf)
    none, deep = np.zeros(SHAPE, np.bool_), np.full(SHAPE, 1.0, np.float32)
    seen: dict[float, list[bool]] = {snr: [] for snr in SNRS}
    pulls, false, seconds = [], 0, 0.0
    for _ in range(IMAGES):
        light = np.zeros(SHAPE, np.float32)
        truth = [plant(rng, light, psf, length, snr) for length in LENGTHS_PX for snr in SNRS]
        noise = [rng.standard_normal(SHAPE, np.float32) for _ in range(2)]
        science = Exposed(
            light + noise[0] * np.float32(SIGMA_ADU), np.full(SHAPE, SIGMA_ADU**2, np.float32), none, model
        )
        difference = subtract(science, Exposed(noise[1], deep, none, model))
        started = time.process_time()
        found = find_streaks(difference)
        seconds += (time.process_time() - started) / IMAGES
        explained = np.zeros(len(found), np.bool_)
        for ends, length, snr, flux in truth:
            which = matches(found, ends)
            explained[which] = True
            seen[snr].append(len(which) > 0)
            if len(which) and snr == max(SNRS):
                # Others may cross it: the one of its length is meant.
                best = which[np.argmin(np.abs(np.log(found.length_px[which] / length)))]
                pulls.append((found.flux_adu[best] - flux) / found.sigma_flux_adu[best])
        false += int((~explained).sum())
    return [
        *(
            row(f"streaks found at total S/N {snr:g}, 10 to 2,500 px long", np.mean(seen[snr]), bar=f">= {bar}",
                met=np.mean(seen[snr]) >= bar, note=f"{len(seen[snr])} planted")
            for snr, bar in zip(SNRS, (0.5, 0.9), strict=True)
        ),
        row("streaks at S/N 10: width of flux pulls", float(np.std(pulls)), bar="", met=None,
            note=f"mean {np.mean(pulls):.2f}; the fit of the ends adds to both"),
        row("streaks in a quadrant that are none, white noise", false / IMAGES, bar="", met=None),
        row("streaks: processor time of a quadrant", seconds, bar="", met=None, unit="s"),
    ]  # fmt: skip
