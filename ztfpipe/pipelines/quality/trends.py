"""Recipe `quality`: a night against the nights before it: what has changed, of the camera or of one channel.

Weather moves all channels together, so a channel is judged by its distance from the camera's median of the same night,
and that median by itself: a bad night is one line of the report, a bad channel stands out on any night.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.methods.statistics import MAD_TO_SIGMA
from ztfpipe.model.operations import TREND_METRICS
from ztfpipe.model.summary import Table
from ztfpipe.model.zero_points import SMALL_SAMPLE

ALL = "all"
_SHOWN_CHANNELS = 6


@dataclass(frozen=True)
class Change:
    """A number of a night beside what is usual: median and robust scatter of `nights` nights before.

    where: the camera (ALL), a channel (`CCD 10 q1`, relative to the camera), or a field. sigma: difference from the
    usual in units of the scatter, that of a small sample allowed for; NaN with too few nights.
    """

    metric: str
    filter: str
    where: str
    value: float
    usual: float
    scatter: float
    sigma: float
    nights: int


def channel_changes(trends: pd.DataFrame, night: str, nights_min: int) -> Iterator[Change]:
    """Every number of a night against the nights before, of the camera and of each channel, where there are enough.

    trends: rows of the table of that name, of this night and those to compare with.
    """
    for code, of_filter in trends.groupby("filter"):
        for metric, (_, _, floor) in TREND_METRICS.items():
            values = of_filter.pivot(index="night", columns="rcid", values=metric)
            if night not in values.index or not values.loc[night].notna().any():
                continue
            camera = values.median(axis=1)
            yield from _compared(metric, str(code), [ALL], camera.to_frame(), night, nights_min, floor)
            names = [f"CCD {rcid // 4 + 1} q{rcid % 4 + 1}" for rcid in values.columns]
            yield from _compared(metric, str(code), names, values.sub(camera, axis=0), night, nights_min, floor)


def field_changes(fields: pd.DataFrame, night: str, nights_min: int) -> Iterator[Change]:
    """The same of test fields, whatever number of nights there is.

    fields: medians by night, field, filter, with columns of TREND_METRICS.
    """
    for (field, code), group in fields.groupby(["field", "filter"]):
        for metric in (name for name in TREND_METRICS if name in group):
            values = group.set_index("night")[[metric]]
            if night in values.index and np.isfinite(values.loc[night, metric]):
                floor = TREND_METRICS[metric][2]
                yield from _compared(metric, str(code), [f"field {field}"], values, night, nights_min, floor, True)


def _compared(
    metric: str, code: str, names: Sequence[str], values: pd.DataFrame, night: str, nights_min: int, floor: float,
    always: bool = False,
) -> Iterator[Change]:  # fmt: skip
    """Columns of `values` (nights by names) on a night against their rows of nights before."""
    before = values[values.index < night].to_numpy(np.float64)
    tonight = values.loc[night].to_numpy(np.float64)
    for column, (name, value) in enumerate(zip(names, tonight, strict=True)):
        known = before[np.isfinite(before[:, column]), column]
        if not np.isfinite(value) or not (always or known.size >= nights_min):
            continue
        usual, scatter = _usual(known, floor)
        enough = known.size >= nights_min
        sigma = (value - usual) / (scatter * (1.0 + SMALL_SAMPLE / known.size)) if enough else np.nan
        yield Change(metric, code, name, float(value), usual, scatter, float(sigma), known.size)


def _usual(known: NDArray[np.float64], floor: float) -> tuple[float, float]:
    """Median and robust scatter, which is at least `floor`; NaN without numbers."""
    if not known.size:
        return np.nan, np.nan
    usual = float(np.median(known))
    return usual, max(MAD_TO_SIGMA * float(np.median(np.abs(known - usual))), floor)


def outlier_table(changes: Sequence[Change], sigma: float, nights: int) -> Table:
    """The changes beyond `sigma`, the largest first, those of the whole camera before all others."""
    found = [one for one in changes if abs(one.sigma) > sigma]
    found.sort(key=lambda one: (one.where != ALL, -abs(one.sigma)))
    text = (
        f"Medians of the night that are more than {sigma:g} robust sigmas from those of up to {nights} nights before. A"
        " channel's are relative to the camera's median of the same night."
    )
    return Table("Outliers", text, _HEAD, tuple(map(_row, found)))


def field_table(changes: Sequence[Change]) -> Table:
    """Test fields, outlier or not."""
    text = "Medians of the night over the images of each test field, beside those of the nights before that saw it."
    return Table("Test fields", text, _HEAD, tuple(map(_row, changes)))


_HEAD = ("filter", "where", "what", "unit", "tonight", "usual", "scatter", "sigmas", "nights")


def _row(one: Change) -> tuple:
    text, unit, _ = TREND_METRICS[one.metric]
    numbers = (None if np.isnan(value) else value for value in (one.value, one.usual, one.scatter, one.sigma))
    return (one.filter, one.where, text, unit, *numbers, one.nights)


def zero_point_table(images: pd.DataFrame) -> Table:
    """The exposures of a night that have images off the rolling zero point: how many, how far, which channels.

    images: filefracday, field, filter, rcid, zpchange, zero_point_outlier of the night's usable images.
    """
    rows = []
    for (filefracday, field, code), group in images.groupby(["filefracday", "field", "filter"]):
        beyond = group[group["zero_point_outlier"] > 0]
        if len(beyond):
            channels = [f"{rcid // 4 + 1}/{rcid % 4 + 1}" for rcid in sorted(beyond["rcid"])]
            shown = " ".join(channels) if len(channels) <= _SHOWN_CHANNELS else "many"
            far = float(beyond["zpchange"].median())
            rows.append((str(filefracday), int(field), code, len(beyond), len(group), far, shown))
    text = (
        "Usable images whose zero point, at 30 s and without air, is off that of the days before of its channel and"
        " filter (INFOBITS bit 26). Clouds or a shutter move a whole exposure, electronics a channel."
    )
    head = ("exposure", "field", "filter", "images off", "images", "median change [mag]", "CCD/quadrant")
    return Table("Rolling zero points", text, head, tuple(rows))


def sentence(tables: Mapping[str, Table]) -> str:
    """What the headline says of them; empty when there is nothing to say."""
    counts = {name: len(table.rows) for name, table in tables.items() if table.rows}
    words = {
        "outliers": ("outlier", "outliers", "against the nights before"),
        "drifts": ("slow drift", "slow drifts", "over the nights"),
        "zero points": ("exposure", "exposures", "off the rolling zero point"),
    }
    return ", ".join(
        f"{counts[name]} {one if counts[name] == 1 else many} {what}"
        for name, (one, many, what) in words.items()
        if name in counts
    )
