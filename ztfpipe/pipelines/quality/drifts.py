"""Slow drifts: what moves a little every night takes its own median along, and is no outlier on any of them.

Mann's test (Kendall's tau against time) knows neither the distribution nor the size of the noise: of n independent
numbers S, the pairs in which the later is larger less those in which it is smaller, has the variance n (n - 1) (2n + 5)
/ 18 (Mann 1945, Econometrica 13, 245). How large a drift is, is told by the median slope of all pairs (Sen 1968,
JASA 63, 1379).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.model.operations import TREND_METRICS
from ztfpipe.model.summary import Table
from ztfpipe.pipelines.quality.trends import ALL

WATCHED = ("drbmedian", "pabszp", "scorr_width")
"""Numbers of the classifier, the mirrors and the noise model; season and Moon move the others."""
OF_CONSEQUENCE = 3.0
"""A drift is told of when it adds up to so many of the least scatters that are believed."""


def drift(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mann's S in units of its standard deviation, and the change from the first to the last of `values` (n,) by the
    median slope; those that are not numbers are left out, but keep their place in time. NaN of fewer than three."""
    place = np.flatnonzero(np.isfinite(values))
    n = place.size
    if n < 3:
        return math.nan, math.nan
    first, second = np.triu_indices(n, 1)
    rise = values[place[second]] - values[place[first]]
    sigma = math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    slope = float(np.median(rise / (place[second] - place[first])))
    return float(np.sign(rise).sum()) / sigma, slope * (place[-1] - place[0])


def drift_table(trends: pd.DataFrame, night: str, nights_min: int, sigma: float) -> Table:
    """Drifts of the camera's medians, and of channels relative to them, over the nights up to `night`.

    trends: rows of the table of that name.
    """
    rows = sorted(_drifts(trends[trends["night"] <= night], nights_min, sigma), key=lambda row: -abs(row[-1]))
    text = "What moved slowly in one direction over the nights shown; a channel's are relative to the camera's medians."
    head = ("filter", "where", "what", "unit", "change", "nights", "sigmas")
    return Table("Drifts", text, head, tuple(rows))


def _drifts(trends: pd.DataFrame, nights_min: int, sigma: float) -> Iterator[tuple]:
    for code, of_filter in trends.groupby("filter"):
        for metric in WATCHED:
            name, unit, floor = TREND_METRICS[metric]
            values = of_filter.pivot(index="night", columns="rcid", values=metric).sort_index()
            camera = values.median(axis=1)
            channels = values.sub(camera, axis=0)
            columns = {ALL: camera, **{f"CCD {c // 4 + 1} q{c % 4 + 1}": channels[c] for c in channels.columns}}
            for where, column in columns.items():
                if column.notna().sum() < nights_min:
                    continue
                found, change = drift(column.to_numpy(np.float64))
                if abs(found) > sigma and abs(change) > OF_CONSEQUENCE * floor:
                    yield str(code), where, name, unit, change, int(column.notna().sum()), found
