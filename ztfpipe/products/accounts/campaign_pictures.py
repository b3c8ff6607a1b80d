"""Pictures of a campaign: each number old against new, and fringes before and after."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ztfpipe.model.campaign import FringePair, Metric, Pairs

_COLUMNS = 3
_SHOWN_PERCENT = (2.0, 98.0)
"""Outliers beyond these would leave the others no room; they are drawn on the border."""
_POINTS_MAX = 20_000
"""Of a million points no more are seen; they are taken evenly."""
_BETTER, _WORSE, _SAME = "#1a7a2e", "#b3261e", "0.45"


def comparison_png(pairs: Pairs, metrics: Sequence[Metric]) -> bytes:
    """New against old for each metric that changes anywhere, a point a unit, with the line where nothing changes, the
    better side of it shaded and the medians crossed. Yes or no makes no picture.
    """
    shown = [(one, values) for one in metrics if _varies(values := pairs.of(one))]
    rows = max(1, math.ceil(len(shown) / _COLUMNS))
    figure = Figure(figsize=(9.6, 3.4 * rows), dpi=100, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, (metric, values) in zip(panels, shown, strict=False):
        _panel(axes, metric, values)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    return _png(figure)


def fringes_png(shown: Sequence[FringePair]) -> bytes:
    """Maps of the structure of the sky, old above new, a column an image; all on one scale, in percent of the sky."""
    # The middle one's: a trail or a halo in one image would leave the fringes of all no colour.
    limit = float(np.median([np.nanpercentile(np.abs(100 * one.old), 98) for one in shown]))
    figure = Figure(figsize=(9.6, 7.2), dpi=100, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(shown), squeeze=False)
    for column, one in zip(panels.T, shown, strict=True):
        for axes, side, values in zip(column, ("old", "new"), (one.old, one.new), strict=True):
            drawn = axes.imshow(100 * values, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes.set_facecolor("0.85")
            axes.set_xticks([])
            axes.set_yticks([])
            rms = 100 * float(np.sqrt(np.nanmean(values.astype(np.float64) ** 2)))
            axes.set_title(f"{side}, RMS {rms:.2f} %", fontsize=10)
        # Night and time, field and filter; CCD and quadrant.
        name = one.name.removeprefix("ztf_").replace("_", " ")
        column[0].set_title(f"{name}\n{column[0].get_title()}", fontsize=9)
    figure.colorbar(drawn, ax=panels, shrink=0.6, label="% of the sky (grey: sources)")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _varies(pairs: NDArray[np.float64]) -> bool:
    return len(np.unique(pairs)) > 2


def _panel(axes, metric: Metric, pairs: NDArray[np.float64]) -> None:
    low, high = np.percentile(pairs, _SHOWN_PERCENT)
    margin = 0.06 * (high - low) or 0.5
    low, high = low - margin, high + margin
    axes.plot([low, high], [low, high], color="0.5", linewidth=1, zorder=1)
    if metric.better:
        corner = high if metric.better > 0 else low
        axes.fill([low, high, low if metric.better > 0 else high], [low, high, corner], color=_BETTER, alpha=0.08, lw=0)
        place = (0.04, 0.96) if metric.better > 0 else (0.96, 0.04)
        side = {"va": "top", "ha": "left"} if metric.better > 0 else {"va": "bottom", "ha": "right"}
        axes.text(*place, "better", transform=axes.transAxes, color=_BETTER, fontsize=9, **side)
    few = pairs[:: max(1, len(pairs) // _POINTS_MAX)]
    gain = metric.better * (few[:, 1] - few[:, 0])
    # Few points are large, many are small and see-through.
    size, alpha = (20, 0.75) if len(few) < 200 else (6, 0.35)
    for color, chosen in (
        (_SAME, np.abs(gain) <= metric.notable),
        (_BETTER, gain > metric.notable),
        (_WORSE, gain < -metric.notable),
    ):
        old, new = np.clip(few[chosen], low, high).T
        axes.scatter(old, new, s=size, alpha=alpha, color=color, edgecolors="none", zorder=2)
    axes.plot(*np.median(pairs, axis=0), marker="+", markersize=14, markeredgewidth=2, color="black", zorder=3)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_title(textwrap.fill(metric.text, 36), fontsize=10, loc="left")
    axes.set_xlabel("old", fontsize=9)
    axes.set_ylabel("new", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.locator_params(nbins=5)
