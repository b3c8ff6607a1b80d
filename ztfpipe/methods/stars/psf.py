"""The effective PSF as a function of position: values on pixels, between them, width, noise area.

The model (model.stars.PsfModel) is a grid of cubic B-splines, finer than the pixels where the image is undersampled,
whose coefficients are polynomials of position. An effective PSF, tabulated finer than the pixels and fitted in turn
with the stars' positions and fluxes, is the idea of Anderson & King 2000 (PASP 112, 1360); polynomials of position per
entry of the table are PSFEx's (Bertin 2011).

To write the model as a DAOPHOT look-up table (analytic profile + tables for 1, dx, dy): evaluate `sample` on a grid of
positions, fit each of its entries by a plane in position, integrate the analytic profile over pixels at the same
offsets and take it off the constant table. A model fitted with max_order=1 is such a plane exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.stars.psf_nb import evaluate, polynomial_terms
from ztfpipe.model.stars import PsfModel

CORE_FRACTION = 0.3
"""Part of the peak down to which the core of a PSF is looked at for its width."""


def stamps(psf: PsfModel, x_px: NDArray, y_px: NDArray, half_px: int) -> NDArray[np.float32]:
    """Unit-flux stars on the pixels around them: (n, 2 half_px + 1, 2 half_px + 1), centred at the nearest pixel.

    half_px: at most psf.radius_px.
    """
    x_px, y_px = (np.atleast_1d(np.asarray(v, np.float64)) for v in (x_px, y_px))
    ny, nx = psf.shape
    return evaluate(psf.coefficients, psf.oversampling, psf.order, ny, nx, x_px, y_px, half_px)


def sample(psf: PsfModel, x_px: float, y_px: float, offsets_px: NDArray) -> NDArray[np.float64]:
    """P at offsets from a star at (x, y), on the square grid of `offsets_px` in both axes: (n, n), [dy, dx].

    Offsets beyond the model's radius give zero.
    """
    ny, nx = psf.shape
    terms = np.empty(len(psf.coefficients))
    polynomial_terms(float(x_px), float(y_px), ny, nx, psf.order, terms)
    knots = np.tensordot(terms, psf.coefficients.astype(np.float64), 1)
    middle = (knots.shape[0] - 1) / 2
    offsets = np.asarray(offsets_px, np.float64)
    basis = b_spline(psf.oversampling * offsets[:, None] + middle - np.arange(knots.shape[0]))
    basis[np.abs(offsets) > psf.radius_px + 0.5] = 0.0
    return basis @ knots @ basis.T


def b_spline(offset: NDArray) -> NDArray[np.float64]:
    """The cubic B-spline, one at the sum over whole numbers."""
    distance = np.abs(offset)
    near = 2 / 3 - distance**2 + distance**3 / 2
    return np.where(distance < 1, near, np.clip(2 - distance, 0, None) ** 3 / 6)


def fwhm(psf: PsfModel, x_px: float, y_px: float) -> float:
    """Full width at half maximum [px] of the PSF at a position: of the circle with the area above half maximum."""
    step = 0.1
    offsets = np.arange(-psf.radius_px, psf.radius_px + step / 2, step)
    values = sample(psf, x_px, y_px, offsets)
    area = np.count_nonzero(values > values.max() / 2) * step**2
    return float(2 * np.sqrt(area / np.pi))


def core_fwhm(psf: PsfModel) -> float:
    """Full width at half maximum [px] of the Gaussian that best follows the core of the PSF at the image's centre.

    The logarithm of the profile, a straight line in r^2 for a Gaussian, is fitted from the peak down to 0.3 of it. That
    is what the survey's SEEING means: it comes from SExtractor's FWHM_IMAGE, a Gaussian through the pixels of a star's
    core. A PSF made from ten stars has a noisy peak, which moves the radius of half of it by far more than this width.
    """
    step = 0.1
    offsets = np.arange(-psf.radius_px, psf.radius_px + step / 2, step)
    values = sample(psf, (psf.shape[1] - 1) / 2, (psf.shape[0] - 1) / 2, offsets)
    row, column = np.nonzero(values > CORE_FRACTION * values.max())
    weights = values[row, column]
    x, y = offsets[column], offsets[row]
    r2 = (x - np.average(x, weights=weights)) ** 2 + (y - np.average(y, weights=weights)) ** 2
    slope = np.polyfit(r2, np.log(weights), 1)[0]
    return float(2 * np.sqrt(np.log(2) / -slope))


def noise_area(psf: PsfModel, x_px: float, y_px: float) -> float:
    """Equivalent noise area [px^2], 1 / sum P^2: background-limited flux error = pixel noise x sqrt(area)."""
    values = stamps(psf, x_px, y_px, psf.radius_px)[0].astype(np.float64)
    return float(1 / np.sum(values**2))
