"""Pictures of the science pipeline's accuracy in the form of the system paper's figures 6 to 9 and 11 to 13.

Filters differ in colour, marker and line alike, of a palette that eyes without red or green still part (Okabe & Ito).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.figure_data import Epoch, Nights
from benchmarks.figure_numbers import Repeated, flux_rms_bins, limit_from, repeated, rms_by_magnitude, robust_rms
from ztfpipe.camera import Camera

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
COLOUR = {"zg": "#009E73", "zr": "#D55E00", "zi": "#882255"}
LETTER = {"zg": "g", "zr": "r", "zi": "i"}
EAST, NORTH, GREY = "#0072B2", "#E69F00", "#666666"
POINTS_MAX = 2500
DPI = 110


def draw_all(nights: Nights, folder: Path = FOLDER) -> list[Path]:
    """Write every picture; their paths."""
    pictures: dict[str, Callable[[Nights], Figure]] = {
        "astrometry-distribution": distribution, "astrometry-magnitude": by_magnitude, "astrometry-airmass": by_airmass,
        "photometry-repeatability": repeatability, "photometry-uncertainty": uncertainty,
        "limiting-magnitude-map": focal_plane, "photometry-calibration": calibration,
    }  # fmt: skip
    paths = []
    for name, draw in pictures.items():
        path = folder / f"science-{name}.png"
        FigureCanvasAgg(draw(nights)).print_png(str(path), metadata={"Software": None})
        paths.append(path)
    return paths


def panels(columns: int, rows: int = 1, height: float = 3.3, **shared: bool | str) -> tuple[Figure, NDArray]:
    figure = Figure(figsize=(8.2, height), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **shared)
    for one in axes.ravel():
        one.grid(True, color="#dddddd", linewidth=0.6)
        one.set_axisbelow(True)
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
    return figure, axes


def distribution(nights: Nights) -> Figure:
    """Figure 6: astrometric RMS per axis of the quadrants of the focal plane."""
    figure, axes = panels(2, sharey=True)
    for axis, code in zip(axes[0], ("zg", "zr"), strict=True):
        rms = np.array([robust_rms(one) for one in nights.plane if one.code == code])
        bins = np.arange(20, 122, 5)
        for k, (name, colour, style) in enumerate((("right ascension", EAST, "-"), ("declination", NORTH, "--"))):
            axis.hist(np.clip(rms[:, k], 20, 119), bins, histtype="step", color=colour, linestyle=style, linewidth=1.8,
                      label=f"{name}, median {np.nanmedian(rms[:, k]):.0f} mas")  # fmt: skip
        axis.set_title(f"{LETTER[code]}, {len(rms)} quadrants", fontsize=10)
        axis.set_xlabel("RMS per axis, S/N above 10 [mas]")
        axis.legend(fontsize=8, frameon=False)
    axes[0, 0].set_ylabel("quadrants")
    return figure


def by_magnitude(nights: Nights) -> Figure:
    """Figure 7: astrometric RMS against magnitude in one quadrant."""
    figure, axes = panels(2, sharey=True)
    for axis, case in zip(axes[0], ("sparse", "dense"), strict=True):
        one = nearest_zenith(nights.through[case], "zr")
        middle, rms, count = rms_by_magnitude(one)
        for k, (name, colour, marker) in enumerate((("right ascension", EAST, "o"), ("declination", NORTH, "s"))):
            axis.plot(middle, rms[:, k], marker=marker, color=colour, markersize=5, linewidth=1.2, label=name)
        for at, side in ((0, "left"), (len(middle) - 1, "right")):
            axis.annotate(f"{count[at]} stars", (middle[at], rms[at].max()), (0, 8), textcoords="offset points",
                          fontsize=8, ha=side, color=GREY)  # fmt: skip
        axis.set_title(f"r, {case} quadrant", fontsize=10)
        axis.set_xlabel("r magnitude")
    axes[0, 0].set_yscale("log")
    axes[0, 0].set_yticks([10, 20, 50, 100, 200], ["10", "20", "50", "100", "200"])
    axes[0, 0].minorticks_off()
    axes[0, 0].set_ylabel("RMS per axis [mas]")
    axes[0, 0].legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(0, 0.9))
    return figure


def by_airmass(nights: Nights) -> Figure:
    """Figure 8: astrometric RMS against airmass, and how much of it bright stars have."""
    figure, axes = panels(2, sharey=True)
    for axis, code in zip(axes[0], ("zg", "zr"), strict=True):
        epochs = [one for one in nights.through["sparse"] if one.code == code]
        airmass = [one.airmass for one in epochs]
        for label, least, marker, fill in (("S/N above 10", 10, "o", COLOUR[code]), ("S/N above 50", 50, "D", "white")):
            rms = [robust_rms(one, least)[1] for one in epochs]
            axis.plot(
                airmass, rms, marker, markerfacecolor=fill, markeredgecolor=COLOUR[code], markersize=6, label=label
            )
        axis.set_title(f"{LETTER[code]}, {len(epochs)} exposures of a sparse quadrant", fontsize=10)
        axis.set_xlabel("airmass")
        axis.legend(fontsize=8, frameon=False, loc="lower right")
    axes[0, 0].set_ylim(0, None)
    axes[0, 0].set_ylabel("RMS in declination [mas]")
    return figure


def nearest_zenith(epochs: Sequence[Epoch], code: str) -> Epoch:
    """The epoch of a filter with the least airmass."""
    return min((one for one in epochs if one.code == code), key=lambda one: one.airmass)


def _thinned(*columns: NDArray) -> list[NDArray]:
    chosen = np.random.default_rng(0).permutation(len(columns[0]))[:POINTS_MAX]
    return [column[chosen] for column in columns]


def percent_axis(axis: Axes) -> None:
    axis.set_yscale("log")
    axis.set_ylim(0.001, 0.5)
    ticks = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    axis.set_yticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
    axis.minorticks_off()


def _limit(axis: Axes, mag: float, text: str) -> None:
    axis.axhline(0.2, color=GREY, linewidth=0.8, linestyle=":")
    axis.axvline(mag, color="black", linewidth=1.1, linestyle="--")
    axis.annotate(f"{text} {mag:.2f}", (mag, 0.00115), (-4, 0), textcoords="offset points", rotation=90, fontsize=8,
                  ha="right", va="bottom")  # fmt: skip


def repeatability(nights: Nights) -> Figure:
    """Figure 9: scatter of a star's flux between the exposures of a night."""
    figure, axes = panels(3, height=3.6, sharey=True)
    for axis, (case, code) in zip(axes[0], (("sparse", "zg"), ("sparse", "zr"), ("dense", "zr")), strict=True):
        found: Repeated = repeated(nights.through[case], code)
        axis.plot(*_thinned(found.mag, found.flux_rms), ".", markersize=1.8, color=COLOUR[code], alpha=0.5)
        middle, rms = flux_rms_bins(found)
        axis.plot(middle, rms, "o-", color="black", markersize=3.5, linewidth=1.2)
        bright = found.bright_rms()
        axis.axhline(bright, color=GREY, linewidth=0.8)
        axis.text(0.04, 0.66, f"{1000 * bright:.1f} mmag\nat 14 to 16 mag", transform=axis.transAxes, fontsize=8)
        _limit(axis, limit_from(middle, rms), "5 sigma")
        axis.set_title(f"{LETTER[code]}, {case}, {found.epochs} exposures", fontsize=10)
        axis.set_xlabel(f"{LETTER[code]} magnitude")
        axis.set_xlim(13.4, 21.8)
    percent_axis(axes[0, 0])
    axes[0, 0].set_ylabel("relative flux RMS")
    return figure


