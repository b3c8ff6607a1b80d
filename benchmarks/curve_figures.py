"""Pictures of light curves in the form of the system paper's figure 10, and folded variables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.curve_scenes import Curves
from benchmarks.figures import COLOUR, FOLDER, GREY, panels, percent_axis

FOLDED = 6


def draw_all(curves: Curves, found: pd.DataFrame, folder: Path = FOLDER) -> list[Path]:
    """Write both pictures; their paths."""
    paths = []
    for name, figure in (("repeatability", repeatability(curves)), ("folded", folded(curves, found))):
        paths.append(folder / f"lightcurve-{name}.png")
        FigureCanvasAgg(figure).print_png(str(paths[-1]), metadata={"Software": None})
    return paths


def repeatability(curves: Curves) -> Figure:
    """Figure 10: scatter of the fluxes of sources with and without relative photometry."""
    figure, axes = panels(2, height=3.6, sharey=True)
    often = curves.data.groupby("matchid").mag.transform("size") >= 0.8 * curves.data.jd.nunique()
    data = curves.data[often & (curves.data.catflags < 1 << 15)]
    for axis, column, text in zip(axes[0], ("mag", "uncalibmag"), ("with", "without"), strict=True):
        groups = data.groupby("matchid")[column]
        mag = groups.median()
        flux = 10 ** (-0.4 * (data[column] - data.matchid.map(mag)))
        rms = flux.groupby(data.matchid).std()
        axis.plot(mag, rms, ".", markersize=2.5, color=COLOUR["zr"], alpha=0.5)
        edges = np.arange(13.5, 21.1, 0.5)
        place = np.digitize(mag, edges)
        middle = [
            (edges[k - 1] + 0.25, np.median(rms[place == k])) for k in range(1, len(edges)) if sum(place == k) > 7
        ]
        axis.plot(*np.transpose(middle), "o-", color="black", markersize=3.5, linewidth=1.2)
        bright = 1000 * float(np.median(rms[mag.between(14, 16)]))
        axis.axhline(bright / 1000, color=GREY, linewidth=0.8)
        axis.text(0.04, 0.72, f"{bright:.1f} mmag\nat 14 to 16 mag", transform=axis.transAxes, fontsize=8)
        axis.set_title(f"{text} relative photometry", fontsize=10)
        axis.set_xlabel("r magnitude")
        axis.set_xlim(13.4, 21.4)
    percent_axis(axes[0, 0])
    axes[0, 0].set_ylabel("relative flux RMS")
    return figure


def folded(curves: Curves, found: pd.DataFrame) -> Figure:
    """Variables that the matchfile's statistics tell, folded by the periods found."""
    figure, axes = panels(3, 2, height=5.0, sharex=True)
    for axis, one in zip(axes.ravel(), found.head(FOLDED).itertuples(), strict=False):
        data = curves.data[(curves.data.matchid == one.matchid) & (curves.data.catflags < 1 << 15)]
        phase = (data.mjd / one.period_d) % 1
        for turn in (0, 1):
            axis.errorbar(phase + turn, data.mag, data.magerr, fmt="o", color=COLOUR["zr"], markersize=3, linewidth=0.8)
        axis.invert_yaxis()
        axis.set_title(f"{one.period_d:.4f} d, truth {one.true_d:.4f} d", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("phase")
    for axis in axes[:, 0]:
        axis.set_ylabel("r magnitude")
    return figure
