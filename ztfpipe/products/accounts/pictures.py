"""Pictures for people: PNG bytes made with matplotlib, without a display."""

from __future__ import annotations

import io

import numpy as np
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ztfpipe.model.summary import FocalPlane

_DPI = 100
_WIDTH = 9.0
"""Width of a picture [inch]."""
_NO_DETECTOR = "#c9d3dc"


def focal_plane_png(plane: FocalPlane, stretch_percent: tuple[float, float]) -> bytes:
    """The focal plane with a colour bar in its unit, labelled quadrants, and a compass: north up, east to the left."""
    ny, nx = (size * plane.factor for size in plane.image.shape)
    good = plane.image[np.isfinite(plane.image)]
    low, high = np.percentile(good, stretch_percent) if good.size else (0.0, 1.0)
    figure = Figure(figsize=(_WIDTH, _WIDTH * 0.84 * ny / nx + 0.9), dpi=_DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    axes.set_facecolor(_NO_DETECTOR)
    extent = (-0.5, nx - 0.5, ny - 0.5, -0.5)
    shown = axes.imshow(plane.image, extent=extent, cmap="viridis", vmin=low, vmax=high, interpolation="nearest")
    size = 9 if len(plane.labels) <= 16 else 5
    for x, y, text in plane.labels:
        axes.annotate(text, (x, y), xytext=(4, -4), textcoords="offset points", ha="left", va="top", **_words(size))
    axes.set_title(plane.title, fontsize=13, loc="left")
    axes.set_xlabel("x, to the west [px]")
    axes.set_ylabel("y, to the south [px]")
    bar = figure.colorbar(shown, ax=axes, extend="both", fraction=0.046 * ny / nx, pad=0.02)
    bar.set_label(plane.unit)
    _compass(axes, nx, ny)
    return paletted_png(figure)


def paletted_png(figure: Figure) -> bytes:
    """A figure as PNG of 256 colours chosen for it: a third of the bytes, so that a report with many can be mailed."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    buffer = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _words(size: float) -> dict[str, object]:
    """White letters on a dark ground, to be read on any image."""
    box = {"facecolor": "black", "alpha": 0.5, "edgecolor": "none", "pad": 2}
    return {"fontsize": size, "color": "white", "bbox": box}


def _compass(axes, nx: int, ny: int) -> None:
    """Arrows to the north (up) and east (left) in the lower right corner of an image of nx x ny pixels."""
    length = 0.05 * max(nx, ny)
    x, y = nx - 0.6 * length, ny - 0.6 * length
    outline = [patheffects.withStroke(linewidth=4, foreground="black")]
    for dx, dy, text in ((0.0, -length, "N"), (-length, 0.0, "E")):
        arrow = {"arrowstyle": "-|>", "color": "white", "linewidth": 1.6, "shrinkA": 0, "path_effects": outline}
        axes.annotate("", xy=(x + dx, y + dy), xytext=(x, y), arrowprops=arrow)
        axes.text(x + 1.35 * dx, y + 1.35 * dy, text, ha="center", va="center", color="white", fontsize=11,
                  path_effects=outline)  # fmt: skip