def uncertainty(nights: Nights) -> Figure:
    """Figure 11: stated flux errors of two catalogs, and their MAGLIM."""
    figure, axes = panels(2, sharey=True)
    for axis, case in zip(axes[0], ("dense", "sparse"), strict=True):
        one = nearest_zenith(nights.through[case], "zr")
        axis.plot(*_thinned(one.calibrated_mag, one.stated_error), ".", markersize=2, color=COLOUR["zr"], alpha=0.6)
        _limit(axis, one.limiting_mag, "MAGLIM")
        axis.set_title(f"r, {case} quadrant, {len(one.mag)} stars", fontsize=10)
        axis.set_xlabel("r magnitude")
        axis.set_xlim(13.4, 21.8)
    percent_axis(axes[0, 0])
    axes[0, 0].set_ylabel("stated relative flux error")
    return figure


def focal_plane(nights: Nights) -> Figure:
    """Figure 12: MAGLIM over the focal plane."""
    codes = [code for code in COLOUR if any(one.code == code for one in nights.plane)]
    figure, axes = panels(len(codes), height=3.2)
    places = _places()
    for axis, code in zip(axes[0], codes, strict=True):
        grid = np.full((8, 8), np.nan)
        for one in (one for one in nights.plane if one.code == code):
            grid[places[one.ccdid, one.qid]] = one.limiting_mag
        drawn = axis.imshow(grid, origin="lower", cmap="cividis")
        for k in (1.5, 3.5, 5.5):
            axis.axhline(k, color="white", linewidth=1.5)
            axis.axvline(k, color="white", linewidth=1.5)
        axis.grid(False)
        axis.spines[:].set_visible(False)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_title(f"{LETTER[code]}, median {np.nanmedian(grid):.2f}", fontsize=10)
        bar = figure.colorbar(drawn, ax=axis, shrink=0.8, label="MAGLIM [mag]" if code == codes[-1] else None)
        bar.ax.tick_params(labelsize=8)
    return figure


