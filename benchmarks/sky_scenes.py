"""Full-size synthetic quadrants for the figures of sky and masks: pixels with known rays and tracks, and star lists.

Independent of the pipeline's methods and of the package's own simulator; projection by astropy.wcs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numba import njit

SHAPE = (3080, 3072)
GAIN, READ_NOISE_E, SKY_E, ZERO_POINT = 6.2, 10.0, 1500.0, 26.3
SATURATION_E = 55000 * GAIN
SCALE_ARCSEC = 1.0125
PV_INDICES = (0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16)


@njit
def add_moffats(image, x, y, flux, alpha, beta, wide_from=2e5):
    ny, nx = image.shape
    norm = (beta - 1) / (np.pi * alpha * alpha)
    for k in range(x.size):
        half = 12 if flux[k] < wide_from else 48
        x0, y0 = round(x[k]), round(y[k])
        for j in range(max(0, y0 - half), min(ny, y0 + half + 1)):
            for i in range(max(0, x0 - half), min(nx, x0 + half + 1)):
                fine = 5 if abs(j - y0) <= 3 and abs(i - x0) <= 3 else 1
                total = 0.0
                for b in range(fine):
                    for a in range(fine):
                        dx = i + (a + 0.5) / fine - 0.5 - x[k]
                        dy = j + (b + 0.5) / fine - 0.5 - y[k]
                        total += (1 + (dx * dx + dy * dy) / (alpha * alpha)) ** -beta
                image[j, i] += flux[k] * norm * total / (fine * fine)


@dataclass(frozen=True)
class Pixels:
    """Counts above the sky [ADU], their noise, saturated pixels; true stars, light of rays [ADU] and whose it is."""

    residual: np.ndarray
    noise: np.ndarray
    saturated: np.ndarray
    x: np.ndarray
    y: np.ndarray
    rays: np.ndarray
    owner: np.ndarray


def pixels(seed: int, n_stars: int, n_rays: int, fwhm_px: float) -> Pixels:
    """Moffat stars (beta 3) to 21st magnitude with steep counts, rays of 1 to 30 px, photon and read noise."""
    random = np.random.default_rng(seed)
    flux = 10 ** (-0.4 * (random.power(4.0, n_stars) * 8 + 13 - ZERO_POINT)) * GAIN
    x, y = random.uniform(0, SHAPE[1] - 1, n_stars), random.uniform(0, SHAPE[0] - 1, n_stars)
    light = np.zeros(SHAPE)
    add_moffats(light, x, y, flux, fwhm_px / 2 / np.sqrt(2 ** (1 / 3) - 1), 3.0)
    rays, owner = _rays(random, n_rays)
    counts = random.poisson(light + SKY_E) + rays + random.normal(0, READ_NOISE_E, SHAPE)
    residual = ((np.minimum(counts, SATURATION_E) - SKY_E) / GAIN).astype(np.float32)
    noise = np.full(SHAPE, np.sqrt(SKY_E + READ_NOISE_E**2) / GAIN, np.float32)
    return Pixels(residual, noise, counts >= SATURATION_E, x, y, rays / GAIN, owner)


def _rays(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Charge [e-] of straight rays with a diffusion of 0.18 px, and the number of the ray of each pixel (-1: none)."""
    out, owner = np.zeros(SHAPE), np.full(SHAPE, -1, np.int32)
    for k in range(n):
        length, angle = random.exponential(6.0) + 0.3, random.uniform(0, 2 * np.pi)
        charge = 10 ** random.uniform(2.3, 4.2)
        x, y = random.uniform(5, SHAPE[1] - 5), random.uniform(5, SHAPE[0] - 5)
        steps = max(int(length * 10), 10)
        along = np.linspace(0, length, steps)
        column = np.round(x + along * np.cos(angle) + random.normal(0, 0.18, steps)).astype(int)
        row = np.round(y + along * np.sin(angle) + random.normal(0, 0.18, steps)).astype(int)
        inside = (column >= 0) & (row >= 0) & (column < SHAPE[1]) & (row < SHAPE[0])
        np.add.at(out, (row[inside], column[inside]), charge * max(length, 1) / steps)
        owner[row[inside], column[inside]] = k
    return out, owner


