"""Matchfiles from pixels: matching, relative photometry, variables found and their periods, the paper's figure 10."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.timeseries import LombScargle

from benchmarks import curve_figures
from benchmarks.accuracy import row
from benchmarks.curve_scenes import FLAT_ERROR, SNR_MIN, ZP_NOISE_MAG, Curves, cut_out, observe

EXCESS_MMAG, BIAS_MMAG, RIGHT_PERCENT, PERIODS_PERCENT = 2.5, 2.0, 99.9, 80.0
STARS_PER_SQUARE_DEGREE, NIGHTS = 16_000.0, 15
SEEN_MIN = 0.8
VARIABLE_MAG, VARIABLE_AMPLITUDE_MAG = 19.0, 0.1
"""Periods are sought of variables brighter, and of greater amplitude in g, than this."""
TERMS = 2
"""Harmonics of the periodogram: one sine does not follow a saw tooth."""


def rows() -> list[dict[str, Any]]:
    """Lines of the accuracy table; the pictures of light curves are drawn."""
    with tempfile.TemporaryDirectory(prefix="validate-curves-") as folder:
        curves = observe(Path(folder), cut_out(Path(folder)), STARS_PER_SQUARE_DEGREE, NIGHTS)
    found = periods(curves)
    curve_figures.draw_all(curves, found)
    return [*_photometry_rows(curves), *_matching_rows(curves), *_period_rows(found)]


def left_over(curves: Curves, column: str, clear: bool) -> pd.DataFrame:
    """Measurements of stars of Cramer-Rao bound known, seen often, of all epochs or those without a cloud; `left`:
    residual from the truth, each star's mean taken off."""
    data = curves.data[np.isfinite(curves.data.bound_mag)].copy()
    if clear:
        data = data[data.cloud_mag == 0]
    epochs = data.jd.nunique()
    data["left"] = data[column] - data.true_mag
    by_star = data.groupby("star").left
    data["left"] -= by_star.transform("mean")
    return data[by_star.transform("size") >= SEEN_MIN * epochs]


def excess_mmag(curves: Curves, column: str, clear: bool) -> tuple[float, float, int, int]:
    """Scatter beyond Cramer-Rao, in quadrature, and scatter as it is [mmag], of the bright constant stars; their
    number, and that of the epochs."""
    data = left_over(curves, column, clear)
    groups = data.groupby("star")
    variance, bound = groups.left.var(ddof=1), groups.bound_mag.apply(lambda one: np.mean(one**2))
    excess = np.sqrt(max(float(np.median(variance - bound)), 0.0))
    return 1000 * excess, 1000 * float(np.sqrt(np.median(variance))), len(variance), data.jd.nunique()


def amplitude_scales(curves: Curves) -> np.ndarray:
    """Measured over true variation of each variable, by least squares, less one [mmag per mag]."""
    data = curves.data[(curves.data.kind != "constant") & (curves.data.star >= 0) & (curves.data.true_mag < 18)]
    scales = []
    for _, one in data.groupby("star"):
        true, measured = one.true_mag - one.true_mag.mean(), one.mag - one.mag.mean()
        # A star whose light changes by a tenth says how well a tenth is measured.
        if len(one) >= SEEN_MIN * curves.data.jd.nunique() and true.std() > 0.05:
            scales.append(1000 * (float(np.sum(true * measured) / np.sum(true**2)) - 1) * float(true.std()))
    return np.array(scales)


def right_percent(curves: Curves) -> tuple[float, int]:
    """Detections above SNR_MIN of a star that stand under the match id that most of the star's do, and the other way
    round [%]; their number."""
    data = curves.data[(curves.data.snr >= SNR_MIN) & (curves.data.star >= 0)]
    of_star = data.groupby("star").matchid.agg(lambda one: one.mode().iloc[0])
    of_match = data.groupby("matchid").star.agg(lambda one: one.mode().iloc[0])
    right = (data.matchid == data.star.map(of_star)) & (data.star == data.matchid.map(of_match))
    return 100 * float(right.mean()), len(data)


def variables_found(curves: Curves) -> pd.DataFrame:
    """Sources that vary by what the matchfile says of them: scatter far beyond that of sources of their magnitude."""
    sources = curves.sources
    good = sources[(sources.ngoodobs >= SEEN_MIN * sources.ngoodobs.max()) & (sources.medianmag < VARIABLE_MAG)]
    return good[(good.medianabsdev > 3 * good.medmagerr) & (good.vonneumannratio > 0)]


