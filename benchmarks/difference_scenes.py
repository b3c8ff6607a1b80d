"""Two epochs of one sky on one grid of pixels, with planted transients: all that differencing asks for, and the truth.

The simulator draws stars and galaxies through two PSFs that vary over the quadrant; between the epochs the stars are
displaced by a smooth field of turbulence and each by a little of its own, the air is less clear, the sky brighter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter, map_coordinates

from ztfpipe.methods.stars.detection import detect
from ztfpipe.methods.stars.detection import gaussian_filter as round_filter
from ztfpipe.methods.stars.photometry import find_and_fit
from ztfpipe.methods.stars.psf_fit import fit_psf
from ztfpipe.model.difference import Exposed
from ztfpipe.model.stars import FittedStars
from ztfpipe.simulate.pixels.render import add_sources
from ztfpipe.simulate.pixels.render_galaxies import add_galaxies
from ztfpipe.simulate.scene import Galaxies, PsfField

SHAPE = (3080, 3072)
GAIN_E_PER_ADU, READ_NOISE_E, ZERO_POINT_MAG = 6.2, 10.0, 26.3
SATURATION_ADU = 45_000.0
Floats = NDArray[np.float64]
NOTHING = (np.empty(0), np.empty(0), np.empty(0))


@dataclass(frozen=True)
class Epoch:
    """How one image is taken: seeing [px], sky [DN / px], transparency, how many exposures were averaged."""

    fwhm_px: float
    sky_adu: float
    transparency: float = 1.0
    exposures: int = 1
    ellipticity: float = 0.02
    variation: float = 0.05


@dataclass(frozen=True)
class Sky:
    """Sources of the field: positions [px] and fluxes [DN through clear air]; galaxies with their shapes."""

    x_px: Floats
    y_px: Floats
    flux_adu: Floats
    galaxies: Galaxies


@dataclass(frozen=True)
class Taken:
    """An epoch as measured: the image, its catalog, and what was true: expected light [DN], sky variance [DN^2]."""

    exposed: Exposed
    stars: FittedStars
    light_adu: NDArray[np.float32]
    variance_adu2: float
    psf: PsfField


def make_sky(rng: np.random.Generator, count: int, shape: tuple[int, int] = SHAPE) -> Sky:
    """A field of `count` stars brighter than magnitude 20.7 and as many fainter as there are; a galaxy to 12 stars."""
    total, bright, faint = int(count * 10 ** (0.3 * 1.6)), 13.5, 22.3
    low = 10 ** (-0.3 * (faint - bright))
    mag = faint + np.log10(low + rng.uniform(size=total) * (1 - low)) / 0.3
    ny, nx = shape
    n = count // 12
    flux = 10 ** (-0.4 * (rng.uniform(17.0, 21.0, n) - ZERO_POINT_MAG)) * GAIN_E_PER_ADU
    galaxies = Galaxies(
        rng.uniform(0, nx - 1, n), rng.uniform(0, ny - 1, n), flux, rng.uniform(1.0, 4.0, n), rng.uniform(0.3, 1, n),
        rng.uniform(0, 180, n), rng.choice([1.0, 4.0], n),
    )  # fmt: skip
    x, y = rng.uniform(-5, nx + 4, total), rng.uniform(-5, ny + 4, total)
    return Sky(x, y, 10 ** (-0.4 * (mag - ZERO_POINT_MAG)), galaxies)


def psf_of(epoch: Epoch, rng: np.random.Generator) -> PsfField:
    """A PSF that changes by `variation` over the quadrant, in a direction of its own."""

    def varying(size: float) -> Floats:
        return size * rng.uniform(-1, 1, 6)

    zero = np.zeros(6)
    zero[0] = 1.0
    v = epoch.variation
    return PsfField(
        epoch.fwhm_px * (zero + varying(v / 2)), epoch.ellipticity * zero + varying(v / 2), varying(v / 2),
        varying(v), varying(v), 3.0, 0.04, 4 * epoch.fwhm_px,
    )  # fmt: skip


def turbulence(rng: np.random.Generator, rms_px: float, shape: tuple[int, int], scale_px: float = 240.0) -> tuple:
    """Functions of position (x, y) [px]: displacement along x and along y, of a Gaussian field."""
    step = 32
    grids = []
    for _ in range(2):
        grid = gaussian_filter(rng.standard_normal([n // step + 60 for n in shape]), scale_px / step)
        grids.append(grid * (rms_px / grid.std()))
    return tuple(
        lambda x, y, grid=grid: map_coordinates(grid, [np.asarray(y) / step + 30, np.asarray(x) / step + 30], order=3)
        for grid in grids
    )


def light_of(sky: Sky, epoch: Epoch, psf: PsfField, shift, extra, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Expected light [DN] of stars, galaxies and `extra` point sources (x, y, flux)."""
    light = np.zeros(shape, np.float32)
    noise_e = 0.3 * np.sqrt(epoch.sky_adu * GAIN_E_PER_ADU)
    x, y, flux = (np.concatenate([a, b]) for a, b in zip((sky.x_px, sky.y_px, sky.flux_adu), extra, strict=True))
    dx, dy = shift
    add_sources(light, x + dx(x, y), y + dy(x, y), flux * GAIN_E_PER_ADU, psf, noise_e)
    galaxies = sky.galaxies
    moved = replace(galaxies, x_px=galaxies.x_px + dx(galaxies.x_px, galaxies.y_px),
                    y_px=galaxies.y_px + dy(galaxies.x_px, galaxies.y_px))  # fmt: skip
    add_galaxies(light, moved, psf, noise_e)
    return light * np.float32(epoch.transparency / GAIN_E_PER_ADU)


def take(
    sky: Sky, epoch: Epoch, rng: np.random.Generator, shift, extra=NOTHING, shape: tuple[int, int] = SHAPE
) -> Taken:
    """Expose, and measure the PSF and the catalog as the science pipeline does."""
    psf = psf_of(epoch, rng)
    light = light_of(sky, epoch, psf, shift, extra, shape)
    electrons = rng.poisson((light + epoch.sky_adu) * (GAIN_E_PER_ADU * epoch.exposures)).astype(np.float32)
    electrons += rng.standard_normal(shape, np.float32) * np.float32(READ_NOISE_E * np.sqrt(epoch.exposures))
    gain = GAIN_E_PER_ADU * epoch.exposures
    image = electrons / np.float32(gain) - np.float32(epoch.sky_adu)
    variance = (epoch.sky_adu + READ_NOISE_E**2 / GAIN_E_PER_ADU) / gain
    bad = binary_dilation(light > SATURATION_ADU, iterations=2)
    weight = np.where(bad, 0, 1 / variance).astype(np.float32)
    found = detect(image, weight, round_filter(epoch.fwhm_px * 1.05), threshold=5)
    model = fit_psf(image, weight, found, gain_e_per_adu=gain, fwhm_px=epoch.fwhm_px)
    stars, _, background = find_and_fit(image, weight, model, gain_e_per_adu=gain)
    image = image - background
    noise = np.float32(variance) + np.maximum(image, 0) / np.float32(gain)
    return Taken(Exposed(image, noise, bad, model), stars, light, variance, psf)
