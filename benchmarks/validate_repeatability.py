"""Repeatability of bright stars of a whole quadrant, from raw counts through the science recipe to the matchfile.

Twenty epochs of full size take seven minutes of one processor.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.accuracy import row
from benchmarks.curve_scenes import FLAT_ERROR, ZP_NOISE_MAG, Curves, observe
from benchmarks.science_scenes import SPARSE
from benchmarks.validate_curves import EXCESS_MMAG, excess_mmag

NIGHTS = 10


def rows() -> list[dict[str, Any]]:
    """Scatter beyond Cramer-Rao of a sparse field."""
    with tempfile.TemporaryDirectory(prefix="validate-repeatability-") as folder:
        return scatter_rows(observe(Path(folder), "ztf", SPARSE, NIGHTS))


def scatter_rows(curves: Curves) -> list[dict[str, Any]]:
    """Without and with relative photometry, of the epochs without a cloud and of all."""
    before = excess_mmag(curves, "uncalibmag", clear=True)
    clear, every = (excess_mmag(curves, "mag", clear=one) for one in (True, False))
    name = "full-size light curves from pixels"
    mags = curves.data.groupby("jd").cloud_mag.first()
    return [
        row(f"{name}: scatter of bright stars beyond Cramer-Rao, clear epochs, before", before[0], unit="mmag", bar="",
            met=None, note=f"{before[1]:.1f} mmag with it, {before[3]} epochs"),
        row(f"{name}: the same, after relative photometry", clear[0], unit="mmag", bar=f"<= {EXCESS_MMAG:g}",
            met=clear[0] <= EXCESS_MMAG, note=f"sparse field; {1000 * ZP_NOISE_MAG:.0f} mmag added to zero points,"
            f" flats wrong by {100 * FLAT_ERROR:.0f} % in two ways; {clear[1]:.2f} mmag with it, {clear[2]} stars of"
            " 13.5 to 15.5 mag; clear: the sky had no cloud"),
        row(f"{name}: the same, with the clouds", every[0], unit="mmag", bar=f"<= {EXCESS_MMAG:g}",
            met=every[0] <= EXCESS_MMAG, note=f"{(mags > 0).sum()} of {every[3]} epochs through clouds of"
            f" {mags[mags > 0].min():.2f} to {mags.max():.2f} mag, a quarter of it structure; calibrators are too few"
            " here to follow that to better than 6 mmag in such an epoch"),
    ]  # fmt: skip
