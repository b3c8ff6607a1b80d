"""Nights of the synthetic camera in the form of the system paper's figures 6 to 9 and 11 to 13: the pictures, and
their numbers beside the paper's."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import figures
from benchmarks.accuracy import row
from benchmarks.figure_data import Epoch, Nights, observe
from benchmarks.figure_numbers import flux_rms_bins, limit_from, repeated, robust_rms

Row = dict[str, Any]


def rows() -> list[Row]:
    """Draw the pictures of docs/science-figures.md; their numbers, beside those of the paper."""
    nights = observe()
    figures.draw_all(nights)
    return [*_astrometry_rows(nights), *_photometry_rows(nights), *_limit_rows(nights)]


def _astrometry_rows(nights: Nights) -> list[Row]:
    table = []
    for code in ("zg", "zr"):
        rms = np.array([robust_rms(one) for one in nights.plane if one.code == code])
        table.append(
            row(f"focal plane, {code}: median astrometric RMS per axis, S/N > 10", float(np.nanmedian(rms)), unit="mas",
                bar="", met=None, note=f"{len(rms)} quadrants; the system paper's figure 6 has modes of 45 to 65 mas")
        )  # fmt: skip
    for code in ("zg", "zr"):
        epochs = [one for one in nights.through["sparse"] if one.code == code]
        worst = max(epochs, key=lambda one: one.airmass)
        table.append(
            row(f"through the night, {code}: astrometric RMS per axis at airmass {worst.airmass:.2f}, S/N > 10",
                float(robust_rms(worst).max()), unit="mas", bar="", met=None,
                note="the system paper has below 65 mas in g and 85 in r to airmass 2")
        )  # fmt: skip
    return table


def _photometry_rows(nights: Nights) -> list[Row]:
    table = []
    for case, code in (("sparse", "zg"), ("sparse", "zr"), ("dense", "zr")):
        found = repeated(nights.through[case], code)
        table.append(
            row(f"through the night, {case}, {code}: flux RMS at 14 to 16 mag", 1000 * found.bright_rms(), unit="mmag",
                bar="<= 25", met=found.bright_rms() <= 0.025,
                note=f"{found.epochs} exposures, zero points not refined; the system paper has 8 to 25 mmag")
        )  # fmt: skip
    for one in (*(figures.nearest_zenith(nights.through["sparse"], code) for code in ("zg", "zr")), nights.infrared):
        table.append(_calibration_row(one))
    return table


def _calibration_row(one: Epoch) -> Row:
    bright = np.isfinite(one.calibrator_mag) & (one.calibrator_mag < 16)
    bias = 1000 * float(np.median((one.calibrator_mag - one.calibrated_mag)[bright]))
    return row(f"{one.code}: median of calibrators brighter than 16 less ours", bias, unit="mmag", bar="|.| <= 20",
               met=abs(bias) <= 20, note="the system paper has up to 20 mmag")  # fmt: skip


def _limit_rows(nights: Nights) -> list[Row]:
    table = []
    for case in ("sparse", "dense"):
        epochs = [one for one in nights.through[case] if one.code == "zr"]
        seen = limit_from(*flux_rms_bins(repeated(epochs, "zr")))
        stated = float(np.median([one.limiting_mag for one in epochs]))
        table.append(
            row(f"through the night, {case}, zr: median MAGLIM less the magnitude of a fifth of flux RMS",
                stated - seen, unit="mag", bar="", met=None, note=f"MAGLIM {stated:.2f}; exposures differ in depth")
        )  # fmt: skip
    for code in sorted({one.code for one in nights.plane}):
        limits = np.array([one.limiting_mag for one in nights.plane if one.code == code])
        table.append(
            row(f"focal plane, {code}: median MAGLIM", float(np.nanmedian(limits)), unit="mag", bar="", met=None,
                note=f"{np.nanmin(limits):.2f} to {np.nanmax(limits):.2f} over {len(limits)} quadrants")
        )  # fmt: skip
    return table