def _places() -> dict[tuple[int, int], tuple[int, int]]:
    """Row (north up) and column (east to the left) of each quadrant in a map of 8 x 8, by where it looks."""
    camera = Camera.load("ztf")
    each = list(camera.quadrants())
    north = np.argsort(np.argsort([camera.amplifier(*one).north_deg for one in each])) // 8
    west = np.argsort(np.argsort([-camera.amplifier(*one).east_deg for one in each])) // 8
    return {one: (int(row), int(column)) for one, row, column in zip(each, north, west, strict=True)}


def calibration(nights: Nights) -> Figure:
    """Figure 13: calibrators less calibrated magnitudes, and their scatter by magnitude."""
    epochs = [nearest_zenith(nights.through["sparse"], code) for code in ("zg", "zr")] + [nights.infrared]
    figure, axes = panels(3, rows=2, height=4.8, sharex=True, sharey="row")
    for k, one in enumerate(epochs):
        known = np.isfinite(one.calibrator_mag)
        mag, difference = one.calibrator_mag[known], (one.calibrator_mag - one.calibrated_mag)[known]
        top, bottom = axes[:, k]
        top.plot(*_thinned(mag, difference), ".", markersize=2, color=COLOUR[one.code], alpha=0.6)
        edges = np.arange(14, 20.1, 0.5)
        parts = [difference[(mag > low) & (mag <= low + 0.5)] for low in edges[:-1]]
        middle = np.array([low + 0.25 for low, part in zip(edges, parts, strict=False) if len(part) > 4])
        parts = [part for part in parts if len(part) > 4]
        top.plot(middle, [np.median(part) for part in parts], "o", color="black", markersize=4)
        top.set_ylim(-0.16, 0.16)
        top.set_title(f"{LETTER[one.code]}, {known.sum()} calibrators", fontsize=10)
        bottom.plot(middle, [_spread(part) for part in parts], "o-", color=COLOUR[one.code], markersize=4)
        bottom.set_ylim(0, 0.06)
        bottom.set_xlabel(f"{LETTER[one.code]} magnitude")
    axes[0, 0].set_ylabel("calibrator - ours [mag]")
    axes[1, 0].set_ylabel("RMS in 0.5 mag [mag]")
    return figure


def _spread(values: NDArray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
