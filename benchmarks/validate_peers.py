"""Our catalogs and solutions beside those of the best other programs, on the same images, against the same truth.

crowdsource runs in an environment of its own on the dense field of validate_stars, with our PSF; SCAMP on a simulated
quadrant, with SExtractor's positions. A peer that is not installed is named as such. `make bench-peers` installs them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks import bench_science_peers, peers, validate_stars
from benchmarks.accuracy import row
from benchmarks.pairs import brightest_first
from benchmarks.validate_stars import Field, selections
from ztfpipe.methods.sky.projection import pixel_to_sky
from ztfpipe.model.stars import FittedStars

GAIN_E_PER_ADU = 6.2
BINS_MAG = ((13.5, 16.0), (16.0, 18.0), (18.0, 19.0), (19.0, 20.0), (20.0, 20.5), (20.5, 21.0))
Row = dict[str, Any]


@dataclass(frozen=True)
class Paired:
    """A catalog beside the truth. For each true star its row or -1; for each row whether it is a star, and whether it
    is away from masked pixels and edges; significance and flux of rows."""

    match: NDArray[np.intp]
    real: NDArray[np.bool_]
    clear: NDArray[np.bool_]
    snr: NDArray[np.float64]
    flux: NDArray[np.float64]

    @classmethod
    def of(cls, field: Field, snr: NDArray) -> Paired:
        """The stars of `field` paired with its truth; snr: true S/N."""
        positions = np.column_stack([field.x, field.y])
        measured = np.column_stack([field.stars.x_px, field.stars.y_px])
        found = brightest_first(positions, np.where(snr > 2, field.flux, np.nan), measured)
        real = np.zeros(len(field.stars), bool)
        real[found[found >= 0]] = True
        return cls(found, real, selections(field)[2], field.stars.snr, field.stars.flux_adu)

    @property
    def purity(self) -> float:
        return float(self.real[self.clear].mean())

    def cut_for(self, purity: float) -> float:
        """Lowest significance above which the catalog is that pure."""
        snr, real = self.snr[self.clear], self.real[self.clear]
        order = np.argsort(-snr)
        pure = np.flatnonzero(np.cumsum(real[order]) >= purity * np.arange(1, len(snr) + 1))
        return float(snr[order][pure[-1]]) if pure.size else np.inf

    def found(self, cut: float) -> NDArray[np.bool_]:
        """Whether each true star has a row above a significance."""
        return (self.match >= 0) & (self.snr[self.match] >= cut)


def crowdsource_catalog(field: Field) -> FittedStars:
    """Positions, fluxes and their errors by crowdsource from the same pixels, weights and PSF."""
    with TemporaryDirectory(prefix="crowdsource-") as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        bench_science_peers.write_for_crowdsource(source, field.image, field.weight, field.psf, GAIN_E_PER_ADU)
        command = [peers.CROWDSOURCE_PYTHON, peers.CROWDSOURCE / "run.py", source, target]
        ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise RuntimeError(f"crowdsource failed:\n{ran.stderr[-2000:]}")
        found = {name: np.asarray(values, np.float64) for name, values in np.load(target).items()}
    none = np.zeros(len(found["x"]))
    return FittedStars(
        found["x"], found["y"], found["flux"], none, none, found["sigma"], none, none, found["quality"],
        none.astype(np.int32), none == 0,
    )  # fmt: skip


def crowded_rows() -> list[Row]:
    """Completeness by magnitude of the dense field: ours less crowdsource's, both cut to the purity of the purer."""
    if not peers.installed("crowdsource"):
        return [_absent("dense, beside crowdsource")]
    count, fwhm_px, _ = validate_stars.FIELDS["dense"]
    field = validate_stars.make_field(count, fwhm_px)
    validate_stars.measure_field(field, GAIN_E_PER_ADU)
    snr, unmasked = field.snr(GAIN_E_PER_ADU), selections(field)[0]
    ours = Paired.of(field, snr)
    theirs = Paired.of(replace(field, stars=crowdsource_catalog(field)), snr)
    purity = max(ours.purity, theirs.purity)
    found = [one.found(one.cut_for(purity)) for one in (ours, theirs)]
    rows = [
        row(f"dense, {name}: purity of its whole catalog", one.purity, bar="", met=None)
        for name, one in (("ours", ours), ("crowdsource", theirs))
    ]
    for low, high in BINS_MAG:
        here = unmasked & (field.mag > low) & (field.mag < high)
        mine, other = (float(one[here].mean()) for one in found)
        scatter = [_scatter(field, one, here & seen) for one, seen in zip((ours, theirs), found, strict=True)]
        note = (
            f"ours {mine:.4f}, crowdsource {other:.4f} of {here.sum()} stars, both at purity {purity:.4f}; "
            f"scatter {scatter[0]:.4f} and {scatter[1]:.4f} mag"
        )
        rows.append(row(f"dense, {low:g} to {high:g} mag: completeness less crowdsource's", 100 * (mine - other),
                        unit="%", bar=">= 0", met=mine >= other, note=note))  # fmt: skip
    return rows


def _scatter(field: Field, one: Paired, chosen: NDArray[np.bool_]) -> float:
    error = -2.5 * np.log10(np.maximum(one.flux[one.match[chosen]], 1e-3) / field.flux[chosen])
    return float(1.4826 * np.median(np.abs(error - np.median(error))))


def scamp_rows() -> list[Row]:
    """RMS per axis against truth, at true pixels, G 12 to 18, of SCAMP's quartic and of ours on the same quadrants."""
    if not (peers.installed("scamp") and peers.installed("source-extractor")):
        return [_absent("astrometry, beside SCAMP")]
    return [line for case in ("sparse", "dense") for line in _solution_rows(case)]


def _solution_rows(case: str) -> list[Row]:
    exposure = bench_science_peers.expose(case)
    made = exposure.science()
    with TemporaryDirectory(prefix="scamp-") as folder:
        bench_science_peers.write_inputs(Path(folder), exposure, made)
        bench_science_peers.write_for_programs(folder)()
        bench_science_peers.sextractor(folder, "positions")()
        bench_science_peers.scamp(folder)()
        solved = peers.solution(Path(folder) / "positions.head")
    stars = exposure.tables["stars"]
    ny, nx = made.image_adu.shape
    stars = stars[stars.x_px.between(0, nx - 1) & stars.y_px.between(0, ny - 1) & stars.gaia_g_mag.between(12, 18)]
    x, y = stars.x_px.to_numpy(), stars.y_px.to_numpy()
    ours = _rms_mas(pixel_to_sky(made.wcs, x, y), stars)
    theirs = _rms_mas(solved.all_pix2world(x, y, 0), stars)
    name = f"{case}, astrometry G 12-18"
    return [
        row(f"{name}: SCAMP, RMS per axis of the WCS", theirs, unit="mas", bar="", met=None),
        row(f"{name}: ours on the same image", ours, unit="mas", bar="<= 1.05 x SCAMP's", met=ours <= 1.05 * theirs),
    ]


def _rms_mas(found: Sequence[NDArray], stars: pd.DataFrame) -> float:
    """RMS of found less true positions, of the worse axis."""
    east = (found[0] - stars.ra_deg) * np.cos(np.radians(stars.dec_deg))
    return float(3.6e6 * max(np.sqrt(np.mean(offset**2)) for offset in (east, found[1] - stars.dec_deg)))


def _absent(name: str) -> Row:
    return row(f"{name}: not installed, make bench-peers", np.nan, bar="", met=None)


def rows() -> list[Row]:
    """Rows of both comparisons."""
    return [*crowded_rows(), *scamp_rows()]