def periods(curves: Curves) -> pd.DataFrame:
    """Periods of the periodic variables that were found: `matchid`, `period_d`, and the truth's `true_d`, `kind`."""
    listed = []
    for matchid in variables_found(curves).matchid:
        one = curves.data[(curves.data.matchid == matchid) & (curves.data.catflags < 1 << 15)]
        star = int(one.star.mode().iloc[0])
        truth = curves.stars.loc[star] if star >= 0 else None
        if truth is None or truth.kind not in ("rrlyrae", "rotating") or truth.amplitude_mag < VARIABLE_AMPLITUDE_MAG:
            continue
        periodogram = LombScargle(one.mjd, one.mag, one.magerr, nterms=TERMS)
        frequency = np.arange(1 / 45, 1 / 0.25, 0.1 / np.ptp(one.mjd))
        best = frequency[np.argmax(periodogram.power(frequency))]
        listed.append((int(matchid), truth.kind, 1 / best, truth.period_d, float(np.ptp(one.mjd))))
    return pd.DataFrame(listed, columns=["matchid", "kind", "period_d", "true_d", "span_d"])


def right_periods(found: pd.DataFrame) -> pd.Series:
    """Whether a period, or a simple multiple of it, is the true one to a tenth of a turn over the observations."""
    turns = found.span_d / found.true_d
    return np.logical_or.reduce([
        np.abs(found.span_d / (found.period_d * multiple) - turns) < np.maximum(0.1, 0.01 * turns)
        for multiple in (0.5, 1.0, 2.0)
    ])  # fmt: skip


def _photometry_rows(curves: Curves) -> list[dict[str, Any]]:
    note = (
        f"a cut-out of 768 x 780 px from raw counts; {1000 * ZP_NOISE_MAG:.0f} mmag added to zero points, flats wrong"
        f" by {100 * FLAT_ERROR:.0f} % in two ways, a quarter of the exposures cloudy"
    )
    before = excess_mmag(curves, "uncalibmag", clear=True)
    clear, every = (excess_mmag(curves, "mag", clear=one) for one in (True, False))
    scales = amplitude_scales(curves)
    bias = float(np.median(scales))
    name = "light curves from pixels"
    return [
        row(f"{name}: scatter of bright stars beyond Cramer-Rao, clear epochs, before", before[0], unit="mmag", bar="",
            met=None, note=f"{before[1]:.1f} mmag with it, {before[3]} epochs"),
        row(f"{name}: the same, after relative photometry", clear[0], unit="mmag", bar=f"<= {EXCESS_MMAG:g}",
            met=clear[0] <= EXCESS_MMAG, note=f"{note}; {clear[1]:.1f} mmag with it, {clear[2]} stars of 13.5 to 15.5"
            " mag; clear: the sky had no cloud"),
        row(f"{name}: the same, with the clouds", every[0], unit="mmag", bar=f"<= {EXCESS_MMAG:g}",
            met=every[0] <= EXCESS_MMAG, note=f"{every[3]} epochs; clouds of 0.15 mag have 40 mmag of structure"),
        row(f"{name}: median bias of the RMS of {len(scales)} variables", bias, unit="mmag",
            bar=f"|..| <= {BIAS_MMAG:g}", met=abs(bias) <= BIAS_MMAG),
    ]  # fmt: skip


def _matching_rows(curves: Curves) -> list[dict[str, Any]]:
    right, count = right_percent(curves)
    return [
        row(f"light curves from pixels: detections of S/N >= {SNR_MIN:g} rightly matched", right, unit="%",
            bar=f">= {RIGHT_PERCENT:g}", met=right >= RIGHT_PERCENT, note=f"{count} detections of stars")
    ]  # fmt: skip


def _period_rows(found: pd.DataFrame) -> list[dict[str, Any]]:
    right = 100 * float(np.mean(right_periods(found)))
    kinds = ", ".join(f"{int(n)} {kind}" for kind, n in found.kind.value_counts().items())
    return [
        row("light curves from pixels: periods of the variables found that are right", right, unit="%",
            bar=f">= {PERIODS_PERCENT:g}", met=right >= PERIODS_PERCENT,
            note=f"{kinds}; astropy's LombScargle with {TERMS} terms; half and twice the period count")
    ]  # fmt: skip
