"""Candidates: peaks of S_corr of both signs, and what the pixels of the difference image say of each.

The negative image is minus one times the positive: a peak below zero is measured on the image with its sign turned, and
all of its features are those of the negative. PSF fits use P_D at the candidate's own place between the pixels.
"""

from __future__ import annotations

import numpy as np
import sep
from numpy.typing import NDArray

from ztfpipe.methods.difference import candidates_nb as kernels
from ztfpipe.methods.stars.extraction import stellarity
from ztfpipe.methods.stars.psf import fwhm
from ztfpipe.methods.statistics import FWHM_PER_SIGMA, robust_image
from ztfpipe.model.catalogs import POGSON
from ztfpipe.model.difference import Candidates, Difference
from ztfpipe.model.stars import PsfModel

Floats = NDArray[np.float64]
APERTURE_PX, BIG_APERTURE_PX = 14.0, 18.0
"""Diameters of the survey's apertures of a candidate."""
_RING_PX = (10.0, 16.0)
_FIT_FWHM = 2.0
"""Radius of the PSF fit in FWHM of P_D."""
_MAX_SHIFT_PX = 1.5
_SEERATIO_MAX = 2.0


def find_candidates(
    difference: Difference,
    *,
    zero_point_mag: float,
    threshold: float = 5.0,
    edge_px: int = 10,
    max_count: int = 10_000,
) -> Candidates:
    """Find and measure the candidates of a difference.

    threshold: of |S_corr|; edge_px: pixels at the edges without candidates; max_count: candidates measured, the most
    significant ones: more than that is a failed subtraction, which `Candidates.capped` tells.
    """
    rows, columns, found = kernels.extrema(difference.scorr, difference.bad, threshold, edge_px, difference.scorr.size)
    strongest = np.argsort(-np.abs(difference.scorr[rows, columns]), kind="stable")[:max_count]
    kept = np.sort(strongest)
    return measure(difference, rows[kept], columns[kept], zero_point_mag=zero_point_mag, found=found)


def measure(
    difference: Difference, rows: NDArray, columns: NDArray, *, zero_point_mag: float, found: int | None = None
) -> Candidates:
    """Measure candidates at peak pixels (n,); their sign is that of S_corr there."""
    peak = difference.scorr[rows, columns].astype(np.float64)
    positive = peak > 0
    sign = np.where(positive, 1.0, -1.0)
    psf = difference_psf(difference)
    fitted = _fits(difference, rows, columns, sign, psf)
    x, y, flux = fitted[:, 0], fitted[:, 1], fitted[:, 2]
    sigma = difference.flux_sigma_adu[rows, columns].astype(np.float64)
    mag, sigma_mag = _magnitudes(flux, sigma, zero_point_mag)
    form = np.empty((len(x), 6))  # RMS along both axes, FWHM, negative and bad pixels, sumrat
    kernels.shapes(difference.image_adu, difference.bad, x, y, sign, psf.fwhm_px / FWHM_PER_SIGMA, form)
    # In packets seeratio is never above 2: where it is 2, fwhm is half of difffwhm to the last digit.
    width = np.maximum(form[:, 2], psf.fwhm_px / _SEERATIO_MAX)
    pixel_noise = _pixel_noise(difference, rows, columns, psf)
    small, small_sigma = _aperture(difference, x, y, sign, pixel_noise, APERTURE_PX)
    big, big_sigma = _aperture(difference, x, y, sign, pixel_noise, BIG_APERTURE_PX)
    aperture_mag, sigma_aperture_mag = _magnitudes(small, small_sigma, zero_point_mag)
    big_aperture_mag, sigma_big_aperture_mag = _magnitudes(big, big_sigma, zero_point_mag)
    limit = limiting_magnitude(difference, zero_point_mag)
    ny, nx = difference.scorr.shape
    d, s = (
        robust_image(image, difference.bad.astype(np.uint16)) for image in (difference.image_adu, difference.flux_adu)
    )
    return Candidates(
        x_px=x,
        y_px=y,
        positive=positive,
        scorr=np.abs(peak),
        flux_adu=flux,
        sigma_flux_adu=sigma,
        mag=mag,
        sigma_mag=sigma_mag,
        chi=fitted[:, 3],
        converged=fitted[:, 4] > 0,
        aperture_mag=aperture_mag,
        sigma_aperture_mag=sigma_aperture_mag,
        big_aperture_mag=big_aperture_mag,
        sigma_big_aperture_mag=sigma_big_aperture_mag,
        mag_from_limit=limit - aperture_mag,
        sky_adu=_local_sky(difference, x, y),
        fwhm_px=width,
        seeing_ratio=psf.fwhm_px / width,
        stellarity=stellarity(form[:, 2] / 2, flux / sigma, psf.fwhm_px),
        major_px=form[:, 0],
        minor_px=form[:, 1],
        # As packets have it: from the first pixel less one on one side, from the edge of the last on the other.
        edge_distance_px=np.minimum.reduce([x + 1, y + 1, nx - 0.5 - x, ny - 0.5 - y]),
        negative_pixels=form[:, 3].astype(np.int32),
        bad_pixels=form[:, 4].astype(np.int32),
        sum_ratio=form[:, 5],
        d_over_rms=sign * difference.image_adu[rows, columns] / d.sigma,
        s_over_rms=sign * difference.flux_adu[rows, columns] / s.sigma,
        found=len(x) if found is None else found,
        limiting_mag=limit,
    )


