"""The science recipe as a whole on full-size quadrants of the synthetic camera, all effects on, against truth.

Masters are the truth, see science_scenes; calibrators come from synthetic Gaia and PS1 catalogs through the project's
own selection. Figures of several exposures are the worst of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import label, maximum
from scipy.spatial import cKDTree

from benchmarks.accuracy import row
from benchmarks.science_scenes import DENSE, SPARSE, Exposure, expose_sky, sky_settings
from ztfpipe.camera import Camera
from ztfpipe.methods.sky.projection import pixel_to_sky
from ztfpipe.model.science import ScienceImage
from ztfpipe.simulate.frames import COSMIC, SATURATED, STREAK

Row = dict[str, Any]
SEEDS = {"sparse": (1, 2, 3), "dense": (1,)}
DENSITY = {"sparse": SPARSE, "dense": DENSE}
STREAK_SEEDS, STREAKS = (4, 5, 6), 20.0
MATCH_PX, ALONE_PX = 0.7, 8.0


@dataclass(frozen=True)
class Judged:
    """An exposure, what the recipe made of it, and pairs of constant stars: rows of the catalog and of the truth.

    alone: whether no other true star of a hundredth of its light is near.
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


def judged(density: float, seed: int, streaks: float = 0.0) -> Judged:
    """Simulate a quadrant of 30 s in r, run the recipe and pair its catalog with the truth."""
    parts = {"stars": {"stars_per_square_degree": density}, "moving": {"streaks_per_exposure": streaks}}
    settings = sky_settings(parts).model_copy(update={"noise_seed": seed})
    exposure = expose_sky(Camera.load("quadrant"), settings)
    made = exposure.science()
    stars, catalog = exposure.tables["stars"], made.psf_catalog
    places = np.c_[stars.x_px, stars.y_px]
    distance, nearest = cKDTree(places).query(np.c_[catalog.x_px, catalog.y_px])
    paired = (distance < MATCH_PX) & (catalog.flags == 0) & (stars.kind.to_numpy()[nearest] == 0)
    ours, true = np.flatnonzero(paired), nearest[paired]
    flux = stars.flux_e.to_numpy()
    around, index = cKDTree(places).query(places[true], k=6, distance_upper_bound=ALONE_PX)
    disturbing = np.isfinite(around) & (index != true[:, None])
    disturbing &= np.append(flux, 0.0)[index] > 0.01 * flux[true][:, None]
    return Judged(exposure, made, ours, true, ~disturbing.any(axis=1))


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
    cell = 3 * _third(one, good, 0) + _third(one, good, 1)
    cells = [np.abs(found[cell == k].mean(axis=0)).max() for k in range(9)]
    rms = {"wcs": _rms(solution), "best": _rms(best), "catalog": _rms(found)}
    return {name: float(value.max()) for name, value in rms.items()} | {
        "ratio": float((rms["wcs"] / rms["best"]).max()),
        "cell": float(max(cells)),
    }


def _third(one: Judged, good: np.ndarray, axis: int) -> np.ndarray:
    """0, 1 or 2: the third of an axis of the image that a star of the catalog is in."""
    place = (one.made.psf_catalog.x_px, one.made.psf_catalog.y_px)[axis][one.ours][good]
    return np.clip(3 * place // one.exposure.camera.quadrant_shape[1 - axis], 0, 2).astype(int)


def _offsets_mas(found: tuple[np.ndarray, np.ndarray], stars: Any) -> np.ndarray:
    """(n, 2) east and north of found minus true positions."""
    east = (found[0] - stars.ra_deg.to_numpy()) * np.cos(np.radians(stars.dec_deg.to_numpy()))
    return 3.6e6 * np.stack([east, found[1] - stars.dec_deg.to_numpy()], axis=1)


def _rms(offsets: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(offsets**2, axis=0))


def photometry_figures(one: Judged) -> dict[str, float]:
    """Calibrated magnitudes of constant, undisturbed stars against truth: bias [mag], spread of pulls, zero point."""
    stars, catalog, fit = one.exposure.tables["stars"].iloc[one.true], one.made.psf_catalog, one.made.photometry
    calibrated = catalog.mag[one.ours] + fit.zero_point + fit.colour_term * stars.colour_mag.to_numpy()
    difference = calibrated - stars.mag.to_numpy()
    bright, middling = one.alone & (one.snr > 50), one.alone & (one.snr > 10) & (one.snr < 50)
    bias = float(np.median(difference[bright]))
    # Of fluxes, not of magnitudes with a straight colour term, whose own errors no uncertainty of a flux contains.
    expected = stars.flux_e.to_numpy() * one.exposure.adu_per_e
    scale = float(np.median(catalog.flux_adu[one.ours][bright] / expected[bright]))
    flux_pull = (catalog.flux_adu[one.ours] - scale * expected) / catalog.flux_error_adu[one.ours]
    return {
        "bias": bias,
        "n": int(bright.sum()),
        "bright pull": _spread(flux_pull[bright]),
        "pull": _spread(flux_pull[middling]),
        "zero point pull": bias / fit.zero_point_error,
        "scatter": _spread(difference[bright]),
        "maglim": one.made.limiting_mag - _true_limit(one),
    }


def _true_limit(one: Judged) -> float:
    """Magnitude at which the measured scatter of fluxes is a fifth of the flux, from stars of S/N 7 to 12, all of
    which are found."""
    flux = one.exposure.tables["stars"].flux_e.to_numpy()[one.true] * one.exposure.adu_per_e
    chosen = one.alone & (one.snr > 7) & (one.snr < 12)
    scatter = _spread(one.made.psf_catalog.flux_adu[one.ours][chosen] - flux[chosen])
    return float(one.made.photometry.zero_point - 2.5 * np.log10(5 * scatter))


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
        table += _photometry_rows(case, [photometry_figures(one) for one in made])
        table += _mask_rows(case, [mask_figures(one) for one in made])
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
        row(f"{name}: mean of the worst of 3 x 3 cells", worst["cell"], unit="mas", bar="<= 15",
            met=worst["cell"] <= 15),
    ]  # fmt: skip


def _photometry_rows(case: str, figures: list[dict[str, float]]) -> list[Row]:
    def worst(name: str, about: float = 0.0) -> float:
        return max((one[name] for one in figures), key=lambda value: abs(value - about))

    name, bias = f"chain, {case}, photometry", 1000 * worst("bias")
    pull, bright, zero, limit = (worst("pull", 1), worst("bright pull", 1), worst("zero point pull"), worst("maglim"))
    return [
        row(f"{name}: bias at S/N > 50", bias, unit="mmag", bar="< 2", met=abs(bias) < 2,
            note=f"after zero point and colour term; median of {figures[0]['n']} stars alone within 8 px"),
        row(f"{name}: spread of pulls, S/N > 50", bright, bar="within 10 % of 1", met=abs(bright - 1) <= 0.1),
        row(f"{name}: spread of pulls, S/N 10-50", pull, bar="within 10 % of 1", met=abs(pull - 1) <= 0.1),
        row(f"{name}: scatter at S/N > 50", 1000 * worst("scatter"), unit="mmag", bar="", met=None),
        row(f"{name}: error of the zero point over its uncertainty", zero, bar="|.| < 3", met=abs(zero) < 3,
            note="that bias over the uncertainty of the fit"),
        row(f"{name}: MAGLIM less that of the true scatter", limit, unit="mag", bar="within 0.1",
            met=abs(limit) <= 0.1),
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
