"""The science recipe as a whole on full-size quadrants of the synthetic camera, all effects on, against truth.

Masters are the truth, see science_scenes; calibrators come from synthetic Gaia and PS1 catalogs through the project's
own selection. Figures of several exposures are the worst of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import label, maximum

from benchmarks.accuracy import row
from benchmarks.cramer_rao import bounds
from benchmarks.detections import Counts, count
from benchmarks.pairs import constant_stars
from benchmarks.science_scenes import DENSE, SPARSE, Exposure, expose_sky, sky_settings
from ztfpipe.camera import Camera
from ztfpipe.methods.sky.projection import pixel_to_sky
from ztfpipe.model.science import ScienceImage
from ztfpipe.simulate.frames import COSMIC, SATURATED, STREAK

Row = dict[str, Any]
SEEDS = {"sparse": (1, 2, 3), "dense": (1,)}
DENSITY = {"sparse": SPARSE, "dense": DENSE}
STREAK_SEEDS, STREAKS = (4, 5, 6), 20.0
STILL_SEEDS = (1, 2)


@dataclass(frozen=True)
class Judged:
    """An exposure, what the recipe made of it, and pairs of constant stars: rows of the catalog and of the truth.

    alone: as in `pairs.Pairs`.
    """

    exposure: Exposure
    made: ScienceImage
    ours: np.ndarray
    true: np.ndarray
    alone: np.ndarray

    @property
    def snr(self) -> np.ndarray:
        """True S/N: true flux over the stated error of the flux."""
        flux = self.exposure.tables["stars"].flux_e.to_numpy()[self.true] * self.exposure.adu_per_e
        return flux / self.made.psf_catalog.flux_error_adu[self.ours]


def judged(density: float, seed: int, streaks: float = 0.0, off: tuple[str, ...] = ()) -> Judged:
    """Simulate a quadrant of 30 s in r, run the recipe and pair its catalog with the truth."""
    parts = {"stars": {"stars_per_square_degree": density}, "moving": {"streaks_per_exposure": streaks}}
    settings = sky_settings(parts, off).model_copy(update={"noise_seed": seed})
    exposure = expose_sky(Camera.load("quadrant"), settings)
    made = exposure.science()
    pairs = constant_stars(exposure, made)
    return Judged(exposure, made, pairs.ours, pairs.true, pairs.alone)


def astrometry_figures(one: Judged) -> dict[str, float]:
    """RMS per axis [mas], the worse, for G 12 to 18: of the WCS at true pixels, of the best quartic, of the catalog."""
    stars = one.exposure.tables["stars"]
    ny, nx = one.exposure.camera.quadrant_shape
    inside = stars.x_px.between(0, nx - 1) & stars.y_px.between(0, ny - 1) & stars.gaia_g_mag.between(12, 18)
    chosen = stars[inside]
    x, y = chosen.x_px.to_numpy(), chosen.y_px.to_numpy()
    solution = _offsets_mas(pixel_to_sky(one.made.wcs, x, y), chosen)
    u, v = 2 * x / nx - 1, 2 * y / ny - 1
    terms = np.stack([u**p * v**q for p in range(5) for q in range(5 - p)], axis=1)
    best = solution - terms @ np.linalg.lstsq(terms, solution, rcond=None)[0]
    paired = stars.iloc[one.true]
    good = paired.gaia_g_mag.between(12, 18).to_numpy() & one.alone
    catalog = one.made.psf_catalog
    found = _offsets_mas((catalog.ra_deg[one.ours][good], catalog.dec_deg[one.ours][good]), paired[good])
    every = one.snr > 10
    least = bounds(one.exposure, *(paired[name].to_numpy()[every & one.alone] for name in ("x_px", "y_px", "flux_e")))
    scale = one.exposure.camera.pixel_scale_arcsec * 1e3
    limit = np.sqrt(np.mean([(scale * least.x_px) ** 2, (scale * least.y_px) ** 2], axis=1) + _rms(best) ** 2)
    position = (catalog.ra_deg[one.ours], catalog.dec_deg[one.ours])
    offsets = _offsets_mas(position, paired)
    bright = paired.mag.between(13.5, 15.5).to_numpy() & one.alone
    cell = 3 * np.clip(3 * y // ny, 0, 2) + np.clip(3 * x // nx, 0, 2)
    cells = [np.abs(solution[cell == k].mean(axis=0)).max() for k in range(9)]
    rms = {"wcs": _rms(solution), "best": _rms(best), "catalog": _rms(found)}
    return {name: float(value.max()) for name, value in rms.items()} | {
        "ratio": float((rms["wcs"] / rms["best"]).max()),
        "cell": float(max(cells)),
        "bright": float(_rms(offsets[bright]).max()),
        "faint": float(_rms(offsets[every & one.alone]).max()),
        "over the bound": float((_rms(offsets[every & one.alone]) / limit).max()),
    }


def _offsets_mas(found: tuple[np.ndarray, np.ndarray], stars: Any) -> np.ndarray:
    """(n, 2) east and north of found minus true positions."""
    east = (found[0] - stars.ra_deg.to_numpy()) * np.cos(np.radians(stars.dec_deg.to_numpy()))
    return 3.6e6 * np.stack([east, found[1] - stars.dec_deg.to_numpy()], axis=1)


def _rms(offsets: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(offsets**2, axis=0))


def photometry_figures(one: Judged) -> dict[str, float]:
    """Calibrated magnitudes of constant, undisturbed stars against truth: bias, scatter [mag], error of zero point."""
    stars, catalog, fit = one.exposure.tables["stars"].iloc[one.true], one.made.psf_catalog, one.made.photometry
    calibrated = catalog.mag[one.ours] + fit.zero_point + fit.colour_term * stars.colour_mag.to_numpy()
    difference = (calibrated - stars.mag.to_numpy())[one.alone & (one.snr > 50)]
    bias = float(np.median(difference))
    return {
        "bias": bias,
        "n": len(difference),
        "zero point pull": bias / fit.zero_point_error,
        "scatter": _spread(difference),
    }


def flux_pulls(one: Judged, low: float, high: float) -> np.ndarray:
    """Errors of the fluxes of undisturbed stars of some S/N over their uncertainties.

    Of fluxes, not of magnitudes with a straight colour term, whose own errors no uncertainty of a flux contains.
    """
    expected = one.exposure.tables["stars"].flux_e.to_numpy()[one.true] * one.exposure.adu_per_e
    flux, error = one.made.psf_catalog.flux_adu[one.ours], one.made.psf_catalog.flux_error_adu[one.ours]
    bright = one.alone & (one.snr > 100)
    unit = float(np.median(flux[bright] / expected[bright]))
    chosen = one.alone & (one.snr > low) & (one.snr < high)
    return ((flux - unit * expected) / error)[chosen]


def limit_error(made: list[Judged]) -> float:
    """MAGLIM less the magnitude at which measured magnitudes scatter by 0.2 mag, mean of all exposures.

    From the scatter of the fluxes of stars of S/N 7 to 12, all of which are found: 0.2 mag is 1.0857 / 0.2 times that.
    """
    errors = []
    for one in made:
        chosen = one.alone & (one.snr > 7) & (one.snr < 12)
        flux = one.exposure.tables["stars"].flux_e.to_numpy()[one.true][chosen] * one.exposure.adu_per_e
        scatter = np.std(one.made.psf_catalog.flux_adu[one.ours][chosen] - flux)
        errors.append(one.made.limiting_mag - one.made.photometry.zero_point + 2.5 * np.log10(1.0857 / 0.2 * scatter))
    return float(np.mean(errors))


def _spread(values: np.ndarray) -> float:
    """Standard deviation from the median of absolute deviations."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def mask_figures(one: Judged) -> dict[str, float]:
    """Recall of rays with a pixel above 10 sigma off stars, of saturated and track pixels; share of star cores hit."""
    camera, truth, mask = one.exposure.camera, one.exposure.truth_mask, one.made.mask

    def marked(*names: str) -> np.ndarray:
        return (mask & np.uint16(camera.mask_value(*names))) > 0

    stars = one.exposure.tables["stars"]
    ny, nx = camera.quadrant_shape
    bright = stars[(stars.flux_e > 1000) & stars.x_px.between(5, nx - 6) & stars.y_px.between(5, ny - 6)]
    column, line = np.rint(bright.x_px).astype(int).to_numpy(), np.rint(bright.y_px).astype(int).to_numpy()
    on_star = np.zeros(truth.shape, bool)
    for dy in range(-5, 6):
        for dx in range(-5, 6):
            on_star[line + dy, column + dx] = True
    noise = one.made.metrics["gstddev"]
    signal = (one.made.image_adu - one.made.metrics["gmedian"]) / noise
    rays, _ = label((truth & COSMIC) > 0, np.ones((3, 3)))
    numbers = np.unique(rays[(rays > 0) & (signal > 10)])
    other = on_star | marked("noisy", "dead", "low_response", "high_response", "track")
    clear = numbers[~(maximum(other, rays, numbers) > 0)]
    found = maximum(marked("spike", "saturated"), rays, clear) > 0
    untouched = (truth[line, column] & (COSMIC | SATURATED | STREAK)) == 0
    saturated, streak = (truth & SATURATED) > 0, (truth & STREAK) > 0
    return {
        "rays": float(np.mean(found)),
        "n rays": int(clear.size),
        "cores": float(marked("spike")[line, column][untouched].mean()),
        "n cores": int(untouched.sum()),
        "saturated": float(marked("saturated")[saturated].mean()) if saturated.any() else np.nan,
        "n saturated": int(saturated.sum()),
        "tracks": float(marked("track")[streak].mean()) if streak.any() else np.nan,
        "n tracks": int(streak.sum()),
    }


