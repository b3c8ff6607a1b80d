"""Real images of the public archive, measured anew, beside what their headers say.

The images are cut-outs of at most 10' of a quadrant, a header's numbers those of the whole quadrant. The limiting
magnitude is also judged by the image itself: by the scatter of fluxes forced at empty places.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from benchmarks.accuracy import row
from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.methods.sky.background import estimate
from ztfpipe.methods.stars.apertures import clean_stars
from ztfpipe.methods.stars.photometry import find_and_fit, forced_flux
from ztfpipe.model.images import Cards
from ztfpipe.model.science import Calibrators, ScienceImage
from ztfpipe.pipelines.science.given import measure_given_image
from ztfpipe.products.formats.fits import read_header
from ztfpipe.products.images.given import read_given
from ztfpipe.products.names import parse

Row = dict[str, Any]
FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "sciimg"
CLEAN_MIN = 5
EMPTY_STEP_PX, EMPTY_FROM_STARS_PX = 12, 8.0
CATALOG_BITS = (3, 4, 6, 7, 8, 10, 11, 12, 20, 25)
"""INFOBITS by which an image is called bad here: seeing, depth, sources, calibration."""


@dataclass(frozen=True)
class Real:
    """A real image, its header, what was measured on it, how many clean bright stars it has, and the magnitude at
    which stars would scatter by 0.2 mag judging by its empty places (NaN without a PSF)."""

    name: str
    header: Cards
    made: ScienceImage
    clean: int
    empty_limit_mag: float

    def given(self, keyword: str) -> float:
        """A number of the archive's header."""
        return float(self.header[keyword][0])

    def apcor_less_given(self) -> np.ndarray:
        """Aperture corrections 3 to 6 less the header's [mag]."""
        given = [self.given(f"APCOR{number}") for number in range(3, 7)]
        return np.array(self.made.apertures.correction_mag[2:]) - given

    @property
    def seeing_ratio(self) -> float:
        return self.made.seeing_px / self.given("SEEING")

    @property
    def maglim_less_given(self) -> float:
        return self.made.limiting_mag - self.given("MAGLIM")

    @property
    def archive_limit_less_given(self) -> float:
        """Of the limit in the archive's sense; NaN where there is none."""
        return float(self.made.metrics.get("maglim_archive", np.nan)) - self.given("MAGLIM")

    def bad_bits(self) -> tuple[set[int], set[int]]:
        """Bits that call it bad: ours, the header's."""
        found, given = self.made.infobits, int(self.given("INFOBITS"))
        return {bit for bit in CATALOG_BITS if found >> bit & 1}, {bit for bit in CATALOG_BITS if given >> bit & 1}


def files() -> list[Path]:
    """The images, none where they are not at hand."""
    return sorted(FOLDER.glob("ztf_*_sciimg.fits"))


def measure(path: Path) -> Real:
    """Measure one image with its own calibration."""
    camera, settings = Camera.load("ztf"), Science()
    day = path.name.split("_")[1]
    _, key = parse(f"sci/{day[:4]}/{day[4:8]}/{day[8:]}/{path.name}")
    given, pointing, _ = read_given(path, None, key, camera)
    made = measure_given_image(given, Calibrators(None, None, None), camera, key, pointing, settings)
    if made.psf is None:
        return Real(day, read_header(path), made, 0, np.nan)
    unusable = (made.mask & np.uint16(camera.defect_mask)) != 0
    background = estimate(given.image_adu, unusable, mesh_px=settings.background_mesh_px)
    weight = np.where(unusable, np.float32(0), background.noise**-2)
    gain = given.gain_e_per_adu
    stars, residual, _ = find_and_fit(given.image_adu - background.level, weight, made.psf, gain_e_per_adu=gain)
    noise_adu = _empty_scatter(residual, weight, made.psf, stars, gain)
    flux_adu = _flux_at_scatter(noise_adu, gain, 0.2)
    return Real(
        day,
        read_header(path),
        made,
        len(clean_stars(stars)),
        float(made.photometry.zero_point - 2.5 * np.log10(flux_adu)),
    )


