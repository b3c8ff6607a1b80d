"""Light of point sources through two families of PSFs: one to train on, another to be judged by.

`moffat`: the synthetic camera's skewed elliptical Moffat functions that vary over the image. `kolmogorov`: turbulence
by its transfer function exp(-3.44 (lambda f / r0)^(5/3)) (Fried 1966), with an ellipse, coma and trefoil as a phase,
and the pixel's square; the same everywhere. They share no code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ztfpipe.simulate.pixels.render import add_sources
from ztfpipe.simulate.scene import PsfField

Floats = NDArray[np.float64]
Draw = Callable[[Floats, Floats, Floats], NDArray[np.float32]]
"""Light of sources at x, y [px] of these fluxes, on the image."""
_FINE = 2
"""Pixels of the grid on which transfer functions are applied, per pixel and axis."""
_SPOT_PX, _REACH = 1.2, 8
"""Sigma of the Gaussians that sources are put down as, and half their side, in fine pixels."""
_MARGIN_PX = 32


def moffat(rng: np.random.Generator, fwhm_px: float, shape: tuple[int, int], noise: float) -> Draw:
    """A PSF of the synthetic camera's family. noise: of the sky in a pixel, in the unit of the fluxes."""
    one = np.zeros(6)
    one[0] = 1.0

    def varying(size: float) -> Floats:
        return size * rng.uniform(-1, 1, 6)

    psf = PsfField(
        fwhm_px * (one + varying(0.02)), varying(0.04), varying(0.04), varying(0.06), varying(0.06),
        rng.uniform(2.6, 3.6), rng.uniform(0.02, 0.06), 4 * fwhm_px,
    )  # fmt: skip

    def draw(x: Floats, y: Floats, flux: Floats) -> NDArray[np.float32]:
        light = np.zeros(shape, np.float32)
        add_sources(light, x, y, flux, psf, 0.3 * noise)
        return light

    return draw


def kolmogorov(rng: np.random.Generator, fwhm_px: float, shape: tuple[int, int], noise: float) -> Draw:
    """A PSF of the atmosphere. noise: not needed, there are no stamps to end."""
    size = [fft.next_fast_len(_FINE * (n + 2 * _MARGIN_PX), real=True) for n in shape]
    fy, fx = fft.fftfreq(size[0])[:, None] * _FINE, fft.rfftfreq(size[1])[None] * _FINE  # cycles per pixel
    e1, e2, coma_x, coma_y, trefoil = rng.uniform(-1, 1, 5) * (0.05, 0.05, 0.35, 0.35, 0.35)
    stretched = np.hypot((1 + e1) * fx + e2 * fy, (1 - e1) * fy + e2 * fx)
    # FWHM of Kolmogorov's PSF is 0.976 lambda / r0.
    modulus = np.exp(-3.44 * (stretched * fwhm_px / 0.976) ** (5 / 3)) * np.sinc(fx) * np.sinc(fy)
    cubic = (coma_x * fx + coma_y * fy) * (fx**2 + fy**2) + trefoil * (fx**3 - 3 * fx * fy**2)
    spot = np.exp(-2 * (np.pi * _SPOT_PX / _FINE) ** 2 * (fx**2 + fy**2))
    transfer = (modulus * np.exp(1j * cubic * fwhm_px**3) / spot).astype(np.complex64)

    def draw(x: Floats, y: Floats, flux: Floats) -> NDArray[np.float32]:
        grid = _spots(size, _FINE * (x + _MARGIN_PX), _FINE * (y + _MARGIN_PX), flux)
        light = fft.irfft2(fft.rfft2(grid) * transfer, size) * _FINE**2
        first = _FINE * _MARGIN_PX
        ends = [first + _FINE * n for n in shape]
        return np.ascontiguousarray(light[first : ends[0] : _FINE, first : ends[1] : _FINE])

    return draw


def _spots(size: list[int], x: Floats, y: Floats, flux: Floats) -> NDArray[np.float32]:
    """Gaussians of unit sum, sampled on the fine grid, times their flux; sources beyond the grid are left out."""
    inside = (x > _REACH) & (x < size[1] - _REACH - 1) & (y > _REACH) & (y < size[0] - _REACH - 1)
    x, y, flux = x[inside], y[inside], flux[inside]
    offset = np.arange(-_REACH, _REACH + 1)
    column, row = (np.rint(values).astype(int)[:, None] + offset for values in (x, y))
    along, up = (
        np.exp(-0.5 * ((at - values[:, None]) / _SPOT_PX) ** 2) / (_SPOT_PX * np.sqrt(2 * np.pi))
        for at, values in ((column, x), (row, y))
    )
    index = row[:, :, None] * size[1] + column[:, None, :]
    light = flux[:, None, None] * up[:, :, None] * along[:, None, :]
    return np.bincount(index.ravel(), light.ravel(), size[0] * size[1]).reshape(size).astype(np.float32)