def difference_psf(difference: Difference, tile: int | None = None) -> PsfModel:
    """P_D of a tile, the middle one unless said, as a PSF that is the same everywhere."""
    tile = len(difference.knots) // 2 if tile is None else tile
    none = np.empty(0)
    psf = PsfModel(
        difference.knots[tile][None], difference.oversampling, 0, difference.radius_px, difference.scorr.shape,
        difference.fwhm_px, none, none, none, 0.0, 0.0,
    )  # fmt: skip
    width = fwhm(psf, 0.0, 0.0)
    return PsfModel(**{**vars(psf), "fwhm_px": width})


def limiting_magnitude(difference: Difference, zero_point_mag: float) -> float:
    """Magnitude of a point source of five sigma in the difference, from the median noise of good pixels."""
    thin = slice(None, None, 9)
    sigma = difference.flux_sigma_adu[thin, thin][~difference.bad[thin, thin]]
    return float(zero_point_mag - 2.5 * np.log10(5 * np.median(sigma))) if sigma.size else float("nan")


def _fits(difference: Difference, rows, columns, sign, psf: PsfModel) -> Floats:
    """PSF fits (n, 5): sources new in the science image with its P_D, sources gone with the reference's."""
    tile = difference.tiling.index(columns.astype(float), rows.astype(float))
    radius = min(max(_FIT_FWHM * psf.fwhm_px, 3.0), difference.radius_px - 1.0)
    noise = _pixel_noise(difference, rows, columns, psf)
    out = np.empty((len(rows), 5))
    sides = (
        (sign > 0, difference.knots, difference.oversampling),
        (sign < 0, difference.reference_knots, difference.reference_oversampling),
    )
    for side, knots, oversampling in sides:
        part = np.empty((int(side.sum()), 5))
        kernels.fit(
            difference.image_adu, difference.bad, noise[side], rows[side], columns[side], sign[side], tile[side],
            knots, oversampling, radius, _MAX_SHIFT_PX, part,
        )  # fmt: skip
        out[side] = part
    return out


def _pixel_noise(difference: Difference, rows, columns, psf: PsfModel) -> Floats:
    """Sigma of the difference image's pixels about each candidate: that of empty sky, raised as the flux's error is."""
    thin = slice(None, None, 9)
    good = ~difference.bad[thin, thin]
    empty = np.median(difference.flux_sigma_adu[thin, thin][good]) if good.any() else 1.0
    tile = difference.tiling.index(columns.astype(float), rows.astype(float))
    return difference.noise_adu[tile] * np.maximum(difference.flux_sigma_adu[rows, columns] / empty, 1.0)


def _aperture(difference: Difference, x, y, sign, noise, diameter_px: float) -> tuple[Floats, Floats]:
    """Sums in circles; the noise of a pixel is taken as that at the peak."""
    if len(x) == 0:
        return np.zeros(0), np.zeros(0)
    flux, _, _ = sep.sum_circle(difference.image_adu, x, y, diameter_px / 2, mask=difference.bad, subpix=5)
    return sign * flux, noise * np.sqrt(np.pi * (diameter_px / 2) ** 2)


def _local_sky(difference: Difference, x, y) -> Floats:
    """Median of a ring on the difference image; NaN where all of it is bad."""
    reach = int(np.ceil(_RING_PX[1]))
    offset = np.arange(-reach, reach + 1)
    distance = np.hypot(offset[:, None], offset)
    down, across = np.nonzero((distance >= _RING_PX[0]) & (distance <= _RING_PX[1]))
    ny, nx = difference.scorr.shape
    out = np.full(len(x), np.nan)
    for start in range(0, len(x), 2000):
        part = slice(start, start + 2000)
        row = np.rint(y[part]).astype(int)[:, None] + offset[down]
        column = np.rint(x[part]).astype(int)[:, None] + offset[across]
        outside = (row < 0) | (column < 0) | (row >= ny) | (column >= nx)
        row, column = np.clip(row, 0, ny - 1), np.clip(column, 0, nx - 1)
        left_out = outside | difference.bad[row, column]
        values = np.where(left_out, np.inf, difference.image_adu[row, column])
        known = (~left_out).sum(axis=1)
        values.sort(axis=1)
        middle = values[np.arange(len(values)), np.maximum(known - 1, 0) // 2]
        out[part] = np.where(known > 0, middle, np.nan)
    return out


def _magnitudes(flux: Floats, sigma: Floats, zero_point_mag: float) -> tuple[Floats, Floats]:
    """Magnitudes and errors; NaN where the flux is not positive."""
    good = flux > 0
    safe = np.where(good, flux, 1.0)
    mag = zero_point_mag - 2.5 * np.log10(safe)
    return np.where(good, mag, np.nan), np.where(good, POGSON * sigma / safe, np.nan)
