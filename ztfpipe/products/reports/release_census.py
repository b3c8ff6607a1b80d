"""What a release holds, for people and programs: tables as JSON and Markdown, coverage as FITS, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Ellipse
from numpy.typing import NDArray

from ztfpipe.model.images import Cards
from ztfpipe.products.formats.atomic import atomic_write, write_text
from ztfpipe.products.formats.fits import ImageExtension, write_images

Maps = Mapping[str, NDArray[np.float64]]


def write_census(json_path: str, page_path: str, tables: Mapping[str, tuple[str, pd.DataFrame]]) -> None:
    """Write tables by name, each with its caption, as JSON of rows and as a page of Markdown."""
    content = {name: json.loads(table.reset_index().to_json(orient="records")) for name, (_, table) in tables.items()}
    write_text(json_path, json.dumps(content, indent=1) + "\n")
    parts = [f"## {caption}\n\n{_markdown(table)}\n" for caption, table in tables.values()]
    write_text(page_path, "\n".join(parts))


def write_coverage(path: str, maps: Maps) -> None:
    """Write maps in the Hammer-Aitoff projection about ra, dec = 0, 0, each an extension of its name."""
    write_images(
        path, {}, [ImageExtension(name, one.astype(np.float32), _cards(one.shape)) for name, one in maps.items()]
    )


def write_release_pictures(
    path: str | Path, maps: Maps, spans: pd.DataFrame, cadence: Mapping[str, tuple[NDArray, NDArray]]
) -> None:
    """Draw as PNG, a column a filter: coverage by images and by light curves, timespan of fields against their number
    of exposures, and against the times between successive ones."""
    figure = Figure(figsize=(5 * len(cadence), 12), layout="constrained")
    axes = figure.subplots(4, len(cadence), squeeze=False, height_ratios=(3, 3, 4, 4))
    for column, (code, (gap, span)) in enumerate(cadence.items()):
        for row, (kind, text) in enumerate((("SCIIMG", "images"), ("MATCHFILE", "light-curve files"))):
            shown = _draw_map(axes[row, column], maps[f"{kind}_{code[1].upper()}"])
            axes[row, column].set_title(f"{code[1]}: {text} per square degree", fontsize="medium")
            figure.colorbar(shown, ax=axes[row, column], location="bottom", shrink=0.6, pad=0.02, aspect=40)
        one = spans[spans["filter"] == code]
        axes[2, column].plot(one["epochs"], one["timespan_d"], ".", ms=4, color="tab:blue")
        axes[2, column].set(xlabel="exposures of a field", ylabel="timespan [d]", xlim=(0, None), ylim=(0, None))
        _draw_cadence(axes[3, column], gap, span)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)


def _draw_map(axes: Axes, values: NDArray[np.float64]) -> AxesImage:
    """A map with the edge of the sky around it."""
    ny, nx = values.shape
    middle = (nx - 1) / 2, (ny - 1) / 2
    axes.add_patch(Ellipse(middle, nx, ny, facecolor="0.92", edgecolor="0.5", zorder=-1))
    # Fields crowd at the pole; its few pixels would take the whole scale.
    top = np.percentile(values[values > 0], 99) if (values > 0).any() else 1
    shown = axes.imshow(np.where(values > 0, values, np.nan), origin="lower", cmap="viridis", vmin=0, vmax=top)
    axes.set(xlim=(-1, nx), ylim=(-1, ny))
    axes.set_axis_off()
    return shown


def _draw_cadence(axes: Axes, gap: NDArray[np.float64], span: NDArray[np.float64]) -> None:
    """Timespan of a field against times between its exposures; darker where there are more of them."""
    good = gap > 0
    if good.any():
        bins = [np.geomspace(gap[good].min() / 1.2, gap.max() * 1.2, 60), np.linspace(0, span.max() * 1.05 + 1, 40)]
        *_, shown = axes.hist2d(gap[good], span[good], bins=bins, norm=LogNorm(vmin=1), cmap="magma_r")
        axes.figure.colorbar(shown, ax=axes, location="right", label="times")
    axes.set(xscale="log", xlabel="to the next exposure of the field [d]", ylabel="timespan [d]")


def _cards(shape: tuple[int, int]) -> Cards:
    """Keywords of a map: pixels of a degree, ra, dec = 0, 0 in the middle, east to the left."""
    cards: dict[str, tuple[float | str, str]] = {"RADESYS": ("ICRS", "")}
    for axis, (kind, size, step) in enumerate((("RA---AIT", shape[1], -1.0), ("DEC--AIT", shape[0], 1.0)), start=1):
        cards |= {f"CTYPE{axis}": (kind, ""), f"CRVAL{axis}": (0.0, ""), f"CUNIT{axis}": ("deg", "")}
        cards |= {f"CRPIX{axis}": ((size + 1) / 2, ""), f"CDELT{axis}": (step, "")}
    return cards


def _markdown(table: pd.DataFrame) -> str:
    table = table.reset_index(names="filter") if table.index.dtype.kind not in "iu" else table
    head = "| " + " | ".join(map(str, table.columns)) + " |\n" + "|---" * len(table.columns) + "|"
    rows = ["| " + " | ".join(_cell(one) for one in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join([head, *rows])


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
