"""Pictures of the whole sky: how often it was seen, in Aitoff projection."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib import colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from PIL import Image

from ztfpipe.products.accounts.pictures import paletted_png

_LAST_MS = 3000
"""How long the last picture of a movie stays [ms]."""
_NEVER, _BEYOND = "#eef1f4", "white"
_NEVER_BELOW = 0.999
_LOGARITHMIC, _EACH = 30, 10
"""Largest numbers of an even scale, and of one that names each."""
_TOP_PERCENT = 99.5
_TITLE = 9.5
GALAXY, ECLIPTIC, EQUATOR = "galactic plane", "ecliptic", "celestial equator"
STYLES: dict[str, dict[str, str]] = {
    GALAXY: {"color": "#d1495b", "linestyle": "-"},
    ECLIPTIC: {"color": "#e9a03b", "linestyle": "--"},
    EQUATOR: {"color": "0.25", "linestyle": ":"},
}
_GRID = {"color": "0.55", "linewidth": 0.5, "alpha": 0.7, "zorder": 2}


@dataclass(frozen=True)
class SkyPanel:
    """A map of the sky as an image: exposures, 0 where none, NaN beyond the sky; longitude increases to the left.

    lines: curves of equal longitude or latitude in the image's plane, x and y from -1 to 1; labels: (x, y, text).
    circles: great circles likewise, by the name they have in STYLES. rings: where to draw a ring about something too
    small to be seen, x and y likewise.
    """

    title: str
    exposures: NDArray[np.float32]
    lines: Sequence[NDArray[np.float64]]
    labels: Sequence[tuple[float, float, str]]
    circles: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    rings: Sequence[tuple[float, float]] = ()

    @property
    def top(self) -> float:
        """Upper end of the scale: the few pixels beyond, where fields overlap at the pole, would darken all others."""
        seen = self.exposures[self.exposures > 0]
        return float(np.percentile(seen, _TOP_PERCENT)) if seen.size else 0.0


def sky_png(title: str, rows: Sequence[Sequence[SkyPanel]]) -> bytes:
    """Panels in rows, each with its own scale."""
    figure = _figure(title, len(rows), max((len(row) for row in rows), default=1))
    grid = figure.subplots(max(1, len(rows)), max((len(row) for row in rows), default=1), squeeze=False)
    for places, row in zip(grid, rows, strict=False):
        for axes, panel in zip(places, row, strict=False):
            _draw(figure, axes, panel, panel.top)
    if not rows:
        grid[0, 0].set_axis_off()
        grid[0, 0].text(0.5, 0.5, "nothing was seen", ha="center", transform=grid[0, 0].transAxes)
    return paletted_png(figure)


def sky_gif(panels: Sequence[SkyPanel], seconds_each: float) -> bytes:
    """Panels one after another as an animated GIF, all in the scale of the last, which stays on for a while."""
    top = panels[-1].top
    figure = _figure("", 1, 1)
    axes = figure.subplots()
    shown = _draw(figure, axes, panels[0], top)
    figure.canvas.draw()
    # Laid out once: what changes from frame to frame is the image and its title.
    figure.set_layout_engine("none")
    palette, frames = _palette(), []
    for panel in panels:
        shown.set_data(_drawable(panel.exposures, top))
        axes.set_title(panel.title, fontsize=_TITLE)
        figure.canvas.draw()
        image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
        frames.append(image.quantize(palette=palette, dither=Image.Dither.NONE))
    buffer = io.BytesIO()
    shown_ms = [round(1000 * seconds_each)] * (len(frames) - 1) + [_LAST_MS]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=shown_ms, loop=0)
    return buffer.getvalue()


def _palette() -> Image.Image:
    """The same 256 colours for all frames, so that nothing changes its colour: those of the scale, greys and
    lines faded into white."""
    fades = np.linspace(0.0, 0.9, 8)[:, None]
    white = np.ones(3)
    lines = [(1 - fades) * to_rgb(one["color"]) + fades * white for one in STYLES.values()]
    greys = np.repeat(np.linspace(0, 1, 40)[:, None], 3, axis=1)
    scale = colormaps["viridis"](np.linspace(0, 1, 256 - 1 - len(greys) - 8 * len(lines)))[:, :3]
    colours = np.concatenate([scale, greys, *lines, [to_rgb(_NEVER)]])
    image = Image.new("P", (1, 1))
    image.putpalette(np.rint(255 * colours).astype(np.uint8).tobytes())
    return image


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


def _drawable(exposures: NDArray[np.float32], top: float) -> np.ma.MaskedArray:
    image = np.ma.masked_invalid(exposures)
    return np.ma.where(image < _NEVER_BELOW, 1e-3, image) if top > _LOGARITHMIC else image


def _draw(figure: Figure, axes: Axes, panel: SkyPanel, top: float) -> AxesImage:
    colours = colormaps["viridis"].with_extremes(bad=_BEYOND, under=_NEVER)
    # Few different numbers are told apart better on an even scale, hundreds only on a logarithmic one.
    logarithmic = top > _LOGARITHMIC
    norm = LogNorm(_NEVER_BELOW, top) if logarithmic else Normalize(0.5, max(top, 1.5) + 0.5)
    shown = axes.imshow(
        _drawable(panel.exposures, top), origin="lower", extent=(-1, 1, -1, 1), aspect=0.5, cmap=colours, norm=norm,
        interpolation="nearest", zorder=1,
    )  # fmt: skip
    for line in panel.lines:
        axes.plot(*line, **_GRID)
    for name, line in panel.circles.items():
        axes.plot(*line, label=name, linewidth=1.1, zorder=2.5, **STYLES[name])
    outline = np.linspace(0, 2 * np.pi, 361)
    axes.plot(np.cos(outline), np.sin(outline), color="0.3", linewidth=0.8, zorder=3)
    for x, y, text in panel.labels:
        outlined = [patheffects.withStroke(linewidth=2.5, foreground="white")]
        axes.text(x, y, text, fontsize=7.5, color="0.15", ha="center", va="center", zorder=4, path_effects=outlined)
    for x, y in panel.rings:
        axes.plot([x], [y], ".", markersize=3, color="tab:red", zorder=5)
        axes.plot([x], [y], "o", markersize=13, markerfacecolor="none", markeredgecolor="tab:red", zorder=5)
    axes.set_xlim(-1.06, 1.06)
    axes.set_ylim(-1.1, 1.1)
    axes.set_axis_off()
    axes.set_title(panel.title, fontsize=_TITLE)
    if panel.circles:
        axes.legend(loc="lower left", fontsize=7, frameon=False, handlelength=1.6, borderaxespad=0.0)
    if top > 0:
        _bar(figure, axes, shown, top)
    return shown


def _bar(figure: Figure, axes: Axes, shown: AxesImage, top: float) -> None:
    bar = figure.colorbar(
        shown, ax=axes, orientation="horizontal", fraction=0.05, pad=0.01, aspect=38, extend="max", extendfrac=0.02
    )
    bar.set_label("exposures", fontsize=8)
    if top > _LOGARITHMIC:
        ticks = [one * 10**power for power in range(6) for one in (1, 2, 5) if one * 10**power <= top]
        bar.set_ticks(ticks, labels=[f"{one:g}" for one in ticks], minor=False)
        bar.ax.minorticks_off()
    elif top <= _EACH:
        bar.set_ticks(range(1, int(max(top, 1.5) + 0.5) + 1))
    bar.ax.tick_params(labelsize=7.5)
