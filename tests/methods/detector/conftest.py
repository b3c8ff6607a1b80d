"""Small crowded images with known stars and rays, rendered here and not by the code under test."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import erf

GAIN, READ_NOISE_E, SKY_E = 6.2, 10.0, 1500.0


@dataclass(frozen=True)
class Exposure:
    """Background-subtracted image and its noise [ADU]; true stars and the light of rays [ADU]."""

    residual: np.ndarray
    noise: np.ndarray
    x: np.ndarray
    y: np.ndarray
    rays: np.ndarray
    track_of_pixel: np.ndarray


def gaussian_star(shape, x, y, flux, fwhm_x, fwhm_y):
    """A star integrated over pixels: products of error functions."""
    root = np.sqrt(2) / 2.3548
    edges_x, edges_y = np.arange(shape[1] + 1) - 0.5 - x, np.arange(shape[0] + 1) - 0.5 - y
    profile_x = np.diff(erf(edges_x / (fwhm_x * root))) / 2
    profile_y = np.diff(erf(edges_y / (fwhm_y * root))) / 2
    return flux * np.outer(profile_y, profile_x)


def exposure(seed, *, size=600, n_stars=1200, n_rays=40, fwhm=2.0, ellipticity=0.0, ray_e_per_px=(400, 10000)):
    random = np.random.default_rng(seed)
    light = np.zeros((size, size))
    x, y = random.uniform(0, size - 1, (2, n_stars))
    flux = 10 ** random.uniform(2.3, 5.3, n_stars)
    for k in range(n_stars):
        half = 12
        x0, y0 = round(x[k]), round(y[k])
        ys, xs = slice(max(y0 - half, 0), y0 + half + 1), slice(max(x0 - half, 0), x0 + half + 1)
        light[ys, xs] += gaussian_star(
            light[ys, xs].shape, x[k] - xs.start, y[k] - ys.start, flux[k], fwhm * (1 + ellipticity), fwhm
        )
    rays, owner = np.zeros_like(light), np.full(light.shape, -1)
    for k in range(n_rays):
        length, angle = random.exponential(5.0) + 0.5, random.uniform(0, 2 * np.pi)
        charge = np.exp(random.uniform(*np.log(ray_e_per_px)))
        step = np.linspace(0, length, int(20 * length) + 1)
        column = np.round(random.uniform(10, size - 10) + step * np.cos(angle)).astype(int)
        row = np.round(random.uniform(10, size - 10) + step * np.sin(angle)).astype(int)
        inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
        np.add.at(rays, (row[inside], column[inside]), charge * max(length, 1) / step.size)
        owner[row[inside], column[inside]] = k
    counted = random.poisson(light + SKY_E) - SKY_E + random.normal(0, READ_NOISE_E, light.shape) + rays
    noise = np.full(light.shape, np.sqrt(SKY_E + READ_NOISE_E**2) / GAIN, np.float32)
    return Exposure((counted / GAIN).astype(np.float32), noise, x, y, rays / GAIN, owner)


def gaussian_stamps(fwhm, ellipticity=0.0, size=15):
    offsets = (np.arange(5) + 0.5) / 5 - 0.5
    middle = size // 2
    return np.array([
        gaussian_star((size, size), middle + dx, middle + dy, 1.0, fwhm * (1 + ellipticity), fwhm)
        for dy in offsets for dx in offsets
    ])  # fmt: skip


@pytest.fixture
def make_exposure():
    return exposure


@pytest.fixture
def make_stamps():
    return gaussian_stamps
