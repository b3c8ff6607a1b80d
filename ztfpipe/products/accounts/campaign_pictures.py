"""Pictures of a campaign: each number old against new."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ztfpipe.model.campaign import Metric, Unit

_COLUMNS = 3
_SHOWN_PERCENT = (0.5, 99.5)
"""Outliers beyond these would leave the others no room; they are drawn on the border."""


def comparison_png(units: Sequence[Unit], metrics: Sequence[Metric]) -> bytes:
    """New against old for each metric that changes anywhere, a point a unit, with the line where nothing changes."""
    shown = [(one, pairs) for one in metrics if _varies(pairs := _pairs(units, one))]
    rows = max(1, math.ceil(len(shown) / _COLUMNS))
    figure = Figure(figsize=(9.6, 3.2 * rows), dpi=100, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, (metric, pairs) in zip(panels, shown, strict=False):
        _panel(axes, metric, pairs)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _pairs(units: Sequence[Unit], metric: Metric) -> np.ndarray:
    found = [
        (one.old[metric.name], one.new[metric.name])
        for one in units
        if metric.name in one.old and metric.name in one.new
    ]
    return np.array(found, float).reshape(-1, 2)


def _varies(pairs: np.ndarray) -> bool:
    return bool(len(pairs)) and bool(np.ptp(pairs) > 0)


def _panel(axes, metric: Metric, pairs: np.ndarray) -> None:
    low, high = np.percentile(pairs, _SHOWN_PERCENT)
    margin = 0.06 * (high - low) or 0.5
    low, high = low - margin, high + margin
    axes.plot([low, high], [low, high], color="0.6", linewidth=1, zorder=1)
    old, new = np.clip(pairs, low, high).T
    # Few points are large, many are small and see-through.
    size, alpha = (22, 0.8) if len(pairs) < 200 else (5, 0.35)
    axes.scatter(old, new, s=size, alpha=alpha, color="tab:blue", edgecolors="none", zorder=2)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_title(textwrap.fill(metric.text, 38), fontsize=9, loc="left")
    side = {1: ", above the line is better", -1: ", below the line is better", 0: ""}[metric.better]
    axes.set_xlabel(f"old{side}", fontsize=9)
    axes.set_ylabel("new", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.locator_params(nbins=5)
