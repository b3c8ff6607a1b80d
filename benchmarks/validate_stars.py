"""Detection, PSF and photometry of full-size synthetic quadrants against truth, sparse and dense, and their cost.

The stars are drawn by the tests' own renderer (tests/methods/stars/sky.py): three Moffat profiles a star, integrated
over pixels, of a width that changes over the quadrant. Counts rise by 10^0.3 per magnitude to 1.6 mag below the limit.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

from benchmarks.accuracy import row
from benchmarks.pairs import brightest_first
from ztfpipe.methods.stars.calibration import limiting_magnitude
from ztfpipe.methods.stars.detection import detect, gaussian_filter
from ztfpipe.methods.stars.photometry import find_and_fit, forced_flux
from ztfpipe.methods.stars.psf import noise_area
from ztfpipe.methods.stars.psf_fit import fit_psf
from ztfpipe.model.stars import FittedStars, PsfModel

SHAPE = (3080, 3072)
ZERO_POINT_MAG = 26.3
SKY_ADU = 150.0
SATURATION_ADU = 45_000.0
BRIGHTEST_MAG, FAINTEST_MAG = 13.5, 22.3
DETECTABLE_MAG = 20.7
SLOPE = 0.3
FIELDS = {"sparse": (5_000, 2.1, 3.0), "dense": (30_000, 2.1, 6.0), "undersampled": (5_000, 1.5, 3.0)}
"""Stars brighter than DETECTABLE_MAG, FWHM before the pixel [px], CPU seconds allowed."""


def _load_sky() -> Any:
    path = Path(__file__).resolve().parents[1] / "tests" / "methods" / "stars" / "sky.py"
    spec = importlib.util.spec_from_file_location("synthetic_star_sky", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Field:
    """A synthetic quadrant, what was measured on it, and which measurement is which star (-1: none)."""

    image: NDArray[np.float32]
    weight: NDArray[np.float32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    mag: NDArray[np.float64]
    stars: FittedStars | None = None
    psf: PsfModel | None = None
    cpu_s: float = np.nan
    background: NDArray[np.float32] | None = None

    @property
    def flux(self) -> NDArray[np.float64]:
        """True flux [ADU]."""
        return 10 ** (-0.4 * (self.mag - ZERO_POINT_MAG))

    def snr(self, gain: float) -> NDArray[np.float64]:
        """True matched-filter signal-to-noise ratio of each star alone on the sky."""
        area = noise_area(self.psf, SHAPE[1] / 2, SHAPE[0] / 2)
        return self.flux / np.sqrt(area / np.median(self.weight) + self.flux / gain)


def make_field(count: int, fwhm_px: float, seed: int = 7) -> Field:
    """Draw a quadrant."""
    sky = _load_sky()
    rng = np.random.default_rng(seed)
    total = int(count * 10 ** (SLOPE * (FAINTEST_MAG - DETECTABLE_MAG)))
    low = 10 ** (-SLOPE * (FAINTEST_MAG - BRIGHTEST_MAG))
    mag = FAINTEST_MAG + np.log10(low + rng.uniform(size=total) * (1 - low)) / SLOPE
    x, y = rng.uniform(-5, SHAPE[1] + 4, total), rng.uniform(-5, SHAPE[0] + 4, total)
    flux = 10 ** (-0.4 * (mag - ZERO_POINT_MAG))
    model = sky.Sky(SHAPE, fwhm_px)
    bright = mag < 19.5
    image = model.render(x[bright], y[bright], flux[bright], half=20)
    image += model.render(x[~bright], y[~bright], flux[~bright], half=9)
    saturated = image > SATURATION_ADU
    data, weight = sky.observe(image, SKY_ADU, rng)
    weight[saturated] = 0
    return Field(data, weight, x, y, mag)


def measure_field(field: Field, gain: float) -> None:
    """Detection, PSF and both passes of photometry, timed."""
    started = time.process_time()
    found = detect(field.image, field.weight, gaussian_filter(2.2), threshold=5)
    field.psf = fit_psf(field.image, field.weight, found, gain_e_per_adu=gain, fwhm_px=2.2)
    field.stars, _, field.background = find_and_fit(field.image, field.weight, field.psf, gain_e_per_adu=gain)
    field.cpu_s = time.process_time() - started


def selections(field: Field) -> tuple[NDArray, NDArray, NDArray]:
    """True stars away from masked pixels and edges; those of them that are alone; measurements in that region."""
    close_to_mask = binary_dilation(field.weight <= 0, iterations=12)

    def clear(x: NDArray, y: NDArray) -> NDArray[np.bool_]:
        inside = (x > 10) & (y > 10) & (x < SHAPE[1] - 11) & (y < SHAPE[0] - 11)
        column, row_ = (np.clip(np.round(v).astype(int), 0, n - 1) for v, n in ((x, SHAPE[1]), (y, SHAPE[0])))
        return inside & ~close_to_mask[row_, column]

    positions = np.column_stack([field.x, field.y])
    distance, index = cKDTree(positions).query(positions, k=12)
    company = (distance[:, 1:] < 6) & (field.flux[index[:, 1:]] > 0.1 * field.flux[:, None])
    unmasked = clear(field.x, field.y)
    return unmasked, unmasked & ~company.any(axis=1), clear(field.stars.x_px, field.stars.y_px)


def single(field: Field, snr: NDArray) -> NDArray[np.bool_]:
    """True stars without a companion within 1.2 FWHM that holds more than half the star's uncertainty.

    Such a companion no single image can tell apart, and its light is no error of the fit. Neighbours beyond stay:
    taking them apart is what is judged.
    """
    positions = np.column_stack([field.x, field.y])
    distance, index = cKDTree(positions).query(positions, k=12)
    limit = 0.5 * (field.flux / snr)[:, None]
    return ~((distance[:, 1:] < 1.2 * field.psf.fwhm_px) & (field.flux[index[:, 1:]] > limit)).any(axis=1)


def _smooth_shift(field: Field, star: NDArray, found: NDArray) -> tuple[NDArray, NDArray]:
    """Position errors (n, 2) [px] and sigmas, less a fourth-order polynomial of position: the centre of an asymmetric
    profile is a convention, which the astrometric solution takes up."""
    u, v = 2 * field.x[star] / SHAPE[1] - 1, 2 * field.y[star] / SHAPE[0] - 1
    columns = np.column_stack([u**i * v**j for i in range(5) for j in range(5 - i)])
    stars = field.stars
    error = np.column_stack([stars.x_px[found] - field.x[star], stars.y_px[found] - field.y[star]])
    sigma = np.column_stack([stars.sigma_x_px[found], stars.sigma_y_px[found]])
    for axis in range(2):
        w = 1 / sigma[:, axis]
        solution = np.linalg.lstsq(columns * w[:, None], error[:, axis] * w, rcond=None)[0]
        error[:, axis] -= columns @ solution
    return error, sigma


def _robust(values: NDArray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def judge(name: str, field: Field, gain: float, cpu_bar_s: float) -> list[dict[str, Any]]:
    """The rows of one field."""
    snr = field.snr(gain)
    positions = np.column_stack([field.x, field.y])
    found = np.column_stack([field.stars.x_px, field.stars.y_px])
    matched = brightest_first(positions, np.where(snr > 2, field.flux, np.nan), found)
    unmasked, alone, in_clear = selections(field)
    found = matched >= 0
    real = np.zeros(len(field.stars), bool)
    real[matched[found]] = True
    false = 1 - np.mean(real[in_clear])
    rows = [
        row(f"{name}: CPU, PSF and two passes", field.cpu_s, unit="s", bar=f"<= {cpu_bar_s:g}",
            met=field.cpu_s <= cpu_bar_s, note=f"{len(field.stars)} stars measured"),
        row(f"{name}: false", 100 * false, unit="%", bar="<= 1", met=false <= 0.01),
    ]  # fmt: skip
    for level, low, high, least in ((5, 4.75, 5.25, 0.62), (7, 6.5, 7.5, 0.97)):
        share = np.mean(found[alone & (snr > low) & (snr < high)])
        bar = least if name != "dense" else None
        rows.append(row(f"{name}: completeness at S/N {level}, alone", share, bar=f">= {least}" if bar else "",
                        met=share >= bar if bar else None))  # fmt: skip
    for low, high in ((13.5, 16), (16, 18), (18, 19), (19, 20), (20, 20.5), (20.5, 21)):
        here = unmasked & (field.mag > low) & (field.mag < high)
        error = -2.5 * np.log10(field.stars.flux_adu[matched[here & found]] / field.flux[here & found])
        rows.append(row(f"{name}: completeness, {low:g} to {high:g} mag", np.mean(found[here]), bar="", met=None,
                        note=f"scatter {_robust(error):.4f} mag"))  # fmt: skip
    rows += _photometry(name, field, gain, snr, matched, unmasked & found & single(field, snr))
    return rows


def _photometry(name: str, field: Field, gain: float, snr: NDArray, matched: NDArray, good: NDArray) -> list[dict]:
    stars, rows = field.stars, []
    bright = good & (snr > 50)
    scale = np.median(stars.flux_adu[matched[bright & (snr > 200)]] / field.flux[bright & (snr > 200)])
    rows.append(row(f"{name}: flux unit, S/N > 200", 1000 * (scale - 1), unit="mmag", bar="", met=None,
                    note="taken up by the zero point"))  # fmt: skip
    for low, high in ((50, 100), (100, 1e9)):
        here = good & (snr > low) & (snr < high)
        bias = 1085.7 * np.median(1 - stars.flux_adu[matched[here]] / (scale * field.flux[here]))
        rows.append(row(f"{name}: bias, S/N > {low}", bias, unit="mmag", bar="|.| < 2", met=abs(bias) < 2))
    error, sigma = _smooth_shift(field, np.flatnonzero(bright), matched[bright])
    width = _robust(error / sigma)
    rows.append(row(f"{name}: pulls of position, S/N > 50", width, bar="0.9 to 1.1", met=abs(width - 1) <= 0.1))
    for low, high in ((7, 15), (15, 50), (50, 200), (200, 1e9)):
        here = good & (snr > low) & (snr < high)
        measured = matched[here]
        pull = (stars.flux_adu[measured] - scale * field.flux[here]) / stars.sigma_flux_adu[measured]
        rows.append(row(f"{name}: pulls of flux, S/N {low} to {high:g}", _robust(pull), bar="0.9 to 1.1",
                        met=abs(_robust(pull) - 1) <= 0.1,
                        note=f"median {np.median(pull):+.2f}, {here.sum()} stars"))  # fmt: skip
    return [*rows, _magnitude_limit(name, field, gain, scale)]


def _magnitude_limit(name: str, field: Field, gain: float, scale: float) -> dict[str, Any]:
    """MAGLIM against the scatter of forced fluxes at the true places of stars of that magnitude, found or not."""
    stars = field.stars
    limit = limiting_magnitude(stars.flux_adu, stars.sigma_flux_adu, ZERO_POINT_MAG)
    near = (
        (np.abs(field.mag - limit) < 0.15)
        & (np.minimum(field.x, field.y) > 10)
        & (field.x < SHAPE[1] - 11)
        & (field.y < SHAPE[0] - 11)
    )
    truth = forced_flux(field.image - field.background, field.weight, field.psf, field.x, field.y, gain_e_per_adu=gain)
    scatter = 1.0857 * _robust(truth.flux_adu[near] / (scale * field.flux[near]))
    offset = 2.5 * np.log10(scatter / 0.2)
    return row(
        f"{name}: MAGLIM less the magnitude of 0.2 mag scatter", offset, unit="mag", bar="|.| <= 0.1",
        met=abs(offset) <= 0.1, note=f"MAGLIM {limit:.2f}",
    )  # fmt: skip


def rows() -> list[dict[str, Any]]:
    """Lines of the accuracy table."""
    gain = _load_sky().GAIN_E_PER_ADU
    measure_field(make_field(500, 2.1), gain)  # compiles the kernels, so that they are not timed
    out = []
    for name, (count, fwhm_px, cpu_bar_s) in FIELDS.items():
        field = make_field(count, fwhm_px)
        measure_field(field, gain)
        out += judge(name, field, gain, cpu_bar_s)
    return out
