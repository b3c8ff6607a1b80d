"""The limiting magnitude in the archive's sense: of entries whose stated S/N is near five.

Two things in a catalog of DAOPHOT set that magnitude apart from the one at which a star's magnitude scatters by 0.2
(calibration.limiting_magnitude). A star is fitted on the pixels within about one FWHM, and its uncertainty is
multiplied by its chi, the misfit of those few pixels (Stetson 1987, PASP 99, 191). Noise that happens to look like a
star has a small chi. And the catalog goes down to S/N 3, where such noise is far more frequent than stars; what of it
has S/N 5, has it because its uncertainty is small. The fewer pixels, the stronger the effect.

In a reference catalog of the archive the uncertainties of 16,300 entries of S/N 3 to 6 are 0.51 + 0.49 chi times a
constant, to 3 %: DAOPHOT's rule, chi drawn towards one by the weight of three parameters in six pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.errors import Unusable
from ztfpipe.methods.stars.detection import detect, psf_filters
from ztfpipe.methods.stars.photometry import fit_stars, joined
from ztfpipe.model.stars import FittedStars, PsfModel

THRESHOLD = 2.5
"""Significance at whole pixels of entries that may reach S/N 3 in a fit: up to 15 % is lost between pixels."""
SNR_RANGE = (4.5, 5.5)
"""System paper 7.4: MAGLIM is the median magnitude of catalog entries between these."""
RADIUS_MIN_PX = 1.6
"""Below, fewer pixels are fitted than make a chi."""
GOOD_MIN = 0.9
ENTRIES_MIN = 3


def archive_limiting_magnitude(
    image_adu: NDArray[np.float32],
    residual_adu: NDArray[np.float32],
    weight: NDArray[np.float32],
    psf: PsfModel,
    stars: FittedStars,
    zero_point_mag: float,
    *,
    gain_e_per_adu: float,
) -> float:
    """Median magnitude of entries of S/N 4.5 to 5.5 in a catalog as DAOPHOT would make it.

    image_adu: float32 (ny, nx), background taken off; residual_adu: the same less `stars`; weight: 1 / variance of
    background and read noise [ADU^-2], 0 where masked. Raises Unusable with fewer than three such entries.
    """
    more = detect(residual_adu, weight, psf_filters(psf), threshold=THRESHOLD)
    x, y, flux = joined(stars, np.ones(len(stars), bool), more, psf)
    fitted, _ = fit_stars(
        image_adu, weight, psf, x, y, flux, gain_e_per_adu=gain_e_per_adu, psf_error=psf.core_error,
        fit_radius_px=max(psf.fwhm_px, RADIUS_MIN_PX),
    )  # fmt: skip
    whole = fitted.good_fraction > GOOD_MIN
    return median_near_five(fitted.flux_adu[whole], (fitted.sigma_flux_adu * fitted.chi)[whole], zero_point_mag)


def median_near_five(flux_adu: NDArray, sigma_flux_adu: NDArray, zero_point_mag: float) -> float:
    """Median magnitude of entries whose flux over uncertainty is within SNR_RANGE (system paper 7.4).

    Entries without a finite positive uncertainty do not count. Raises Unusable with fewer than three.
    """
    flux, sigma = np.asarray(flux_adu, float), np.asarray(sigma_flux_adu, float)
    stated = np.isfinite(flux) & np.isfinite(sigma) & (sigma > 0)
    snr = np.divide(flux, sigma, out=np.zeros_like(flux), where=stated)
    near = flux[(snr >= SNR_RANGE[0]) & (snr <= SNR_RANGE[1])]
    if len(near) < ENTRIES_MIN:
        raise Unusable("archive's limiting magnitude", "too few entries of S/N 4.5 to 5.5", entries=len(near))
    return float(zero_point_mag - 2.5 * np.log10(np.median(near)))
