"""Pictures of a night's pace: run time per quadrant against time, latency, and the nights before at a glance."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

_DPI = 100
_WIDTH, _HEIGHT = 9.0, 4.2
_COLOURS = ("#6b7785", "#2b6cb0", "#c05621")
_FILTER_COLOURS = {"zg": "#2f855a", "zr": "#c53030", "zi": "#6b46c1"}
_BINS = 60
_MANY = 2000
"""Points that are a cloud."""


def run_time_png(hours_ut: ArrayLike, seconds: Mapping[str, ArrayLike], night: str) -> bytes:
    """Run time of each quadrant against the time of its exposure, with the median of each kind as a dashed line.

    hours_ut: (n,) of the start of exposures; seconds: (n,) by kind, NaN where a quadrant is not of the kind.
    """
    figure, axes = _axes(f"Run time of each quadrant, {_date(night)}", "start of the exposure, UT [h]", "run time [s]")
    hours, longest = np.asarray(hours_ut, np.float64), 0.0
    for colour, (kind, values) in zip(_COLOURS, seconds.items(), strict=False):
        times = np.asarray(values, np.float64)
        known = np.isfinite(times)
        if known.any():
            longest = max(longest, float(times[known].max()))
            median, most = np.percentile(times[known], (50, 95))
            label = f"{kind}: {known.sum()} quadrants, median {median:.3g} s, 95 % within {most:.3g} s"
            many = known.sum() > _MANY
            axes.scatter(
                hours[known],
                times[known],
                s=1.5 if many else 9,
                color=colour,
                alpha=0.12 if many else 0.6,
                linewidths=0,
            )
            axes.axhline(median, color=colour, linestyle="--", linewidth=1.2, label=label)
            if many:
                _by_time(axes, hours[known], times[known], colour)
    axes.set_ylim(0.0, 1.1 * longest or 1.0)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, -0.16), ncols=1)
    return _png(figure)


def _by_time(axes: Axes, hours: NDArray[np.float64], times: NDArray[np.float64], colour: str) -> None:
    """Median and 95th percentile by quarters of an hour: in a cloud of points neither can be seen."""
    quarter = np.floor(hours * 4)
    middle = (np.unique(quarter) + 0.5) / 4
    groups = [times[quarter == one] for one in np.unique(quarter)]
    outlined = [patheffects.withStroke(linewidth=3.5, foreground="white")]
    for percent, width in ((50, 1.8), (95, 1.0)):
        line = [float(np.percentile(one, percent)) for one in groups]
        axes.plot(middle, line, color="black", linewidth=width, path_effects=outlined, zorder=3)
        axes.annotate(f"{percent} %", (middle[-1], line[-1]), xytext=(5, 0), textcoords="offset points", va="center",
                      fontsize=8, path_effects=outlined, zorder=4)  # fmt: skip


def latency_png(minutes: Mapping[str, ArrayLike], night: str, since: str) -> bytes:
    """Distribution of the time from `since` to each kind of product [min], with medians; the last bin has the rest."""
    figure, axes = _axes(f"Latency, {_date(night)}", f"time since {since} [min]", "share in a bin [%]")
    known = {kind: np.asarray(values, np.float64) for kind, values in minutes.items()}
    known = {kind: values[np.isfinite(values)] for kind, values in known.items()}
    known = {kind: values for kind, values in known.items() if values.size}
    longest = max((float(np.percentile(values, 99.5)) for values in known.values()), default=1.0)
    edges = np.linspace(0.0, max(longest * 1.05, 1e-3), _BINS + 1)
    for colour, (kind, values) in zip(_COLOURS, known.items(), strict=False):
        label = (
            f"{kind}: {values.size}, median {np.median(values):.3g}, 95 % within {np.percentile(values, 95):.3g} min"
        )
        # Shares, as an exposure has one set of packets and 64 images.
        share = np.full(values.size, 100.0 / values.size)
        axes.hist(
            np.clip(values, 0.0, edges[-1]), edges, weights=share, histtype="step", linewidth=1.8, color=colour,
            label=label,
        )  # fmt: skip
        axes.axvline(float(np.median(values)), color=colour, linestyle="--", linewidth=1.2)
    axes.set_xlim(0.0, edges[-1])
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0, -0.16), ncols=1)
    return _png(figure)


def trends_png(nights: pd.DataFrame, panels: Sequence[tuple[str, str, float]], night: str) -> bytes:
    """Medians of the camera night by night, a panel for each (column, label, least span), a line for each filter.

    nights: night, filter and the columns, a row for each night and filter; `night`, the last, is marked. A line is
    broken where a filter was not used. A panel spans at least its least span: what is of no consequence looks so.
    """
    figure = Figure(figsize=(_WIDTH, 1.4 * len(panels) + 0.6), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    shown = sorted(nights["night"].unique())
    places = np.arange(len(shown))
    every = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True))
    codes = [code for code in _FILTER_COLOURS if code in set(nights["filter"])]
    for axes, (column, label, span) in zip(every, panels, strict=True):
        for code in codes:
            values = nights[nights["filter"] == code].set_index("night")[column].reindex(shown)
            axes.plot(places, values, "o-", color=_FILTER_COLOURS[code], ms=4, lw=1.1, label=f"{code[1]} band")
        last = shown.index(night)
        axes.axvspan(last - 0.4, last + 0.4, color="#f6e7cb", zorder=0)
        low, high = axes.get_ylim()
        if high - low < span:
            bottom = 0.5 * (low + high - span)
            # Counts and times do not go below nought.
            bottom = max(bottom, 0.0) if nights[column].min() >= 0 else bottom
            axes.set_ylim(bottom, bottom + span)
        axes.set_ylabel(label, fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
    every[0].legend(frameon=False, fontsize=8, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 0.98))
    every[0].set_title(f"Medians of the camera, {len(shown)} nights to {_date(night)}", fontsize=12, loc="left")
    steps = range(0, len(shown), max(1, len(shown) // 10))
    every[-1].set_xticks(list(steps), [f"{shown[k][4:6]}-{shown[k][6:]}" for k in steps])
    every[-1].set_xlabel("night, month-day", fontsize=9)
    return _png(figure)


def _date(night: str) -> str:
    return f"{night[:4]}-{night[4:6]}-{night[6:]}"


def _axes(title: str, x: str, y: str):
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=13, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
