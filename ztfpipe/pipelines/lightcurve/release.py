"""Recipe: what a data release shows of a matchfile: which exposures, and each source's light curve of them."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from ztfpipe.config.release import Proprietary
from ztfpipe.methods.time.grouping_nb import group
from ztfpipe.model.lightcurve import BAD_EPOCH
from ztfpipe.model.release import Released

Rows = NDArray[np.void]


def last_public_day(on: date, months: int) -> date:
    """Last day of observations that a release on a day may show, of a program with a proprietary period of so many
    months.

    It is the end of a month, as in the survey's calendar of releases (Masci, 2020-11-19): of the last month that ended
    this long before.
    """
    ended = (on + timedelta(days=1)).day == 1
    whole = 12 * on.year + on.month - 1 - months - (not ended)
    year, month = divmod(whole, 12)
    return date(year, month + 1, calendar.monthrange(year, month + 1)[1])


def months_of(rules: Sequence[Proprietary], program: int, on: date) -> int | None:
    """Proprietary period of a program in months by the first rule that is of it and in force on the day of the
    release; None when there is none: its data are never released."""
    night = on.strftime("%Y%m%d")
    for rule in rules:
        if program in rule.programs and (rule.until is None or night <= rule.until):
            return rule.months
    return None


def released_epochs(exposures: Rows, first_mjd: float, last_mjd: float, end_mjd: dict[int, float]) -> NDArray[np.bool_]:
    """Which exposures a release shows: begun from first_mjd to before last_mjd, of programs in end_mjd, and before
    that date of their program."""
    shown = (exposures["obsmjd"] >= first_mjd) & (exposures["obsmjd"] < last_mjd)
    public = np.zeros(len(exposures), bool)
    for program, end in end_mjd.items():
        public |= (exposures["programid"] == program) & (exposures["obsmjd"] < end)
    return shown & public


def release(exposures: Rows, sources: Rows, data: Rows, shown: NDArray[np.bool_]) -> Released:
    """Light curves of the exposures `shown`, with nobsrel and ngoodobsrel counted among them; statistics stay those
    of all measurements, as in the archive. Sources without a measurement are kept: they are objects all the same."""
    order = np.argsort(exposures["expid"], kind="stable")
    epoch = order[np.searchsorted(exposures["expid"][order], data["expid"])]
    rows = np.flatnonzero(shown[epoch])
    rows = rows[np.argsort(data["hjd"][rows], kind="stable")].astype(np.int32)
    north = np.argsort(sources["dec"], kind="stable")
    counted = sources[north]
    place = np.full(int(sources["matchid"].max(initial=0)) + 1, -1)
    place[counted["matchid"]] = np.arange(len(counted))
    start, members = group(place[data["matchid"]], rows, len(counted))
    counted["nobsrel"] = np.diff(start)
    good = np.concatenate([[0], np.cumsum(data["catflags"][members] < BAD_EPOCH)])
    counted["ngoodobsrel"] = np.diff(good[start])
    kept = np.cumsum(shown) - 1
    return Released(counted, start, data[members], kept[epoch[members]], exposures[shown])
