"""Errors of magnitudes from the repeatability of the sources of a file, as four coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_PIVOT_MAG = 18.0
"""Powers are fitted about here: 10^(0.8 x 21) beside 1 is more than double precision carries."""
_TURNS = 20


@dataclass(frozen=True)
class ErrorModel:
    """sigma = A + B m + C 10^(0.4 m) + D 10^(0.8 m), for magnitudes in `range_mag`, outside of which m is its end."""

    coefficients: tuple[float, float, float, float]
    range_mag: tuple[float, float]

    def at(self, mag: ArrayLike) -> NDArray[np.float64]:
        """Errors [mag] of magnitudes; NaN of NaN."""
        m = np.clip(np.asarray(mag, np.float64), *self.range_mag)
        a, b, c, d = self.coefficients
        # A power of ten takes four times as long as the exponential that it is.
        flux = np.exp(0.4 * np.log(10.0) * m)
        return a + b * m + c * flux + d * flux**2


def fit_error_model(
    mag: NDArray[np.floating], scatter_mag: NDArray[np.floating], *, bins: int, sources_min: int
) -> ErrorModel | None:
    """Fit the typical repeatability as a function of magnitude; None for too few sources or where it is not positive.

    mag, scatter_mag: (n,) of sources with enough epochs; NaN is left out. The model goes through the medians of bins
    of equal numbers of sources, at least `sources_min` in each, of which there are `bins` or fewer, but no fewer than
    six: variables, blends and galaxies above the median do not pull. Deviations are weighed in proportion to the
    scatter.
    """
    good = np.isfinite(mag) & np.isfinite(scatter_mag) & (scatter_mag > 0)
    m, s = mag[good].astype(np.float64), scatter_mag[good].astype(np.float64)
    bins = min(bins, m.size // sources_min)
    if bins < 6:
        return None
    order = np.argsort(m, kind="stable")
    centres = np.array([np.median(part) for part in np.array_split(m[order], bins)])
    typical = np.array([np.median(part) for part in np.array_split(s[order], bins)])
    off = centres - _PIVOT_MAG
    terms = np.column_stack([np.ones(bins), off, 10 ** (0.4 * off), 10 ** (0.8 * off)])
    weight = 1.0 / typical
    for _ in range(_TURNS):
        # Least absolute deviations: one odd bin bends nothing.
        found = np.linalg.lstsq(terms * weight[:, None], typical * weight, rcond=None)[0]
        wrong = np.abs(terms @ found - typical) / typical
        weight = 1.0 / typical / np.sqrt(np.maximum(wrong, 0.01))
    a, b, c, d = found
    pivot = 10 ** (-0.4 * _PIVOT_MAG)
    model = ErrorModel((a - b * _PIVOT_MAG, b, c * pivot, d * pivot**2), (float(centres[0]), float(centres[-1])))
    return model if np.all(model.at(np.linspace(*model.range_mag, 200)) > 0) else None
