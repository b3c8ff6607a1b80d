"""The least errors a star's flux and place can have: Fisher matrix of a lone star under the true PSF and noise.

PSF and noise are those of the synthetic camera, not of the pipeline: rendered light, its photons, those of the sky and
of the dark current, read noise and rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.science_scenes import Exposure
from ztfpipe.simulate.pixels.render import BROAD_BETA, moffat_scale, shapes_at
from ztfpipe.simulate.pixels.render_nb import add_sources

HALF_PX = 9
"""Half-width of the stamps; the light beyond adds nothing to what is known of flux and place."""
STEP_PX = 0.02
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """Least errors of stars, each (n,): of the flux relative to itself, of x and of y [px], all three being unknown;
    snr: flux over its error at a known place, the matched filter's."""

    relative_flux: Floats
    x_px: Floats
    y_px: Floats
    snr: Floats


def bounds(exposure: Exposure, x_px: Floats, y_px: Floats, flux_e: Floats) -> Bounds:
    """Cramer-Rao bounds of lone stars at pixels (x, y) that give flux_e photo-electrons before vignetting."""
    light = float(np.median(exposure.throughput))
    background_e2 = _background_variance_e2(exposure, light)
    out = np.empty((4, len(x_px)))
    for k, (x, y, flux) in enumerate(zip(x_px, y_px, np.asarray(flux_e) * light, strict=True)):
        here, left, right, below, above = _unit_stamps(exposure, x, y)
        slopes = np.stack([here, flux * (right - left) / (2 * STEP_PX), flux * (above - below) / (2 * STEP_PX)])
        fisher = np.einsum("aij,bij,ij->ab", slopes, slopes, 1 / (background_e2 + flux * here))
        errors = np.sqrt(np.diag(np.linalg.inv(fisher)))
        out[:, k] = errors[0] / flux, errors[1], errors[2], flux * np.sqrt(fisher[0, 0])
    return Bounds(*out)


def _unit_stamps(exposure: Exposure, x: float, y: float) -> list[Floats]:
    """Light of a star of unit flux at (x, y) and a step to the left, right, down and up of it, on the same pixels."""
    psf = exposure.scenes[exposure.qid].psf
    shapes = shapes_at(psf, np.array([x]), np.array([y]), exposure.camera.quadrant_shape)
    alpha = float(moffat_scale(np.float64(psf.halo_fwhm_px), BROAD_BETA))
    size = 2 * HALF_PX + 1
    x0, y0 = x - np.floor(x + 0.5) + HALF_PX, y - np.floor(y + 0.5) + HALF_PX
    stamps = []
    for dx, dy in ((0, 0), (-STEP_PX, 0), (STEP_PX, 0), (0, -STEP_PX), (0, STEP_PX)):
        core, at_x, at_y = np.zeros((size, size), np.float32), np.array([x0 + dx]), np.array([y0 + dy])
        add_sources(core, at_x, at_y, np.ones(1), shapes, psf.beta, np.array([2.0 * HALF_PX]))
        r2 = (np.arange(size) - at_x)[None, :] ** 2 + (np.arange(size) - at_y)[:, None] ** 2
        broad = (BROAD_BETA - 1) / (np.pi * alpha**2) * (1 + r2 / alpha**2) ** -BROAD_BETA
        stamps.append((1 - psf.halo_fraction) * core.astype(np.float64) + psf.halo_fraction * broad)
    return stamps


def _background_variance_e2(exposure: Exposure, light: float) -> float:
    """Variance of a pixel without a star [e-^2] at the quadrant's centre."""
    amplifier = exposure.camera.amplifier(exposure.ccdid, exposure.qid)
    sky = float(exposure.scenes[exposure.qid].sky.level_e[0]) * light
    dark = exposure.plan.exptime_s * amplifier.dark_current_e_per_s
    return sky + dark + amplifier.read_noise_e**2 + amplifier.gain_e_per_adu**2 / 12