def rows() -> list[Row]:
    """Figures of sparse and dense quadrants, and of some with tracks."""
    table: list[Row] = []
    for case, seeds in SEEDS.items():
        made = [judged(DENSITY[case], seed) for seed in seeds]
        table += _astrometry_rows(case, [astrometry_figures(one) for one in made])
        table += _photometry_rows(case, made)
        table += _detection_rows(case, [count(one.exposure, one.made) for one in made])
        table += _mask_rows(case, [mask_figures(one) for one in made])
    still = [astrometry_figures(judged(SPARSE, seed, off=("turbulence",))) for seed in STILL_SEEDS]
    table += _still_rows(max(one["bright"] for one in still))
    return table + _track_rows([mask_figures(judged(SPARSE, seed, STREAKS)) for seed in STREAK_SEEDS])


def _astrometry_rows(case: str, figures: list[dict[str, float]]) -> list[Row]:
    worst = {name: max(one[name] for one in figures) for name in figures[0]}
    name = f"chain, {case}, astrometry G 12-18"
    return [
        row(f"{name}: RMS per axis of the WCS", worst["wcs"], unit="mas", bar="<= 30", met=worst["wcs"] <= 30,
            note="at true pixels; turbulence of 25 to 32 mas, of which a quartic takes a part, and colour refraction"),
        row(f"{name}: the same of the best quartic to truth", worst["best"], unit="mas", bar="", met=None),
        row(f"{name}: ratio of the two", worst["ratio"], bar="<= 1.05", met=worst["ratio"] <= 1.05),
        row(f"{name}: RMS per axis of the PSF catalog", worst["catalog"], unit="mas", bar="", met=None,
            note="with errors of the centroids"),
        row(f"chain, {case}, astrometry S/N >= 10: RMS per axis of the PSF catalog", worst["faint"], unit="mas", bar="",
            met=None),
        row(f"chain, {case}, astrometry S/N >= 10: the same over sqrt(Cramer-Rao^2 + best quartic^2)",
            worst["over the bound"], bar="<= 1.05", met=worst["over the bound"] <= 1.05,
            note="Fisher matrix of flux and place under the true PSF and noise; stars that one image can tell apart"),
        row(f"{name}: mean of the worst of 3 x 3 cells", worst["cell"], unit="mas", bar="<= 15",
            met=worst["cell"] <= 15, note="of the WCS at true pixels"),
    ]  # fmt: skip


