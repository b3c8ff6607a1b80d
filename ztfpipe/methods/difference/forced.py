"""Forced photometry: the flux of a PSF at a given place on a difference image, whether anything is seen there or not.

With white noise of one size the best linear estimate is F = sum(P D) / sum(P^2) over the good pixels (system paper 3.6;
the survey's own service does the same); the background of a difference is nought.
"""

from __future__ import annotations

import math

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from ztfpipe.methods.stars.psf import stamps
from ztfpipe.methods.statistics import robust
from ztfpipe.model.alerts import ForcedFlux
from ztfpipe.model.difference import DifferencePsf

SIZE_PX = 41
"""Side of the square that a fit wants: the PSF in its middle, and the noise around it to 2 % from the rest."""
APERTURE_PX = 9.0
"""Diameter of the aperture of the survey's forced photometry."""
_LEAST_GOOD = 0.5
_UNTOUCHED = 1.0 - 1e-6

Image = NDArray[np.float32]


def forced_flux(
    square: Image, psf: Image, dx_px: float, dy_px: float, *, gain_e_per_adu: float, fwhm_px: float, radius_fwhm: float
) -> ForcedFlux:
    """Fit a PSF at a fixed place.

    square: float32 (n, n), difference image [DN], NaN where masked or beyond the edge; the place lies at its middle
    pixel plus (dx, dy), within half a pixel. psf: (m, m), odd, that of a source there (`psf_at`).
    gain_e_per_adu: for the photons of the source itself. radius_fwhm: of the pixels fitted, in FWHM.

    Its uncertainty is that of the noise about it and of its own photons. Warnings: `masked` where less than half of the
    PSF's weight is on good pixels, and nothing is measured; `partly masked` where some of it is.
    """
    middle, half = len(square) // 2, len(psf) // 2
    y, x = np.indices(psf.shape) - half
    shape = np.where(np.hypot(x - dx_px, y - dy_px) <= radius_fwhm * fwhm_px, psf.astype(np.float64), 0.0)
    data = square[middle - half : middle + half + 1, middle - half : middle + half + 1].astype(np.float64)
    good = np.isfinite(data)
    whole, used = np.sum(shape**2), np.sum(shape[good] ** 2)
    noise = surrounding_noise(square, dx_px, dy_px, radius_fwhm * fwhm_px)
    if not used >= _LEAST_GOOD * whole or not noise > 0:
        return ForcedFlux(*[math.nan] * 6, warnings=("masked",))
    flux = float(np.sum(shape[good] * data[good]) / used)
    photons = max(flux, 0.0) / gain_e_per_adu * np.sum(np.abs(shape[good]) ** 3) / used**2
    sigma = math.sqrt(noise**2 / used + photons)
    fitted = good & (shape > 0)
    variance = noise**2 + max(flux, 0.0) * shape[fitted] / gain_e_per_adu
    chi2 = float(np.mean((data[fitted] - flux * shape[fitted]) ** 2 / variance))
    total, error = _aperture(square, middle + dx_px, middle + dy_px, noise, flux / gain_e_per_adu)
    inside, _ = _aperture(psf, half + dx_px, half + dy_px, 0.0, 0.0)
    warnings = () if used >= _UNTOUCHED * whole else ("partly masked",)
    return ForcedFlux(flux, sigma, chi2, total / inside, error / inside, 1 / inside, warnings)


def psf_at(psf: DifferencePsf, x_px: float, y_px: float) -> Image:
    """The PSF (n, n) of a source at a place, on the pixels around the one that holds it.

    The pixels of a tile were made by one filter, and the science PSF is known between the pixels: what a source looks
    like there follows exactly, across the border of a tile too. That of the middle alone must do, shifted, where
    nothing else is known.
    """
    column, row = (int(np.floor(v + 0.5)) for v in (x_px, y_px))
    if psf.science is None or psf.filters is None or psf.tiling is None:
        return shifted(psf.middle, x_px - column, y_px - row).astype(np.float32)
    half = psf.science.radius_px
    seen = stamps(psf.science, np.array([x_px]), np.array([y_px]), half)[0]
    x, y = np.meshgrid(np.arange(column - half, column + half + 1), np.arange(row - half, row + half + 1))
    tile = psf.tiling.index(x, y)
    out = np.empty_like(seen)
    for number in np.unique(tile):
        here = tile == number
        out[here] = fftconvolve(seen, psf.filters[number], mode="same")[here]
    return out


def shifted(psf: Image, dx_px: float, dy_px: float) -> NDArray[np.float64]:
    """A PSF for a source (dx, dy) from the middle pixel's centre, by a shift of its transform's phases."""
    ny, nx = psf.shape
    phase = np.exp(-2j * np.pi * (dy_px * np.fft.fftfreq(ny)[:, None] + dx_px * np.fft.rfftfreq(nx)[None, :]))
    return np.fft.irfft2(np.fft.rfft2(psf.astype(np.float64)) * phase, s=(ny, nx))


def surrounding_noise(square: Image, dx_px: float, dy_px: float, radius_px: float) -> float:
    """Robust scatter of the good pixels farther than `radius_px` from the place; NaN with fewer than thirty."""
    y, x = np.indices(square.shape) - len(square) // 2
    used = np.isfinite(square) & (np.hypot(x - dx_px, y - dy_px) > radius_px)
    if np.count_nonzero(used) < 30:
        return math.nan
    return float(robust(square[used]).sigma)


def _aperture(square: Image, x: float, y: float, noise: float, photons: float) -> tuple[float, float]:
    bad = ~np.isfinite(square)
    total, error, _ = sep.sum_circle(
        np.where(bad, np.float32(0), square), [x], [y], APERTURE_PX / 2, err=noise, mask=bad, subpix=5
    )
    return float(total[0]), math.hypot(float(error[0]), math.sqrt(max(photons, 0.0)))
