"""Aperture photometry, and aperture corrections from the curve of growth of clean stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ztfpipe.methods.statistics import MAD_TO_SIGMA
from ztfpipe.model.stars import FittedStars

APERTURE_DIAMETERS_PX = (2.0, 3.0, 4.0, 6.0, 10.0, 14.0)
"""The survey's six fixed apertures (FIXAPERS)."""


@dataclass(frozen=True)
class ApertureFluxes:
    """Sums in circles, each (n, apertures): flux and 1-sigma [ADU]; whole: no masked pixel, and within the image."""

    flux_adu: NDArray[np.float64]
    sigma_adu: NDArray[np.float64]
    whole: NDArray[np.bool_]


@dataclass(frozen=True)
class ApertureCorrections:
    """PSF magnitude less aperture magnitude, its uncertainty, and the number of stars, each (apertures,).

    NaN and 0 stars where fewer than three were fit for it.
    """

    correction_mag: NDArray[np.float64]
    sigma_mag: NDArray[np.float64]
    count: NDArray[np.int64]


def aperture_fluxes(
    image_adu: NDArray[np.float32],
    weight: NDArray[np.float32],
    x_px: NDArray,
    y_px: NDArray,
    *,
    gain_e_per_adu: float,
    diameters_px: tuple[float, ...] = APERTURE_DIAMETERS_PX,
) -> ApertureFluxes:
    """Sums within circles around positions, the overlap of circle and pixel exact.

    image_adu: float32 (ny, nx), background taken off. weight: float32 (ny, nx), 1 / variance of background and read
    noise [ADU^-2], 0 where masked; the star's photons are added from the gain. A masked pixel counts as the mean of the
    others.
    """
    masked = weight <= 0
    image = np.ascontiguousarray(np.where(masked, np.float32(0), image_adu))
    variance = 1 / np.where(masked, np.float32(1), weight)
    flux, sigma, whole = (np.empty((len(x_px), len(diameters_px)), kind) for kind in (float, float, bool))
    for k, diameter in enumerate(diameters_px):
        flux[:, k], sigma[:, k], flag = sep.sum_circle(
            image, x_px, y_px, diameter / 2, var=variance, mask=masked, gain=gain_e_per_adu, subpix=0
        )
        # sep's own flag of truncation forgives up to a pixel.
        reach = np.minimum.reduce([x_px, y_px, image.shape[1] - 1 - x_px, image.shape[0] - 1 - y_px]) + 0.5
        whole[:, k] = (flag & (sep.APER_TRUNC | sep.APER_HASMASKED | sep.APER_ALLMASKED) == 0) & (reach >= diameter / 2)
    return ApertureFluxes(flux, sigma, whole)


def clean_stars(
    stars: FittedStars, *, min_snr: float = 50.0, alone_px: float = 12.0, max_companion: float = 0.02
) -> NDArray[np.intp]:
    """Indices of stars fit to compare PSF and aperture fluxes: bright, unmasked, star-like and alone.

    Star-like: chi and sharp within five robust standard deviations of the median of the bright. Alone: what lies within
    alone_px holds less than `max_companion` of the star's flux together.
    """
    chosen = np.flatnonzero((stars.snr > min_snr) & (stars.good_fraction > 0.999) & np.isfinite(stars.chi))
    if len(chosen) == 0:
        return chosen
    for name in ("chi", "sharp"):
        values = getattr(stars, name)
        middle = np.median(values[chosen])
        spread = MAD_TO_SIGMA * np.median(np.abs(values[chosen] - middle))
        chosen = chosen[np.abs(values[chosen] - middle) <= 5 * spread]
    positions = np.column_stack([stars.x_px, stars.y_px])
    near = cKDTree(positions).query_ball_point(positions[chosen], alone_px)
    companions = np.array([stars.flux_adu[group].sum() for group in near]) - stars.flux_adu[chosen]
    return chosen[companions < max_companion * stars.flux_adu[chosen]]


def aperture_corrections(stars: FittedStars, apertures: ApertureFluxes, chosen: NDArray) -> ApertureCorrections:
    """Median of PSF magnitude less aperture magnitude over the `chosen` stars (APCOR1 to 6: add it to an aperture
    magnitude to get the total). Its uncertainty is that of a median, sqrt(pi / 2) robust standard deviations / sqrt(n).
    """
    count_apertures = apertures.flux_adu.shape[1]
    correction, sigma = np.full((2, count_apertures), np.nan)
    count = np.zeros(count_apertures, np.int64)
    for k in range(count_apertures):
        good = chosen[apertures.whole[chosen, k] & (apertures.flux_adu[chosen, k] > 0)]
        if len(good) < 3:
            continue
        difference = -2.5 * np.log10(stars.flux_adu[good] / apertures.flux_adu[good, k])
        correction[k] = np.median(difference)
        spread = MAD_TO_SIGMA * np.median(np.abs(difference - correction[k]))
        sigma[k] = np.sqrt(np.pi / 2) * spread / np.sqrt(len(good))
        count[k] = len(good)
    return ApertureCorrections(correction, sigma, count)
