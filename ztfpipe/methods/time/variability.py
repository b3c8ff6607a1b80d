"""Statistics of light curves, each light curve collapsed to numbers; definitions stand in docs/lightcurve.md."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.time import variability_nb as kernels

PERCENTILES = (5.0, 10.0, 17.5, 25.0, 32.5, 40.0, 60.0, 67.5, 75.0, 82.5, 90.0, 95.0)
"""Percent below, ascending, so magnitudes get fainter (Richards et al. 2011, ApJ 733, 10, section 3)."""
_NUMBERS = {
    "minmag": kernels.MIN,
    "maxmag": kernels.MAX,
    "meanmag": kernels.MEAN,
    "medianmag": kernels.MEDIAN,
    "magrms": kernels.RMS,
    "weightedmeanmag": kernels.WMEAN,
    "weightedmagrms": kernels.WRMS,
    "medianabsdev": kernels.MAD,
    "medmagerr": kernels.MEDERR,
    "chisq": kernels.CHISQ,
    "skewness": kernels.SKEW,
    "smallkurtosis": kernels.KURT,
    "stetsonj": kernels.STETSON_J,
    "stetsonk": kernels.STETSON_K,
    "vonneumannratio": kernels.VON_NEUMANN,
    "lineartrend": kernels.TREND,
    "maxslope": kernels.MAX_SLOPE,
    "con": kernels.CON,
    "uncalibmeanmag": kernels.UNCALIBRATED,
}
_COUNTS = ("nabovemeanbystd", "nbelowmeanbystd")
_RUNS = ("nconsecabovemeanbystd", "nconsecbelowmeanbystd", "nconsecfrommeanbystd")


def light_curve_statistics(
    start: NDArray[np.int64],
    members: NDArray[np.int32],
    mag: NDArray[np.floating],
    error_mag: NDArray[np.floating],
    raw_mag: NDArray[np.floating],
    time_d: NDArray[np.float64],
    *,
    stetson_pair_d: float,
) -> dict[str, NDArray]:
    """Statistics of n light curves by the names of a matchfile's columns; NaN, or 0 for counts, where there are too
    few.

    start: (n + 1,), members: rows of each light curve in order of time; mag, error_mag, raw_mag, time_d: of all rows.
    """
    n = start.size - 1
    numbers, percentiles = np.full((n, kernels.N_NUMBERS), np.nan), np.full((n, len(PERCENTILES)), np.nan)
    counts, runs, extra = (np.zeros((n, width), np.uint16) for width in (6, 9, 2))
    kernels.collapse(
        start, members, mag, error_mag, raw_mag, time_d, np.array(PERCENTILES) / 100, stetson_pair_d, numbers, counts,
        runs, percentiles, extra,
    )  # fmt: skip
    found: dict[str, NDArray] = {name: numbers[:, place] for name, place in _NUMBERS.items()}
    found |= {name: counts[:, 3 * k : 3 * k + 3] for k, name in enumerate(_COUNTS)}
    found |= {name: runs[:, 3 * k : 3 * k + 3] for k, name in enumerate(_RUNS)}
    return found | {"percentiles": percentiles, "nmedianbufferrange": extra[:, 0], "npairposslope": extra[:, 1]}


def direction_scatter(
    start: NDArray[np.int64], members: NDArray[np.int32], ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]
) -> NDArray[np.float64]:
    """RMS distance [rad] of the directions of each group from their mean; NaN for fewer than two."""
    found = np.full(start.size - 1, np.nan)
    kernels.direction_scatter(start, members, ra_deg, dec_deg, found)
    return found
