"""Light filters: what the survey asks of a candidate before it makes a packet of it. Here they tag and delete nothing.

Limits are those of the Explanatory Supplement 9.1 as its users quote them, which none of 18,000 public packets breaks.
Its limit on rb, >= 0, lets everything pass and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.candidates import LIGHT_FILTERS


def failed_filters(
    columns: Mapping[str, NDArray],
    *,
    snr_min: float = 5.0,
    mag_max: float = 23.5,
    bad_pixels_max: int = 4,
    fwhm_max_px: float = 7.0,
    elongation_max: float = 1.6,
    magdiff_range: tuple[float, float] = (-0.4, 0.75),
) -> NDArray[np.int32]:
    """Bits of the filters that each candidate does not pass, (n,); bit k is LIGHT_FILTERS[k].

    columns: of the candidates' table, by name: flux, sigflux, magpsf, nbad, fwhm, elong, magdiff. They are compared in
    single precision, as they stand in files. What was not measured (NaN) does not pass.
    """
    one = np.float32
    flux, sigma = (np.asarray(columns[name], np.float64) for name in ("flux", "sigflux"))
    low, high = map(one, magdiff_range)
    passed = {
        "snr": flux >= snr_min * sigma,
        "magpsf": _single(columns["magpsf"]) <= one(mag_max),
        "nbad": np.asarray(columns["nbad"]) <= bad_pixels_max,
        "fwhm": _single(columns["fwhm"]) <= one(fwhm_max_px),
        "elong": _single(columns["elong"]) <= one(elongation_max),
        "magdiff": (_single(columns["magdiff"]) >= low) & (_single(columns["magdiff"]) <= high),
    }
    bits = np.zeros(len(flux), np.int32)
    for bit, name in enumerate(LIGHT_FILTERS):
        bits |= np.where(passed[name], 0, 1 << bit).astype(np.int32)
    return bits


def _single(values: NDArray) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)
