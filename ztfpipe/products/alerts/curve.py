"""A picture of a light curve from forced photometry."""

from __future__ import annotations

import io

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_COLOURS = {"ZTF_g": "#2a7f3f", "ZTF_r": "#b3282d", "ZTF_i": "#7a5195"}
_MICROJANSKY_MAG = 23.9
_SEEN_SNR = 3.0


def light_curve_png(table: pd.DataFrame, title: str) -> bytes:
    """Fluxes of a service's table against time, one colour for each filter; hollow where less than three sigma."""
    figure = Figure(figsize=(9.0, 4.6), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axhline(0.0, color="#777777", linewidth=0.8)
    measured = table[table["forcediffimfluxunc"] > 0]
    start = float(measured["jd"].min() // 1) if len(measured) else 0.0
    for name, rows in measured.groupby("filter", sort=False):
        scale = 10 ** (0.4 * (_MICROJANSKY_MAG - rows["zpdiff"]))
        flux, error, days = rows["forcediffimflux"] * scale, rows["forcediffimfluxunc"] * scale, rows["jd"] - start
        colour, seen = _COLOURS.get(str(name), "black"), rows["forcediffimsnr"].abs() >= _SEEN_SNR
        axes.errorbar(days, flux, error, fmt="none", ecolor=colour, elinewidth=0.8, alpha=0.6)
        axes.scatter(days[seen], flux[seen], s=20, color=colour, label=name, zorder=3)
        axes.scatter(days[~seen], flux[~seen], s=20, facecolor="white", edgecolor=colour, zorder=3)
    axes.set_xlabel(f"JD - {start:.0f} [days]")
    axes.set_ylabel("flux of the difference [µJy]")
    axes.set_title(title, loc="left", fontsize=11)
    if len(measured):
        axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