def _photometry_rows(case: str, made: list[Judged]) -> list[Row]:
    figures = [photometry_figures(one) for one in made]
    bias, zero, scatter = (
        max((one[key] for one in figures), key=abs) for key in ("bias", "zero point pull", "scatter")
    )
    bias, limit, name = 1000 * bias, limit_error(made), f"chain, {case}, photometry"
    table = [
        row(f"{name}: bias at S/N > 50", bias, unit="mmag", bar="< 2", met=abs(bias) < 2,
            note=f"after zero point and colour term; median of {figures[0]['n']} stars alone within 8 px"),
    ]  # fmt: skip
    for low, high in ((200, np.inf), (50, np.inf), (10, 50)):
        pulls = np.concatenate([flux_pulls(one, low, high) for one in made])
        width = _spread(pulls)
        name_of = f"S/N > {low}" if np.isinf(high) else f"S/N {low}-{high}"
        table.append(row(f"{name}: spread of pulls, {name_of}", width, bar="within 10 % of 1",
                         met=abs(width - 1) <= 0.1, note=f"{len(pulls)} stars of all exposures"))  # fmt: skip
    return [
        *table,
        row(f"{name}: scatter at S/N > 50", 1000 * scatter, unit="mmag", bar="", met=None),
        row(f"{name}: error of the zero point over its uncertainty", zero, bar="|.| < 3", met=abs(zero) < 3,
            note="that bias over the uncertainty of the fit"),
        row(f"{name}: MAGLIM less that of the true scatter", limit, unit="mag", bar="within 0.1",
            met=abs(limit) <= 0.1),
    ]  # fmt: skip