def _empty_scatter(residual: np.ndarray, weight: np.ndarray, psf: Any, stars: Any, gain: float) -> float:
    """Robust scatter of PSF fluxes at places away from stars [DN]."""
    ny, nx = residual.shape
    rng = np.random.default_rng(1)
    y, x = (grid.ravel() for grid in np.mgrid[15 : ny - 15 : EMPTY_STEP_PX, 15 : nx - 15 : EMPTY_STEP_PX])
    x, y = (values + rng.uniform(-3, 3, values.size) for values in (x, y))
    forced = forced_flux(residual, weight, psf, x, y, gain_e_per_adu=gain)
    distance, _ = cKDTree(np.column_stack([stars.x_px, stars.y_px])).query(np.column_stack([x, y]))
    flux = forced.flux_adu[(distance > EMPTY_FROM_STARS_PX) & (forced.good_fraction > 0.99)]
    return float(1.4826 * np.median(np.abs(flux - np.median(flux))))


def _flux_at_scatter(noise_adu: float, gain: float, scatter_mag: float) -> float:
    """Flux whose error, background noise and its own photons, is this many magnitudes."""
    ratio = 2.5 / np.log(10) / scatter_mag
    photons = ratio**2 / gain
    return (photons + np.sqrt(photons**2 + 4 * (ratio * noise_adu) ** 2)) / 2


def rows() -> list[Row]:
    """Lines of the accuracy table; none where the images are not at hand."""
    images = [measure(path) for path in files()]
    if not images:
        return []
    judged = [one for one in images if one.clean >= CLEAN_MIN]
    apcor = np.array([one.apcor_less_given() for one in judged])
    seeing = np.array([one.seeing_ratio - 1 for one in judged])
    limit = np.array([one.maglim_less_given for one in judged])
    calm = [one for one in judged if not one.bad_bits()[1]]
    archive = np.array([one.archive_limit_less_given for one in judged])
    own = np.array([one.made.limiting_mag - one.empty_limit_mag for one in calm])
    theirs = np.array([one.given("MAGLIM") - one.empty_limit_mag for one in judged])
    bits = [one.bad_bits() for one in images]
    flagged = [(ours, given) for ours, given in bits if given]
    return [
        row("real images with five clean bright stars", len(judged), bar="", met=None, note=f"of {len(images)}"),
        *_pair("APCOR3 to 6 less the header's", np.abs(apcor), judged, "mag", (0.03, 0.01)),
        *_pair("SEEING over the header's, less one", np.abs(seeing), judged, "", (0.10, 0.04)),
        *_pair("MAGLIM less the header's", np.abs(limit), judged, "mag", (0.2, 0.1)),
        *_pair("maglim_archive less the header's MAGLIM", np.abs(archive), judged, "mag", (0.2, 0.1)),
        *_pair("not flagged: MAGLIM less that of the scatter at empty places", np.abs(own), calm, "mag", (0.1, None)),
        row("real images: header's MAGLIM less that of the scatter at empty places, median", float(np.median(theirs)),
            unit="mag", bar="", met=None, note=f"from {theirs.min():+.2f} to {theirs.max():+.2f}"),
        row("real images: flagged bad in the header, found bad by the same bits",
            sum(given <= ours for ours, given in flagged), bar=f"all {len(flagged)}",
            met=all(given <= ours for ours, given in flagged)),
        row("real images: found bad, not flagged in the header", sum(bool(ours) and not given for ours, given in bits),
            bar="", met=None, note="no PSF from fewer than five stars of a cut-out"),
    ]  # fmt: skip


def _pair(name: str, size: np.ndarray, judged: list[Real], unit: str, bars: tuple[float, float | None]) -> list[Row]:
    """Rows of the largest value and of the median over frames."""
    worst = size if size.ndim == 1 else size.max(axis=1)
    largest = row(
        f"real images: {name}, largest", float(worst.max()), unit=unit, bar=f"<= {bars[0]}",
        met=bool(worst.max() <= bars[0]),
        note=f"{judged[int(worst.argmax())].name}; {np.count_nonzero(worst <= bars[0])} of {len(worst)} within the bar",
    )  # fmt: skip
    middle = float(np.median(size))
    typical = row(
        f"real images: {name}, median", middle, unit=unit, bar=f"<= {bars[1]}" if bars[1] else "",
        met=middle <= bars[1] if bars[1] else None,
    )  # fmt: skip
    return [largest, typical]
