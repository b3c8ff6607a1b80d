"""The least error a position can have: Fisher matrix of a lone star's flux and place under the true PSF and noise.

The PSF and the noise are those of the synthetic camera, not of the pipeline: rendered light, its photons, those of the
sky and of the dark current, read noise and rounding.
"""

from __future__ import annotations

import numpy as np

from benchmarks.science_scenes import CCDID, Exposure
from ztfpipe.simulate.pixels.render import BROAD_BETA, moffat_scale, shapes_at
from ztfpipe.simulate.pixels.render_nb import add_sources

HALF_PX = 9
STEP_PX = 0.02


def position_errors_px(exposure: Exposure, x_px: np.ndarray, y_px: np.ndarray, flux_e: np.ndarray) -> np.ndarray:
    """(n, 2) least standard deviations of x and y [px] of stars of `flux_e` before vignetting, alone, flux unknown."""
    sky_e, light = _background_variance_e(exposure), float(np.median(exposure.throughput))
    out = np.empty((len(x_px), 2))
    for k, (x, y, flux) in enumerate(zip(x_px, y_px, np.asarray(flux_e) * light, strict=True)):
        here, left, right, below, above = (
            _unit_stamp(exposure, x, y, dx, dy)
            for dx, dy in ((0, 0), (-STEP_PX, 0), (STEP_PX, 0), (0, -STEP_PX), (0, STEP_PX))
        )
        slopes = np.stack([here, flux * (right - left) / (2 * STEP_PX), flux * (above - below) / (2 * STEP_PX)])
        fisher = np.einsum("aij,bij,ij->ab", slopes, slopes, 1 / (sky_e + flux * here))
        out[k] = np.sqrt(np.diag(np.linalg.inv(fisher))[1:])
    return out


def _unit_stamp(exposure: Exposure, x: float, y: float, dx: float, dy: float) -> np.ndarray:
    """Light of a star of unit flux at (x + dx, y + dy) on the pixels around (x, y)."""
    psf = exposure.scenes[exposure.qid].psf
    corner_x, corner_y = np.floor(x + 0.5) - HALF_PX, np.floor(y + 0.5) - HALF_PX
    stamp = np.zeros((2 * HALF_PX + 1, 2 * HALF_PX + 1), np.float32)
    place = np.array([x + dx - corner_x]), np.array([y + dy - corner_y])
    shapes = shapes_at(psf, np.array([x]), np.array([y]), exposure.camera.quadrant_shape)
    # A large flux keeps what single precision rounds far below the slopes.
    add_sources(stamp, *place, np.array([1.0]), shapes, psf.beta, np.array([2.0 * HALF_PX]))
    alpha = float(moffat_scale(np.float64(psf.halo_fwhm_px), BROAD_BETA))
    offset_x, offset_y = np.arange(2 * HALF_PX + 1) - place[0], np.arange(2 * HALF_PX + 1) - place[1]
    broad = (1 + (offset_x[None, :] ** 2 + offset_y[:, None] ** 2) / alpha**2) ** -BROAD_BETA
    broad *= (BROAD_BETA - 1) / (np.pi * alpha**2)
    return (1 - psf.halo_fraction) * stamp.astype(np.float64) + psf.halo_fraction * broad


def _background_variance_e(exposure: Exposure) -> float:
    """Variance of a pixel without a star [e-^2], at the quadrant's centre."""
    amplifier = exposure.camera.amplifier(CCDID, exposure.qid)
    sky = float(exposure.scenes[exposure.qid].sky.level_e[0]) * float(np.median(exposure.throughput))
    dark = exposure.plan.exptime_s * amplifier.dark_current_e_per_s
    return sky + dark + amplifier.read_noise_e**2 + amplifier.gain_e_per_adu**2 / 12
