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
_SEASON_DEG = 20.0
"""Places farther apart than this are not joined by a line: between seasons a body has turned back and forth."""


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
    for k, (name, path) in enumerate(shown.planets):
        axes.plot(path[:, 0], path[:, 1], color=_PLANET, linewidth=0.8)
        # Names stand apart from each other, each at another place of its orbit.
        angle = np.radians(60 - 35 * k)
        far = path[np.argmax(path[:, 0] * np.cos(angle) + path[:, 1] * np.sin(angle))]
        axes.annotate(name, far[:2], fontsize=8, color=_PLANET, xytext=(3, 3), textcoords="offset points")
    above = np.where(shown.path[:, 2] >= 0, 1.0, np.nan)[:, None]
    axes.plot(*shown.path[:, :2].T, color=_BODY, linewidth=1.0, linestyle=":", label="orbit, south of the ecliptic")
    axes.plot(*(shown.path[:, :2] * above).T, color=_BODY, linewidth=1.6, label="orbit, north of the ecliptic")
    axes.plot(0, 0, "o", color=_SUN, markersize=8)
    if len(shown.body_at):
        for body, earth in zip(shown.body_at, shown.earth_at, strict=True):
            axes.plot([earth[0], body[0]], [earth[1], body[1]], color=_EARTH, linewidth=0.4, alpha=0.4)
        axes.plot(*shown.earth_at[:, :2].T, "o", color=_EARTH, markersize=4, label="Earth when it was seen")
        axes.plot(*shown.body_at[:, :2].T, "o", color=_BODY, markersize=5, label="body when it was seen")
    reach = 1.1 * np.abs(shown.path[:, :2]).max()
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="x, to the equinox [au]")
    axes.set(ylabel="y [au]", title="From the ecliptic's north pole")
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False)


def _draw_sky(axes, shown: OrbitDrawing) -> None:
    axes.set(xlabel="right ascension [deg]", ylabel="declination [deg]", title="On the sky")
    if not len(shown.ra_deg):
        axes.text(0.5, 0.5, "no exposure of the archive shows it", ha="center", va="center", transform=axes.transAxes)
        return
    # A track across 0 h is drawn without a jump.
    ra = np.degrees(np.unwrap(np.radians(shown.ra_deg)))
    apart = np.hypot(np.diff(ra), np.diff(shown.dec_deg)) > _SEASON_DEG
    cut = np.flatnonzero(apart) + 1
    axes.plot(np.insert(ra, cut, np.nan), np.insert(shown.dec_deg, cut, np.nan), color=_PLANET, linewidth=0.6)
    on = {"color": _BODY, "markersize": 4, "label": "on an image"}
    off = {"color": _PLANET, "mfc": "none", "label": "beside an image"}
    for which, style in ((shown.inside, on), (~shown.inside, off)):
        if which.any():
            axes.plot(ra[which], shown.dec_deg[which], "o", **style)
    axes.invert_xaxis()
    axes.ticklabel_format(useOffset=False)
    axes.margins(0.1)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False)


def cutouts_png(cutouts: Sequence[tuple[str, NDArray[np.float32]]]) -> bytes:
    """Squares about a body with their labels, at most 80, the predicted place between two marks.

    Rows of pixels run down, as in the camera: north up and east to the left.
    """
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
        limits = {"vmin": low, "vmax": max(high, low + 1e-6)}
        axes.imshow(pixels, cmap="gray_r", interpolation="nearest", **limits)
        half = pixels.shape[0] // 2
        axes.plot([half + 5, half + 11], [half, half], color=_BODY, linewidth=1)
        axes.plot([half, half], [half - 5, half - 11], color=_BODY, linewidth=1)
        axes.set_title(label, fontsize=6)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
