"""Recipe: the bias of a file's magnitudes against PS1, from the sources that are PS1 calibrators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Filter
from ztfpipe.config import Lightcurve
from ztfpipe.methods.sky.matching import match_sky
from ztfpipe.methods.time.photometric_bias import PhotometricBias, fit_bias
from ztfpipe.model.catalogs import PhotometricCalibrators

_CLIP_SIGMA = 4.0


@dataclass(frozen=True)
class Typical:
    """Sources (n,) as all epochs see them: typical magnitude and error, and mean place over the quadrant from -1 to
    1."""

    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    mag: NDArray[np.float64]
    error_mag: NDArray[np.float64]
    u: NDArray[np.float64]
    v: NDArray[np.float64]


def bias_against_ps1(
    sources: Typical,
    colour_coefficient: float,
    photometric: PhotometricCalibrators | None,
    band: Filter,
    settings: Lightcurve,
) -> PhotometricBias | None:
    """What is to be added to magnitudes so that they agree with PS1; None when switched off or with too few
    calibrators.

    colour_coefficient: CLRCOEFF typical of the epochs; the calibration is m_PS1 = m + CLRCOEFF colour (system paper
    3.5.2).
    """
    if not settings.bias or photometric is None or not np.isfinite(colour_coefficient):
        return None
    theirs = photometric.mag[band.letter]
    blue, red = (photometric.mag[letter] for letter in band.colour)
    sound = np.flatnonzero(
        np.isfinite(theirs + blue - red) & (photometric.mag_error[band.letter] < settings.bias_error_max_mag)
    )
    ours = np.flatnonzero(np.isfinite(sources.mag) & (sources.error_mag < settings.bias_error_max_mag))
    pairs = match_sky(
        sources.ra_deg[ours], sources.dec_deg[ours], photometric.ra_deg[sound], photometric.dec_deg[sound],
        settings.match_radius_arcsec,
    )  # fmt: skip
    i, j = ours[pairs.first], sound[pairs.second]
    residual = theirs[j] - (sources.mag[i] + colour_coefficient * (blue[j] - red[j]))
    return fit_bias(
        sources.u[i], sources.v[i], sources.mag[i], residual, degree=settings.bias_degree,
        stars_min=settings.bias_stars_min, bin_mag=settings.bias_bin_mag, bin_stars_min=settings.bias_bin_stars_min,
        clip_sigma=_CLIP_SIGMA,
    )  # fmt: skip
