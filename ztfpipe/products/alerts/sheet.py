"""A contact sheet of packets: science, reference and difference cutouts of each, with what it says of itself."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.io import fits
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

_CUTOUTS = {"cutoutScience": "science", "cutoutTemplate": "reference", "cutoutDifference": "difference"}
_ACROSS = 2
"""Packets beside each other: three cutouts and a few words each."""
_BANDS = {1: "g", 2: "r", 3: "i"}


def contact_sheet_png(packets: Sequence[Mapping[str, Any]], title: str) -> bytes:
    """A picture of decoded packets, in their order, two in a row; grey where there are no pixels.

    Science and reference are stretched over the most of their pixels, the difference evenly to both signs.
    """
    down = -(-len(packets) // _ACROSS)
    figure = Figure(figsize=(11.0, 0.5 + 1.35 * max(down, 1)), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.01, 1 - 0.16 / figure.get_figheight(), title, fontsize=11, va="center")
    grid = figure.add_gridspec(
        max(down, 1), _ACROSS * 5, width_ratios=[1, 1, 1, 1.55, 0.05] * _ACROSS, wspace=0.04, hspace=0.06,
        left=0.01, right=0.995, bottom=0.02, top=1 - 0.5 / figure.get_figheight(),
    )  # fmt: skip
    for k, packet in enumerate(packets):
        line, column = divmod(k, _ACROSS)
        for j, (field, name) in enumerate(_CUTOUTS.items()):
            axes = figure.add_subplot(grid[line, 5 * column + j])
            axes.set_axis_off()
            _show(axes, packet[field], name)
            if line == 0:
                axes.set_title(name, fontsize=8, pad=2)
        axes = figure.add_subplot(grid[line, 5 * column + 3])
        axes.set_axis_off()
        axes.text(0.04, 0.5, _words(packet), fontsize=8, va="center", family="monospace", linespacing=1.35)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def stamp_pixels(content: bytes) -> NDArray[np.float32]:
    """The pixels (y, x) of a packet's cutout."""
    with fits.open(io.BytesIO(gzip.decompress(content))) as hdus:
        return np.asarray(hdus[0].data, np.float32)


def _show(axes: Any, cutout: Mapping[str, Any] | None, name: str) -> None:
    if cutout is None:
        return
    pixels = stamp_pixels(cutout["stampData"])
    good = pixels[np.isfinite(pixels)]
    low, high = (float(v) for v in np.percentile(good, (1, 99.5))) if good.size else (0.0, 1.0)
    if name == "difference":
        # The peak counts, of either sign: a faint one must not drown in a stretch by percentiles.
        middle = pixels[pixels.shape[0] // 4 : -pixels.shape[0] // 4, pixels.shape[1] // 4 : -pixels.shape[1] // 4]
        high = float(np.nanmax(np.abs(middle))) if np.isfinite(middle).any() else 1.0
        low = -high
    axes.set_facecolor("#bbbbbb")
    axes.imshow(np.ma.masked_invalid(pixels), cmap="gray", vmin=low, vmax=max(high, low + 1e-6), origin="lower")


def _words(packet: Mapping[str, Any]) -> str:
    one = packet["candidate"]
    band, sign = _BANDS.get(one["fid"], "?"), "+" if one["isdiffpos"] == "t" else "-"
    score = "none" if one["drb"] is None else f"{one['drb']:.2f}"
    entries = packet["prv_candidates"] or ()
    seen = sum(entry["candid"] is not None for entry in entries)
    return "\n".join(
        (
            packet["objectId"],
            f"{band} {one['magpsf']:.2f} ± {one['sigmapsf']:.2f} {sign}",
            f"drb {score}",
            f"{seen} before, {len(entries) - seen} limits",
            f"{len(packet['fp_hists'] or ())} forced",
        )
    )
