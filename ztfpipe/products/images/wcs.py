"""The astrometric solution of a header, TPV or plain gnomonic, as numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ztfpipe.errors import BadFile
from ztfpipe.model.images import Cards
from ztfpipe.model.wcs import PV_INDICES, TpvWcs, undistorted_pv


def wcs_of(path: str | Path, header: Cards) -> TpvWcs:
    """The WCS of an image's keywords; `path` is for the message. BadFile when one is missing, or of another kind."""
    kinds = tuple(str(header.get(f"CTYPE{axis}", ("", ""))[0]) for axis in (1, 2))
    if kinds not in (("RA---TPV", "DEC--TPV"), ("RA---TAN", "DEC--TAN")):
        raise BadFile(path, f"its projection is {kinds}, not gnomonic with or without TPV distortion")

    def number(keyword: str, default: float | None = None) -> float:
        value = header.get(keyword, (default, ""))[0]
        if not isinstance(value, (int, float)):
            raise BadFile(path, f"{keyword} is missing or no number")
        return float(value)

    cd = np.array([[number(f"CD{row}_{column}") for column in (1, 2)] for row in (1, 2)])
    crpix = np.array([number(f"CRPIX{axis}") - 1.0 for axis in (1, 2)])
    crval = np.array([number(f"CRVAL{axis}") for axis in (1, 2)])
    pv = undistorted_pv()
    if kinds[0].endswith("TPV"):
        pv = np.array([[number(f"PV{axis}_{m}", 1.0 if m == 1 else 0.0) for m in PV_INDICES] for axis in (1, 2)])
    return TpvWcs(crval, crpix, cd, pv)