def track(random: np.random.Generator, crossing: bool, peak_sigma: float, width_px: float) -> np.ndarray:
    """Light of a straight track in units of the noise: across the quadrant, or 300 to 1500 px of it."""
    angle = random.uniform(0, np.pi)
    x0, y0 = random.uniform(300, 2700, 2)
    half = 6000.0 if crossing else random.uniform(150, 750)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    along = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    across = (x - x0) * np.sin(angle) - (y - y0) * np.cos(angle)
    return (peak_sigma * np.exp(-0.5 * (across / width_px) ** 2) * (np.abs(along) <= half)).astype(np.float32)


@dataclass(frozen=True)
class StarList:
    """Detections and catalog stars of one field with the true projection.

    det: x, y, error [px] and flux; ref: ra, dec [deg], error [mas], magnitude; star: row of ref of each detection, -1
    for a false one; quiet: (2, n_ref) where a noiseless camera under this turbulence sees the stars [px].
    """

    det: tuple[np.ndarray, ...]
    ref: tuple[np.ndarray, ...]
    star: np.ndarray
    quiet: np.ndarray
    crval: np.ndarray
    cd: np.ndarray
    pv: np.ndarray


def star_list(seed: int, n_stars: int, turbulence_mas: float) -> StarList:
    """Catalog of 12 <= G <= 18 with a 2' border; centroid errors grow to 0.1 px; a fifth missing, a fifth false."""
    random = np.random.default_rng(seed)
    pv = np.zeros((2, 15))
    pv[:, 1] = 1.0
    pv[:, 3:] = random.normal(0, [3e-4] * 3 + [5e-4] * 4 + [1e-3] * 5, (2, 12))
    crval, cd = np.array([210.0, 35.0]), SCALE_ARCSEC / 3600 * np.array([[-1.0, -0.027], [0.0277, -1.0]])
    x, y = random.uniform(-118, SHAPE[1] + 118, n_stars), random.uniform(-118, SHAPE[0] + 118, n_stars)
    mag = 12 + 6 * random.power(2.5, n_stars)
    ra, dec = projection(crval, cd, pv).all_pix2world(x, y, 0)
    quiet = np.stack([x, y]) + _turbulence(random, x, y, turbulence_mas / 1e3 / SCALE_ARCSEC)
    seen = np.flatnonzero((x > 0) & (x < SHAPE[1] - 1) & (y > 0) & (y < SHAPE[0] - 1) & (random.random(n_stars) > 0.2))
    n_false = seen.size // 5
    error = np.concatenate([0.004 + 0.1 * 10 ** (0.4 * (mag[seen] - 20)), np.full(n_false, 0.1)])
    place = np.concatenate([quiet[:, seen], random.uniform(0, 3070, (2, n_false))], axis=1)
    place += random.normal(0, 1, place.shape) * error
    light = np.concatenate([mag[seen] + random.normal(0, 0.3, seen.size), random.uniform(12, 18, n_false)])
    star = np.concatenate([seen, np.full(n_false, -1)])
    return StarList(
        (place[0], place[1], error, 10 ** (-0.4 * (light - ZERO_POINT))),
        (ra, dec, np.full(n_stars, 0.3), mag), star, quiet, crval, cd, pv,
    )  # fmt: skip


def _turbulence(random: np.random.Generator, x: np.ndarray, y: np.ndarray, rms_px: float) -> np.ndarray:
    """Smooth displacement (2, n) of given rms per axis, Gaussian correlation over 4' (237 px), by sixty waves."""
    wave_x, wave_y = random.normal(0, 1 / 237, (2, 2, 60, 1))
    phase = random.uniform(0, 2 * np.pi, (2, 60, 1))
    return rms_px * np.sqrt(2 / 60) * np.sin(wave_x * x + wave_y * y + phase).sum(axis=1)


def projection(crval: np.ndarray, cd: np.ndarray, pv: np.ndarray) -> WCS:
    """The TPV projection by astropy, reference point at the centre of the quadrant."""
    out = WCS(naxis=2)
    out.wcs.ctype, out.wcs.cunit = ["RA---TPV", "DEC--TPV"], ["deg", "deg"]
    out.wcs.crval, out.wcs.crpix, out.wcs.cd = crval, [1536.5, 1540.5], cd
    out.wcs.set_pv([(axis + 1, m, pv[axis, k]) for axis in range(2) for k, m in enumerate(PV_INDICES)])
    out.wcs.set()
    return out
