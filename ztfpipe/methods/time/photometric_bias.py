"""What magnitudes are off from a calibrated catalog by, as a function of place on the detector and of brightness.

Source: Masci, ZTF Science Data System: Progress and Plans (2019-09-03), "Corrections to epochal PSF-fit photometry":
biases up to 1.3 % with magnitude, and 3 % at the edges from what flats leave. Both are learned from all sources of a
file that the catalog has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.statistics import robust
from ztfpipe.methods.time.relative_photometry import N_TERMS_MAX
from ztfpipe.methods.time.relative_photometry_nb import surface_at, surface_normals

Floats = NDArray[np.float64]
_TURNS = 4


@dataclass(frozen=True)
class PhotometricBias:
    """What is to be added to magnitudes: coefficients (15,) of Legendre products over the quadrant, as for zero
    points, and a broken line with magnitude, `knots_mag` and `values_mag`, level beyond its ends."""

    surface_mag: Floats
    knots_mag: Floats
    values_mag: Floats

    def at(self, u: Floats, v: Floats, mag: NDArray[np.floating]) -> Floats:
        """Corrections (n,) [mag] at places from -1 to 1, of magnitudes."""
        found = np.empty(len(u))
        surface_at(np.zeros(len(u), np.int64), u, v, self.surface_mag[None, :], found)
        return found + np.interp(np.asarray(mag, np.float64), self.knots_mag, self.values_mag)


def fit_bias(
    u: Floats,
    v: Floats,
    mag: Floats,
    residual_mag: Floats,
    *,
    degree: int,
    stars_min: int,
    bin_mag: float,
    bin_stars_min: int,
    clip_sigma: float,
) -> PhotometricBias | None:
    """Fit the residuals (n,) catalog - ours of sources at places u, v from -1 to 1 and of magnitudes `mag`.

    None with fewer than `stars_min` sources. The two parts are fitted by turns, without what is `clip_sigma` off; the
    line with magnitude goes through the medians of bins of `bin_mag` that have `bin_stars_min` sources, and its mean
    over the sources is zero, as is that of the surface over the quadrant but for a level that both share.
    """
    good = np.isfinite(residual_mag) & np.isfinite(mag)
    kept = good.copy()
    surface, knots, values = np.zeros(N_TERMS_MAX), np.zeros(1), np.zeros(1)
    for _ in range(_TURNS):
        if np.count_nonzero(kept) < stars_min:
            return None
        line = np.interp(mag, knots, values)
        surface = _surface(u[kept], v[kept], (residual_mag - line)[kept], degree)
        found = PhotometricBias(surface, np.zeros(1), np.zeros(1))
        flat = residual_mag - found.at(u, v, mag)
        knots, values = _line(mag[kept], flat[kept], bin_mag, bin_stars_min)
        values = values - np.mean(np.interp(mag[kept], knots, values))
        left = flat - np.interp(mag, knots, values)
        spread = robust(left[kept])
        kept = good & (np.abs(left - spread.median) < clip_sigma * spread.sigma)
    return PhotometricBias(surface, knots, values)


def _surface(u: Floats, v: Floats, residual: Floats, degree: int) -> Floats:
    terms = (degree + 1) * (degree + 2) // 2
    matrix, vector = np.zeros((1, terms, terms)), np.zeros((1, terms))
    surface_normals(np.zeros(u.size, np.int64), u, v, np.ones(u.size), residual, degree, matrix, vector)
    found = np.zeros(N_TERMS_MAX)
    found[:terms] = np.linalg.solve(matrix[0], vector[0])
    return found


def _line(mag: Floats, residual: Floats, bin_mag: float, stars_min: int) -> tuple[Floats, Floats]:
    """Centres and medians of bins with enough sources; a level of zero where there is none."""
    index = np.floor(mag / bin_mag).astype(np.int64)
    bins = [one for one in np.unique(index) if np.count_nonzero(index == one) >= stars_min]
    if not bins:
        return np.zeros(1), np.zeros(1)
    centres = [float(np.median(mag[index == one])) for one in bins]
    return np.array(centres), np.array([float(np.median(residual[index == one])) for one in bins])
