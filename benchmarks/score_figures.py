"""What scores are worth, from samples with known truth: thresholds, efficiencies, calibration, and their picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.samples import Samples

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "difference-scores.png"
SNR_BINS = ((5.0, 6.0), (6.0, 7.0), (7.0, 10.0), (10.0, 20.0), (20.0, 1000.0))
SNR_MIN, EFFICIENCY, SCORR_MIN = 7.0, 0.98, 6.0
"""The bar: this efficiency for sources of this true S/N and more; candidates of S_corr at least this."""
COLOURS = ("#882255", "#CC6677", "#E69F00", "#009E73", "#0072B2")
MARKERS = ("o", "s", "^", "D", "v")
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Scored:
    """Samples and the scores (n,) of one classifier."""

    name: str
    samples: Samples
    score: Floats

    @property
    def bright(self) -> NDArray[np.bool_]:
        """Real ones that the bar is about."""
        return self.samples.real & (self.samples.snr >= SNR_MIN)

    @property
    def bogus(self) -> NDArray[np.bool_]:
        return ~self.samples.real & (self.samples.scorr >= SCORR_MIN)

    @property
    def threshold(self) -> float:
        """The score that the bar's efficiency leaves."""
        return float(np.quantile(self.score[self.bright], 1 - EFFICIENCY))

    def efficiency(self, low: float, high: float, threshold: float | None = None) -> float:
        """Share of real ones of this range of S/N at or above a score, the threshold unless said."""
        those = self.samples.real & (self.samples.snr >= low) & (self.samples.snr < high)
        return _share(self.score[those] >= (self.threshold if threshold is None else threshold))

    def passed(self, kind: str | None = None) -> float:
        """Share of bogus ones at or above the threshold, of all kinds or of one."""
        those = self.bogus if kind is None else self.bogus & (self.samples.kind == kind)
        return _share(self.score[those] >= self.threshold)

    def reliability(self, bins: int = 5) -> tuple[Floats, Floats, Floats]:
        """Mean score, share of real ones and its error in bins of score, real and bogus of equal weight."""
        real = self.samples.real
        weight = np.where(real, 0.5 / real.sum(), 0.5 / (~real).sum())
        which = np.minimum((self.score * bins).astype(int), bins - 1)
        total = np.bincount(which, weight, bins)
        some = np.bincount(which, minlength=bins) >= 5
        mean = np.bincount(which, weight * self.score, bins)[some] / total[some]
        share = np.bincount(which, weight * real, bins)[some] / total[some]
        count = total[some] ** 2 / np.bincount(which, weight**2, bins)[some]
        return mean, share, np.sqrt(np.maximum(share * (1 - share), 0.25 / count) / count)

    def calibration_error(self) -> float:
        """Mean distance of score and share of real ones, bins weighted by the samples in them, classes alike."""
        real = self.samples.real
        weight = np.where(real, 0.5 / real.sum(), 0.5 / (~real).sum())
        which = np.minimum((self.score * 10).astype(int), 9)
        gap = np.bincount(which, weight * (real - self.score), 10)
        return float(np.abs(gap).sum())

    def nights(self) -> tuple[NDArray, Floats, Floats]:
        """Nights, and of each the efficiency of bright ones and the share of bogus ones at the one threshold."""
        numbers = np.unique(self.samples.night)
        good = self.score >= self.threshold
        shares = [
            [_share(good[those & (self.samples.night == night)]) for night in numbers]
            for those in (self.bright, self.bogus)
        ]
        return numbers, np.array(shares[0]), np.array(shares[1])


def _share(good: NDArray[np.bool_]) -> float:
    return float(good.mean()) if good.size else float("nan")


def draw(both: list[Scored], path: Path = PICTURE) -> Path:
    """ROC by S/N of each classifier; reliability; efficiency from night to night."""
    figure = Figure(figsize=(8.2, 6.8), dpi=110, layout="constrained")
    axes = figure.subplots(2, 2)
    for axis, one in zip(axes[0], both, strict=True):
        _roc(axis, one)
    _reliability(axes[1, 0], both)
    _drift(axes[1, 1], both)
    for axis in axes.ravel():
        axis.grid(True, color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": None})
    return path


def _roc(axis, one: Scored) -> None:
    levels = np.unique(np.concatenate([one.score[one.bogus], [2.0]]))[::-1]
    false = 1 - np.searchsorted(np.sort(one.score[one.bogus]), levels) / one.bogus.sum()
    for (low, high), colour in zip(SNR_BINS, COLOURS, strict=True):
        those = np.sort(one.score[one.samples.real & (one.samples.snr >= low) & (one.samples.snr < high)])
        found = 1 - np.searchsorted(those, levels) / max(len(those), 1)
        name = f"S/N {low:g} to {high:g}" if high < 1000 else f"S/N {low:g} and more"
        axis.plot(np.maximum(false, 3e-5), found, color=colour, label=name, drawstyle="steps-post")
    axis.set(xscale="log", xlim=(1e-4, 1), ylim=(0.6, 1.005), xlabel="bogus that pass", ylabel="real that pass",
             title=one.name)  # fmt: skip
    axis.legend(frameon=False, fontsize=8)


def _reliability(axis, both: list[Scored]) -> None:
    axis.plot([0, 1], [0, 1], color="#666666", linewidth=1)
    for one, colour, marker in zip(both, (COLOURS[0], COLOURS[4]), MARKERS, strict=False):
        mean, share, error = one.reliability()
        axis.errorbar(mean, share, error, color=colour, marker=marker, markersize=4, linewidth=1, label=one.name)
    axis.set(xlabel="mean score", ylabel="share of real ones", title="calibration, equal classes")
    axis.legend(frameon=False)


def _drift(axis, both: list[Scored]) -> None:
    for one, colour, marker in zip(both, (COLOURS[0], COLOURS[4]), MARKERS, strict=False):
        numbers, real, false = one.nights()
        axis.plot(numbers, real, color=colour, marker=marker, markersize=4, linewidth=1, label=f"{one.name}, real")
        axis.plot(numbers, false, color=colour, marker=marker, markersize=4, linewidth=1, linestyle=":",
                  markerfacecolor="none", label=f"{one.name}, bogus")  # fmt: skip
    axis.set(
        xlabel="night",
        xticks=numbers,
        ylabel="share that passes",
        ylim=(-0.03, 1.03),
        title="one threshold, many nights",
    )
    axis.legend(frameon=False, fontsize=8)
