"""A night's efficiency against magnitude: JSON for programs, a picture for people."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ztfpipe.model.planted import Efficiency, Logistic
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.formats.text import reading

_COLOURS = {"zg": "tab:green", "zr": "tab:red", "zi": "tab:purple"}


def write_efficiencies(path: str | Path, night: str, curves: Sequence[Efficiency]) -> None:
    """Write the curves of a night, one a line, atomically; what could not be fitted is null."""
    lines = [json.dumps(_plain(dataclasses.asdict(one)), allow_nan=False) for one in curves]
    write_text(path, f'{{"night": {json.dumps(night)}, "curves": [\n' + ",\n".join(lines) + "\n]}\n")


def read_efficiencies(path: str | Path) -> tuple[Efficiency, ...]:
    """Read them. BadFile when the file is missing or holds something else."""
    with reading(path, "an efficiency of a night") as text:
        content = json.loads(text)
        return tuple(_curve(one) for one in content["curves"])


def _plain(content: dict) -> dict:
    """NaN becomes null: JSON has none."""
    return {
        name: _plain(value) if isinstance(value, dict)
        else None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in content.items()
    }  # fmt: skip


def _curve(content: dict) -> Efficiency:
    fit = Logistic(**{name: math.nan if value is None else value for name, value in content.pop("fit").items()})
    pull = content.pop("pull")
    lists = {name: tuple(content.pop(name)) for name in ("mag", "planted", "found", "expected")}
    return Efficiency(**content, **lists, pull=math.nan if pull is None else pull, fit=fit)


def efficiency_png(night: str, curves: Sequence[Efficiency]) -> bytes:
    """Share found against magnitude with its binomial error, the fitted curve, and what the noise lets expect."""
    figure = Figure(figsize=(8.0, 4.6), dpi=100, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for one in curves:
        colour = _COLOURS.get(one.filter, "black")
        planted, found, mag = (np.array(v, float) for v in (one.planted, one.found, one.mag))
        some = planted > 0
        share = found[some] / planted[some]
        # Wilson's interval at one sigma, which has a length also at nought and at one.
        error = np.sqrt(share * (1 - share) / planted[some] + 1 / (4 * planted[some] ** 2)) / (1 + 1 / planted[some])
        where = "on hosts" if one.hosted else "off hosts"
        label = f"{one.filter[1]} band {where}, {int(planted.sum())} planted"
        if one.fit.converged:
            label += f": half at {one.fit.half_mag:.2f} ± {one.fit.half_error_mag:.2f} mag"
            fine = np.linspace(mag.min() - 0.2, mag.max() + 0.2, 200)
            axes.plot(fine, one.fit(fine), color=colour, linestyle="--" if one.hosted else "-", linewidth=1.2)
        axes.errorbar(mag[some], share, error, color=colour, marker="s" if one.hosted else "o", markersize=5,
                      markerfacecolor="white" if one.hosted else colour, linestyle="none", label=label)  # fmt: skip
        if not one.hosted:
            expected = np.array(one.expected)[some] / planted[some]
            axes.plot(mag[some], expected, color="0.4", linestyle=":", linewidth=1.2)
    axes.plot([], [], color="0.4", linestyle=":", label="expected from the noise, off hosts")
    axes.set(xlabel="magnitude", ylabel="share of planted sources found", ylim=(-0.05, 1.08))
    axes.set_title(f"Planted point sources, night {night}", loc="left")
    axes.legend(loc="lower left", fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
