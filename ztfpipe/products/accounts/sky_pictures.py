"""Pictures of the whole sky: how often it was seen, in Aitoff projection."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps, patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

_LAST_MS = 3000
"""How long the last picture of a movie stays [ms]."""
_NEVER, _BEYOND = "#eef1f4", "white"
_GRID = {"color": "0.55", "linewidth": 0.5, "alpha": 0.7, "zorder": 2}


@dataclass(frozen=True)
class SkyPanel:
    """A map of the sky as an image: exposures, 0 where none, NaN beyond the sky; longitude increases to the left.

    lines: curves of equal longitude or latitude in the image's plane, x and y from -1 to 1; labels: (x, y, text).
    rings: where to draw a ring about something too small to be seen, x and y likewise.
    """

    title: str
    exposures: NDArray[np.float32]
    lines: Sequence[NDArray[np.float64]]
    labels: Sequence[tuple[float, float, str]]
    rings: Sequence[tuple[float, float]] = ()


def sky_png(title: str, rows: Sequence[Sequence[SkyPanel]]) -> bytes:
    """Panels in rows, each with its own scale."""
    figure = _figure(title, len(rows), max((len(row) for row in rows), default=1))
    grid = figure.subplots(max(1, len(rows)), max((len(row) for row in rows), default=1), squeeze=False)
    for places, row in zip(grid, rows, strict=False):
        for axes, panel in zip(places, row, strict=False):
            _draw(figure, axes, panel, float(np.nanmax(panel.exposures)))
    if not rows:
        grid[0, 0].set_axis_off()
        grid[0, 0].text(0.5, 0.5, "nothing was seen", ha="center", transform=grid[0, 0].transAxes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def sky_gif(panels: Sequence[SkyPanel], seconds_each: float) -> bytes:
    """Panels one after another as an animated GIF, all in the scale of the last, which stays on for a while."""
    top = float(np.nanmax(panels[-1].exposures))
    frames = []
    for panel in panels:
        figure = _figure("", 1, 1)
        _draw(figure, figure.subplots(), panel, top)
        figure.canvas.draw()
        frames.append(Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3]).quantize(128))
    buffer = io.BytesIO()
    shown_ms = [round(1000 * seconds_each)] * (len(frames) - 1) + [_LAST_MS]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=shown_ms, loop=0)
    return buffer.getvalue()


def _figure(title: str, rows: int, columns: int) -> Figure:
    # A panel alone is as wide as the page.
    width = 4.9 if columns > 1 else 8.0
    figure = Figure(
        figsize=(width * columns, (0.5 * width + 0.75) * max(rows, 1) + (0.35 if title else 0)), dpi=100,
        facecolor="white", layout="constrained",
    )  # fmt: skip
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    return figure


def _draw(figure: Figure, axes, panel: SkyPanel, top: float) -> None:
    colours = colormaps["viridis"].with_extremes(bad=_BEYOND, under=_NEVER)
    # Few different numbers are told apart better on an even scale, hundreds only on a logarithmic one.
    norm = LogNorm(0.999, top) if top > 30 else Normalize(0.5, max(top, 1.5) + 0.5)
    image = np.ma.masked_invalid(panel.exposures)
    shown = axes.imshow(
        image if top <= 30 else np.ma.where(image < 1, 1e-3, image), origin="lower", extent=(-1, 1, -1, 1),
        aspect=0.5, cmap=colours, norm=norm, interpolation="nearest", zorder=1,
    )  # fmt: skip
    for line in panel.lines:
        axes.plot(*line, **_GRID)
    outline = np.linspace(0, 2 * np.pi, 361)
    axes.plot(np.cos(outline), np.sin(outline), color="0.3", linewidth=0.8, zorder=3)
    for x, y, text in panel.labels:
        outlined = [patheffects.withStroke(linewidth=2.5, foreground="white")]
        axes.text(x, y, text, fontsize=7, color="0.15", ha="center", va="center", zorder=4, path_effects=outlined)
    for x, y in panel.rings:
        axes.plot([x], [y], ".", markersize=3, color="tab:red", zorder=5)
        axes.plot([x], [y], "o", markersize=13, markerfacecolor="none", markeredgecolor="tab:red", zorder=5)
    axes.set_xlim(-1.06, 1.06)
    axes.set_ylim(-1.1, 1.1)
    axes.set_axis_off()
    axes.set_title(panel.title, fontsize=9.5)
    if top > 0:
        bar = figure.colorbar(shown, ax=axes, orientation="horizontal", fraction=0.05, pad=0.01, aspect=38)
        bar.ax.tick_params(labelsize=7.5)
        bar.set_label("exposures", fontsize=8)
        if top <= 10:
            bar.set_ticks(range(1, int(top) + 1))
