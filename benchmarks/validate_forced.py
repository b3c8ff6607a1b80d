"""Forced photometry on a real ZOGY difference of two drawn epochs: pulls of sources of any brightness, and of none.

Places lie on sky without a star that shows; the PSF varies over the image, and the fit knows that of each tile, as the
product has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from benchmarks.accuracy import row
from benchmarks.difference_pairs import subtract_taken
from benchmarks.difference_scenes import GAIN_E_PER_ADU, make_sky, take, turbulence
from benchmarks.validate_difference import REFERENCE, RESIDUAL_PX, SCIENCE, _flux_of, _share_in_stamp
from ztfpipe.config import Alerts
from ztfpipe.methods.difference.forced import SIZE_PX, forced_flux, psf_at
from ztfpipe.model.difference import DifferencePsf

SHAPE, STARS, SEED = (1540, 1536), 1250, 211
SNR = (0.0, 3.0, 10.0, 50.0, 300.0)
PER_SNR, APART_PX, FROM_STARS_PX = 260, 26.0, 14.0


def rows() -> list[dict[str, Any]]:
    """Mean and width of the pulls at each brightness; sources that fade are those of the reference, and not here."""
    rng = np.random.default_rng(SEED)
    sky = make_sky(rng, STARS, SHAPE)
    x, y = _places(rng, sky)
    aimed = np.resize(SNR, x.size)
    flux = np.where(aimed > 0, _flux_of(np.maximum(aimed, 1.0)), 0.0)
    still = (lambda x, y: 0 * np.asarray(x),) * 2
    moved = turbulence(rng, RESIDUAL_PX, SHAPE)
    science = take(sky, SCIENCE, rng, moved, (x, y, flux / SCIENCE.transparency), SHAPE)
    reference = take(sky, REFERENCE, rng, still, shape=SHAPE)
    made = subtract_taken(science, reference).difference
    image = np.where(made.bad, np.float32(np.nan), made.image_adu)
    psf = DifferencePsf(made.psf[len(made.psf) // 2], made.science_psf, made.filters, made.tiling)
    share, radius = _share_in_stamp(sky, science), Alerts().forced_radius_fwhm
    # The service knows where the source is on the sky; registration's rest, and turbulence, are in the pulls.
    pulls = np.array([_pull(image, psf, *one, made.fwhm_px, radius) for one in zip(x, y, flux * share, strict=True)])
    return [line for snr in SNR for line in _lines(snr, pulls[aimed == snr])]


def _lines(snr: float, pulls: np.ndarray) -> list[dict[str, Any]]:
    known = pulls[np.isfinite(pulls)]
    name = f"forced photometry on a difference, S/N {snr:g}"
    mean, width = float(known.mean()), float(np.std(known))
    # Three times what a mean of so many pulls scatters by.
    slack = 3 / np.sqrt(known.size)
    bars = (f"|mean| <= {slack:.2f}", "0.9 to 1.1")
    note = f"{known.size} places of {pulls.size}, the others masked; the width is known to {0.71 / known.size**0.5:.2f}"
    return [
        row(f"{name}: mean of the pulls", mean, unit="sigma", bar=bars[0], met=abs(mean) <= slack, note=note),
        row(f"{name}: their width", width, unit="sigma", bar=bars[1], met=abs(width - 1) <= 0.1),
    ]


def _pull(
    image: np.ndarray, psf: DifferencePsf, x: float, y: float, truth: float, fwhm_px: float, radius: float
) -> float:
    column, line, half = int(np.floor(x + 0.5)), int(np.floor(y + 0.5)), SIZE_PX // 2
    square = image[line - half : line + half + 1, column - half : column + half + 1]
    found = forced_flux(
        square,
        psf_at(psf, x, y),
        x - column,
        y - line,
        gain_e_per_adu=GAIN_E_PER_ADU,
        fwhm_px=fwhm_px,
        radius_fwhm=radius,
    )
    return (found.flux_adu - truth) / found.sigma_adu


def _places(rng: np.random.Generator, sky: Any) -> tuple[np.ndarray, np.ndarray]:
    """Places away from edges, from what shines, and from each other, in random order."""
    (ny, nx), edge = SHAPE, 30
    places = rng.uniform((edge, edge), (nx - edge, ny - edge), (20_000, 2))
    lit = sky.flux_adu > 50
    shining = np.concatenate([np.c_[sky.x_px[lit], sky.y_px[lit]], np.c_[sky.galaxies.x_px, sky.galaxies.y_px]])
    places = places[cKDTree(shining).query(places)[0] > FROM_STARS_PX]
    near, free, kept = cKDTree(places).query_ball_point(places, APART_PX), np.ones(len(places), bool), []
    for k, others in enumerate(near):
        if free[k]:
            kept.append(k)
            free[others] = False
    return tuple(places[kept][: PER_SNR * len(SNR)].T)
