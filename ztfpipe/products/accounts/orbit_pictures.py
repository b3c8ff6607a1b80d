"""Pictures of an orbit and of what was seen of a body, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ztfpipe.model.precovery import OrbitDrawing

_DPI = 110
_BODY, _EARTH, _PLANET, _SUN = "#b2182b", "#2166ac", "#8a8f98", "#e0a000"
_COLUMNS = 8
_CUTOUTS_MAX = 80


def orbit_png(shown: OrbitDrawing) -> bytes:
    """The orbit seen from the ecliptic's north pole, with body and Earth at its sightings, and its way on the sky."""
    figure = Figure(figsize=(12.5, 5.8), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    plane, sky = figure.subplots(1, 2)
    _draw_plane(plane, shown)
    _draw_sky(sky, shown)
    figure.suptitle(shown.title, fontsize=13)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw_plane(axes, shown: OrbitDrawing) -> None:
    for name, path in shown.planets:
        axes.plot(path[:, 0], path[:, 1], color=_PLANET, linewidth=0.8)
        far = path[np.argmax(path[:, 0] + path[:, 1])]
        axes.annotate(name, far[:2], fontsize=8, color=_PLANET, xytext=(3, 3), textcoords="offset points")
    above = np.where(shown.path[:, 2] >= 0, 1.0, np.nan)[:, None]
    axes.plot(*(shown.path[:, :2]).T, color=_BODY, linewidth=1.0, linestyle=":", label="orbit, south of the ecliptic")
    axes.plot(*(shown.path[:, :2] * above).T, color=_BODY, linewidth=1.6, label="orbit, north of the ecliptic")
    axes.plot(0, 0, "o", color=_SUN, markersize=8)
    if len(shown.body_at):
        for body, earth in zip(shown.body_at, shown.earth_at, strict=True):
            axes.plot([earth[0], body[0]], [earth[1], body[1]], color=_EARTH, linewidth=0.4, alpha=0.4)
        axes.plot(*shown.earth_at[:, :2].T, "o", color=_EARTH, markersize=4, label="Earth when seen")
        axes.plot(*shown.body_at[:, :2].T, "o", color=_BODY, markersize=5, label="body when seen")
    reach = 1.15 * np.abs(shown.path[:, :2]).max()
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="x, to the equinox [au]",
             ylabel="y [au]", title="From the ecliptic's north pole")  # fmt: skip
    axes.legend(fontsize=8, loc="lower left")


def _draw_sky(axes, shown: OrbitDrawing) -> None:
    axes.set(xlabel="right ascension [deg]", ylabel="declination [deg]", title="On the sky")
    if not len(shown.ra_deg):
        axes.text(0.5, 0.5, "no exposure of the archive shows it", ha="center", va="center", transform=axes.transAxes)
        return
    # A track across 0 h is drawn without a jump.
    ra = np.degrees(np.unwrap(np.radians(shown.ra_deg)))
    axes.plot(ra, shown.dec_deg, color=_PLANET, linewidth=0.6)
    axes.plot(
        ra[~shown.inside], shown.dec_deg[~shown.inside], "o", mfc="none", color=_PLANET, label="beside the pixels"
    )
    axes.plot(ra[shown.inside], shown.dec_deg[shown.inside], "o", color=_BODY, markersize=4, label="on an image")
    axes.invert_xaxis()
    axes.ticklabel_format(useOffset=False)
    axes.margins(0.1)
    axes.legend(fontsize=8)


def cutouts_png(cutouts: Sequence[tuple[str, NDArray[np.float32]]]) -> bytes:
    """Squares about a body with their labels, first of all in order of time; the predicted place is marked."""
    cutouts = cutouts[:_CUTOUTS_MAX]
    columns = min(_COLUMNS, len(cutouts))
    rows = -(-len(cutouts) // columns)
    figure = Figure(figsize=(1.7 * columns, 1.95 * rows), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, (label, pixels) in zip(grid, cutouts, strict=False):
        good = pixels[np.isfinite(pixels)]
        low, high = np.percentile(good, (5, 99.5)) if good.size else (0.0, 1.0)
        axes.imshow(
            pixels, cmap="gray_r", vmin=low, vmax=max(high, low + 1e-6), origin="lower", interpolation="nearest"
        )
        half, gap, length = pixels.shape[0] // 2, 5, 6
        axes.plot([half + gap, half + gap + length], [half, half], color=_BODY, linewidth=1)
        axes.plot([half, half], [half + gap, half + gap + length], color=_BODY, linewidth=1)
        axes.set_title(label, fontsize=6)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