def _detection_rows(case: str, counts: list[Counts]) -> list[Row]:
    """Stars without a defect within 6 px nor a companion of a tenth of their light within that."""
    name, table = f"chain, {case}, detection", []
    for level, least in ((5, 0.62), (7, 0.97)):
        stars = sum(one.stars[level] for one in counts)
        share = sum(one.found[level] for one in counts) / stars
        bar = case == "sparse"
        table.append(row(f"{name}: completeness at S/N {level}, unmasked and unblended", share,
                         bar=f">= {least}" if bar else "", met=share >= least if bar else None,
                         note=f"of {stars} stars of this true matched-filter S/N"))  # fmt: skip
    false = sum(one.false for one in counts) / sum(one.entries for one in counts)
    table.append(row(f"{name}: false", 100 * false, unit="%", bar="<= 1", met=false <= 0.01,
                     note="no true source of S/N 2 within a FWHM; on galaxies of S/N 20 not judged"))  # fmt: skip
    return table


def _still_rows(bright_mas: float) -> list[Row]:
    return [
        row("chain, turbulence off, astrometry 13.5-15.5 mag: RMS per axis of the PSF catalog", bright_mas, unit="mas",
            bar="<= 12", met=bright_mas <= 12, note=f"worst of {len(STILL_SEEDS)} quadrants"),
    ]  # fmt: skip


def _mask_rows(case: str, figures: list[dict[str, float]]) -> list[Row]:
    total = {name: sum(one[name] for one in figures) for name in ("n rays", "n cores", "n saturated")}
    rays = sum(one["rays"] * one["n rays"] for one in figures) / total["n rays"]
    cores = sum(one["cores"] * one["n cores"] for one in figures) / total["n cores"]
    saturated = min(one["saturated"] for one in figures)
    name = f"chain, {case}, masks"
    return [
        row(f"{name}: rays with a pixel above 10 sigma found", rays, bar=">= 0.95", met=rays >= 0.95,
            note=f"of {total['n rays']} off stars"),
        row(f"{name}: star cores masked as rays", cores, bar="<= 0.001", met=cores <= 0.001,
            note=f"of {total['n cores']} stars of more than 1000 e-"),
        row(f"{name}: saturated pixels found", saturated, bar="all", met=saturated == 1,
            note=f"of {total['n saturated']}"),
    ]  # fmt: skip


def _track_rows(figures: list[dict[str, float]]) -> list[Row]:
    total = sum(one["n tracks"] for one in figures)
    found = sum(one["tracks"] * one["n tracks"] for one in figures if one["n tracks"]) / max(total, 1)
    return [
        row("chain, masks: track pixels found", found, bar=">= 0.98", met=found >= 0.98,
            note=f"of {total} pixels in {len(figures)} quadrants, aircraft and faint debris among them"),
    ]  # fmt: skip
