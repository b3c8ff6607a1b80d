"""Pictures of light curves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ztfpipe.model.dates import JD_OF_MJD_ZERO
from ztfpipe.products.formats.atomic import atomic_write

_COLOURS = {"zg": "tab:green", "zr": "tab:red", "zi": "tab:brown"}


def write_light_curve_picture(path: str | Path, table: pd.DataFrame, title: str) -> None:
    """Draw light curves, one colour a filter and open symbols for bad epochs, as PNG.

    table: columns oid, hjd, mag, magerr, catflags, filtercode.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for (oid, code), one in table.groupby(["oid", "filtercode"]):
        good = one["catflags"] < 32768
        for rows, face in ((one[good], None), (one[~good], "none")):
            label = f"{code[1]} {oid}" if face is None else None
            axes.errorbar(
                rows["hjd"] - JD_OF_MJD_ZERO, rows["mag"], rows["magerr"], fmt="o", ms=3, lw=0.8, color=_COLOURS[code],
                mfc=face, label=label,
            )  # fmt: skip
    axes.invert_yaxis()
    axes.set(xlabel="heliocentric MJD", ylabel="magnitude", title=title)
    axes.ticklabel_format(axis="x", useOffset=False)
    if len(table):
        axes.legend(fontsize="small")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
