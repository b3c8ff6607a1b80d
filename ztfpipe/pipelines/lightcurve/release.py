"""Recipe: which measurements of a matchfile a data release shows, and each source's light curve of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.time.grouping_nb import group
from ztfpipe.model.lightcurve import BAD_EPOCH

MONTH_D = 365.25 / 12
Rows = NDArray[np.void]


@dataclass(frozen=True)
class Released:
    """Light curves of a file: rows of `sources` that have any, where their measurements begin (n + 1,), the rows of
    sourcedata in order of time, and the colour coefficient of each."""

    sources: Rows
    start: NDArray[np.int64]
    data: Rows
    clrcoeff: NDArray[np.float32]


def released_epochs(
    exposures: Rows, first_mjd: float, last_mjd: float, months: dict[int, float], on_mjd: float
) -> NDArray[np.bool_]:
    """Which exposures a release shows: begun from first_mjd to before last_mjd, of programs in `months`, and taken at
    least that many months before `on_mjd`: their proprietary period."""
    shown = (exposures["obsmjd"] >= first_mjd) & (exposures["obsmjd"] < last_mjd)
    public = np.zeros(len(exposures), bool)
    for program, period in months.items():
        public |= (exposures["programid"] == program) & (exposures["obsmjd"] + period * MONTH_D <= on_mjd)
    return shown & public


def release(exposures: Rows, sources: Rows, data: Rows, shown: NDArray[np.bool_]) -> Released:
    """Light curves of the exposures `shown`, with nobsrel and ngoodobsrel counted among them; statistics stay those
    of all measurements, as in the archive."""
    order = np.argsort(exposures["expid"], kind="stable")
    epoch = order[np.searchsorted(exposures["expid"][order], data["expid"])]
    rows = np.flatnonzero(shown[epoch])
    rows = rows[np.argsort(data["hjd"][rows], kind="stable")].astype(np.int32)
    start, members = group(data["matchid"].astype(np.int64), rows, len(sources))
    counted = sources.copy()
    counted["nobsrel"] = np.diff(start)
    good = rows[data["catflags"][rows] < BAD_EPOCH]
    counted["ngoodobsrel"] = np.bincount(data["matchid"][good], minlength=len(sources))
    has = np.diff(start) > 0
    begins = np.concatenate([[0], np.cumsum(np.diff(start)[has])])
    return Released(counted[has], begins, data[members], exposures["clrcoeff"][epoch[members]])
