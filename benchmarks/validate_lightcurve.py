"""Light curves against truth: what relative photometry leaves, what it does to variables, and right matches."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import row
from benchmarks.lightcurve_scenes import GAP_D, KEY, OUTPUT, Truth, epoch_of, key_of, sigma_mag, write_survey
from ztfpipe.products.catalogs import matchfile
from ztfpipe.products.names import path_of
from ztfpipe.steps.lightcurve.matching import match

EPOCHS = 60
SPARSE, DENSE, DENSE_EPOCHS = 15_000, 130_000, 6
EXCESS_MMAG, BIAS_MMAG, RIGHT_SPARSE, RIGHT_DENSE, SNR_MIN = 2.5, 2.0, 99.9, 99.0, 7.0


def light_curves(truth: Truth, column: str) -> np.ndarray:
    """Residuals from truth [mag], (stars, epochs), NaN where not measured; a source's mean is taken off."""
    data, exposures = matchfile.read_rows(OUTPUT, "sourcedata"), matchfile.read_rows(OUTPUT, "exposures")
    place = {int(one): k for k, one in enumerate(exposures["expid"])}
    epoch = np.array([place[int(one)] for one in data["expid"]])
    table = np.full((truth.mag.size, EPOCHS), np.nan)
    table[data["matchid"], epoch] = data[column]
    expected = np.array([truth.at(k) for k in range(EPOCHS)]).T
    left = table - expected
    return left - np.nanmean(left, axis=1, keepdims=True)


def excess_mmag(left: np.ndarray, truth: Truth) -> float:
    """Scatter of constant stars of 13.5 to 15.5 mag beyond the Cramer-Rao error, in quadrature [mmag]."""
    bright = (truth.mag > 13.5) & (truth.mag < 15.5) & (truth.amplitude_mag == 0)
    variance = np.nanvar(left[bright], axis=1, ddof=1)
    return 1000 * float(np.sqrt(max(np.mean(variance - sigma_mag(truth.mag[bright]) ** 2), 0.0)))


def amplitude_biases(left: np.ndarray, truth: Truth) -> np.ndarray:
    """Fitted less true amplitude of each variable [mmag]."""
    phase = 2 * np.pi * GAP_D * np.arange(EPOCHS)
    found = []
    for one in np.flatnonzero(truth.amplitude_mag > 0):
        wave = np.sin(phase / truth.period_d[one])
        good = np.isfinite(left[one])
        wave = wave[good] - wave[good].mean()
        # Periods near a multiple of the cadence have no amplitude to speak of.
        if np.mean(wave**2) > 0.1:
            found.append(1000 * np.sum(wave * left[one][good]) / np.sum(wave**2))
    return np.array(found)


def right_percent(truth: Truth, epochs: int) -> float:
    """Detections of S/N 7 and more that got the match id of their star [%]."""
    data, exposures = matchfile.read_rows(OUTPUT, "sourcedata"), matchfile.read_rows(OUTPUT, "exposures")
    right = total = 0
    for k in range(epochs):
        catalog, star, _ = epoch_of(truth, k)
        rows = data[data["expid"] == exposures["expid"][k]]
        given = {(float(f)): int(m) for f, m in zip(rows["psfflux"], rows["matchid"], strict=True)}
        strong = catalog.snr >= SNR_MIN
        flux = catalog.flux_adu[strong].astype(np.float32)
        right += sum(given.get(float(f)) == s for f, s in zip(flux, star[strong], strict=True))
        total += int(strong.sum())
    return 100 * right / total


def _survey(folder: str, stars: int, epochs: int) -> Truth:
    """Make a survey's matchfile; the truth. The present folder must be its archive when it is read."""
    truth = write_survey(Path(folder), stars, epochs)
    with contextlib.chdir(Path(folder) / "archive"):
        match(OUTPUT, Path("../settings/lightcurve.json"), Path(path_of("matchepochs", KEY)))
    return truth


def rows() -> list[dict[str, Any]]:
    """Figures of a sparse field over sixty epochs and a dense one over six."""
    note = (
        "15 mmag of zero-point noise, clouds with 10 mmag of structure, two flats in turn that are wrong by 3 % at the"
        " edges, catalogs drawn from truth; excess in quadrature over the errors put in"
    )
    with tempfile.TemporaryDirectory(prefix="validate-lightcurve-") as folder:
        truth = _survey(folder, SPARSE, EPOCHS)
        with contextlib.chdir(Path(folder) / "archive"):
            assert key_of(0).reference == KEY
            before, after = (light_curves(truth, column) for column in ("uncalibmag", "mag"))
            sparse = right_percent(truth, DENSE_EPOCHS)
    with tempfile.TemporaryDirectory(prefix="validate-lightcurve-") as folder:
        crowd = _survey(folder, DENSE, DENSE_EPOCHS)
        with contextlib.chdir(Path(folder) / "archive"):
            dense = right_percent(crowd, DENSE_EPOCHS)
    excess, biases = excess_mmag(after, truth), amplitude_biases(after, truth)
    bias = float(np.median(biases))
    return [
        row("relative photometry: scatter of 13.5 to 15.5 mag beyond Cramer-Rao, before",
            excess_mmag(before, truth), unit="mmag", bar="", met=None),
        row("relative photometry: the same, after", excess, unit="mmag", bar=f"<= {EXCESS_MMAG:g}",
            met=excess <= EXCESS_MMAG, note=note),
        row(f"relative photometry: median bias of the amplitudes of {len(biases)} variables", bias, unit="mmag",
            bar=f"|..| <= {BIAS_MMAG:g}", met=abs(bias) <= BIAS_MMAG),
        row(f"matching: right at S/N >= 7, {SPARSE} sources a quadrant", sparse, unit="%",
            bar=f">= {RIGHT_SPARSE:g}", met=sparse >= RIGHT_SPARSE),
        row(f"matching: right at S/N >= 7, {DENSE} sources a quadrant", dense, unit="%",
            bar=f">= {RIGHT_DENSE:g}", met=dense >= RIGHT_DENSE),
    ]  # fmt: skip
