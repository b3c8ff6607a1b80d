"""Pictures of light curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ztfpipe.methods.time.periodogram import Periodogram
from ztfpipe.model.dates import JD_OF_MJD_ZERO
from ztfpipe.products.formats.atomic import atomic_write

_COLOURS = {"zg": "tab:green", "zr": "tab:red", "zi": "tab:brown"}


def write_light_curve_picture(
    path: str | Path, table: pd.DataFrame, title: str, found: Periodogram | None = None
) -> None:
    """Draw light curves, one colour a filter and open symbols for bad epochs, as PNG; below them their periodogram and
    the good measurements folded with its period, if there is one.

    table: columns oid, hjd, mag, magerr, catflags, filtercode.
    """
    figure = Figure(figsize=(9, 7 if found else 4), layout="constrained")
    if found:
        axes = figure.subplot_mosaic([["curve", "curve"], ["power", "folded"]])
        _draw_periodogram(axes["power"], found)
        _draw_folded(axes["folded"], table, found.period_d)
        top = axes["curve"]
    else:
        top = figure.subplots()
    _draw_curves(top, table)
    top.set_title(title)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _draw_curves(axes: Axes, table: pd.DataFrame) -> None:
    for (oid, code), one in table.groupby(["oid", "filtercode"]):
        good = one["catflags"] < 32768
        for rows, face in ((one[good], None), (one[~good], "none")):
            label = f"{code[1]} {oid}" if face is None else None
            axes.errorbar(
                rows["hjd"] - JD_OF_MJD_ZERO, rows["mag"], rows["magerr"], fmt="o", ms=3, lw=0.8, color=_COLOURS[code],
                mfc=face, label=label,
            )  # fmt: skip
    axes.invert_yaxis()
    axes.set(xlabel="heliocentric MJD", ylabel="magnitude")
    axes.ticklabel_format(axis="x", useOffset=False)
    if len(table):
        axes.legend(fontsize="small")


def _draw_periodogram(axes: Axes, found: Periodogram) -> None:
    axes.plot(1.0 / found.frequency_per_d, found.power, lw=0.6, color="black")
    axes.axvline(found.period_d, color="tab:orange", lw=3, alpha=0.4, zorder=0)
    axes.set(xscale="log", xlabel="period [d]", ylabel="power", ylim=(0, None))
    axes.set_title(f"highest at {found.period_d:.6g} d; by chance: {found.false_alarm:.1g}", fontsize="medium")


def _draw_folded(axes: Axes, table: pd.DataFrame, period_d: float) -> None:
    """Two turns, so that nothing is hidden at the seam."""
    good = table[table["catflags"] < 32768]
    for code, one in good.groupby("filtercode"):
        phase = (one["hjd"].to_numpy() / period_d) % 1.0
        twice = {"x": np.append(phase, phase + 1), "y": np.tile(one["mag"], 2), "yerr": np.tile(one["magerr"], 2)}
        axes.errorbar(**twice, fmt="o", ms=3, lw=0.6, color=_COLOURS[code])
    axes.invert_yaxis()
    axes.set(xlabel="phase", ylabel="magnitude", xlim=(0, 2))
    axes.set_title(f"folded with {period_d:.6g} d", fontsize="medium")
