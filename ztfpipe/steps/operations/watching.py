"""What the operations database lets a report say: outliers, rolling zero points, test fields, the night's pace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import sqlalchemy as sa

from ztfpipe.config import Trends
from ztfpipe.model.dates import DAY_S, JD_OF_UNIX_ZERO
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.operations import TREND_METRICS
from ztfpipe.model.summary import Table
from ztfpipe.pipelines.quality import trends as recipe
from ztfpipe.pipelines.quality.drifts import drift_table
from ztfpipe.products.accounts.pace_pictures import latency_png, run_time_png, trends_png
from ztfpipe.products.database.store import SCHEMA, read_columns, read_rows

_DAY_MIN = 1440.0
_PANELS = tuple(
    (name, label, 20.0 * TREND_METRICS[name][2])
    for name, label in (
        ("pabszp", "zero point [mag]"), ("seeing", "seeing [arcsec]"), ("maglimcat", "limit [mag]"),
        ("candidates", "candidates"), ("drbmedian", "median drb"), ("run_s", "run time [s]"),
    )
)  # fmt: skip
"""Columns of `trends` that are drawn, and how much a panel spans at least: many times what is of no consequence."""
_FIELD_METRICS = tuple(name for name in TREND_METRICS if name in SCHEMA["quadrants"].columns)


@dataclass(frozen=True)
class Watched:
    """What is to be said of a night beside others: a sentence for the headline, tables for the top, pictures."""

    sentence: str
    tables: tuple[Table, ...]
    pictures: tuple[tuple[str, bytes], ...]


def watch_night(url: str, night: str, settings: Trends) -> Watched:
    """Compare a night that is in the database with those before it. BadFile, TryAgain as reading it raises."""
    rows = _trends(url, night, settings.nights)
    changes = list(recipe.channel_changes(rows, night, settings.nights_min))
    tables = {
        "outliers": recipe.outlier_table(changes, settings.sigma, settings.nights),
        "drifts": drift_table(rows, night, settings.nights_min, settings.sigma),
        "zero points": _zero_points(url, night),
        "fields": recipe.field_table(list(_fields(url, night, settings, rows))),
    }
    shown = tuple(table for table in tables.values() if table.rows)
    return Watched(recipe.sentence(tables), shown, tuple(_pictures(url, night, rows)))


def _trends(url: str, night: str, nights: int) -> pd.DataFrame:
    """Rows of `trends` of a night and of so many nights before it that have any."""
    table = SCHEMA["trends"]
    known = read_rows(url, sa.select(table.c.night).where(table.c.night < night).distinct())["night"]
    wanted = [*sorted(known)[-nights:], night]
    rows = read_columns(url, "trends", list(table.columns.keys()), table.c.night.in_(wanted))
    return rows.astype({"rcid": int})


def _zero_points(url: str, night: str) -> Table:
    table = SCHEMA["quadrants"]
    columns = ["filefracday", "rcid", "field", "filter", "zpchange", "zero_point_outlier"]
    return recipe.zero_point_table(read_columns(url, "quadrants", columns, table.c.night == night, table.c.status == 1))


def _fields(url: str, night: str, settings: Trends, rows: pd.DataFrame) -> Iterator[recipe.Change]:
    """Changes of the test fields that the night has seen, by the nights that the trends have."""
    if not settings.fields:
        return iter(())
    table = SCHEMA["quadrants"]
    chosen = table.c.field.in_(settings.fields), table.c.night.in_(sorted(set(rows["night"]) | {night}))
    columns = ["night", "field", "filter", *_FIELD_METRICS]
    images = read_columns(url, "quadrants", columns, *chosen, table.c.status == 1)
    numbers = images.astype(dict.fromkeys(_FIELD_METRICS, "float64"))
    medians = numbers.groupby(["night", "field", "filter"], as_index=False)[list(_FIELD_METRICS)].median()
    return recipe.field_changes(medians, night, settings.nights_min)


def _pictures(url: str, night: str, rows: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    images = _pace(url, night)
    if not len(images):
        return
    hours = (images["obsjd"] - night_jd(night)) * 24.0
    both = images["wall_s"] + images["diffwall_s"]
    kinds = {"science image only": images["wall_s"].where(both.isna()), "with difference": both}
    caption = "Run time of each quadrant against the start of its exposure; dashed lines are medians."
    yield caption, run_time_png(hours, kinds, night)
    yield from _latency(images, night)
    if rows["night"].nunique() > 1:
        medians = rows.groupby(["night", "filter"], as_index=False)[[name for name, _, _ in _PANELS]].median()
        yield "The camera's medians night by night; this one is shaded.", trends_png(medians, _PANELS, night)


def _pace(url: str, night: str) -> pd.DataFrame:
    """Times of the night's images, of their differences and of the packets of their exposures."""
    left, right, alerts = SCHEMA["quadrants"], SCHEMA["differences"], SCHEMA["exposures"]
    joined = left.outerjoin(right, (left.c.filefracday == right.c.filefracday) & (left.c.rcid == right.c.rcid))
    joined = joined.outerjoin(alerts, left.c.filefracday == alerts.c.filefracday)
    columns = [left.c[name] for name in ("filefracday", "obsjd", "exptime", "wall_s", "ended_unix", "arrived_unix")]
    columns += [right.c.diffwall_s, right.c.diffended_unix, alerts.c.alerts_ended_unix]
    query = sa.select(*columns).select_from(joined).where(left.c.night == night)
    return read_rows(url, query)


def _latency(images: pd.DataFrame, night: str) -> Iterator[tuple[str, bytes]]:
    """From the end of the exposure; of a night made long after it was observed, from the arrival of the raw file."""
    exposed = (images["obsjd"] - JD_OF_UNIX_ZERO) * DAY_S + images["exptime"]
    since, begun = "the end of the exposure", exposed
    if float((images["ended_unix"] - exposed).median()) / 60.0 > _DAY_MIN:
        since, begun = "the arrival of the raw file", images["arrived_unix"]
    ended = {"science images": "ended_unix", "differences": "diffended_unix", "packets": "alerts_ended_unix"}
    minutes = {kind: ((images[name] - begun) / 60.0).to_numpy(np.float64) for kind, name in ended.items()}
    # Packets are made once an exposure.
    minutes["packets"] = minutes["packets"][~images["filefracday"].duplicated().to_numpy()]
    if any(np.isfinite(values).any() for values in minutes.values()):
        caption = f"Time from {since} to each product; dashed lines are medians."
        yield caption, latency_png(minutes, night, since)
