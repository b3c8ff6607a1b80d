"""Photometry from exposure to exposure: repeatability of bright stars, zero points, clouds; the recipe at full size.

Thirty photometric epochs of one quadrant, dithered, at the seeing and the airmass of a whole night; skies of their own
for zero points, so that the errors of calibrators are independent; and exposures through structured clouds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from benchmarks.accuracy import row
from benchmarks.cramer_rao import bounds
from benchmarks.pairs import constant_stars
from benchmarks.science_scenes import SPARSE, Exposure, expose_sky, sky_settings
from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.model.catalogs import PhotometricCalibrators
from ztfpipe.model.science import PhotometrySummary, ScienceImage
from ztfpipe.pipelines.science import stars as recipe_stars

Row = dict[str, Any]
EPOCHS, SKIES, CLOUDS = 30, 10, 6
BRIGHT_MAG = (13.5, 15.5)
SUBSETS = {300: 2.0, 30: 7.0}
"""Numbers of calibrators, and the RMS error of the zero point allowed with so many [mmag]."""


def _exposure(index: int = 0, sky_seed: int | None = None, noise_seed: int = 1, **parts: Any) -> Exposure:
    settings = sky_settings({"stars": {"stars_per_square_degree": SPARSE}, **parts})
    seeds = {"noise_seed": noise_seed} | ({} if sky_seed is None else {"sky_seed": sky_seed})
    return expose_sky(Camera.load("quadrant"), settings.model_copy(update=seeds), index)


def rows() -> list[Row]:
    """Lines of the accuracy table, in some six minutes."""
    return [*repeatability(), *zero_points(), *clouds()]


def repeatability() -> list[Row]:
    """Scatter of calibrated magnitudes of each bright star over the epochs, beside the least there can be."""
    night = {"visits": EPOCHS, "exposures_s": (30.0,)}
    light, least, seeing, airmass = [], [], [], []
    for index in range(EPOCHS):
        exposure = _exposure(index, night=night)
        made = exposure.science()
        stars, pairs = exposure.tables["stars"], constant_stars(exposure, made)
        bright = pairs.alone & stars.mag.between(*BRIGHT_MAG).to_numpy()[pairs.true]
        ours, true = pairs.ours[bright], pairs.true[bright]
        some, fit = stars.iloc[true], made.photometry
        names = some.identifier.to_numpy()
        error = made.psf_catalog.mag[ours] + fit.zero_point + fit.colour_term * some.colour_mag.to_numpy() - some.mag
        light.append(dict(zip(names, error, strict=True)))
        place = (some[column].to_numpy() for column in ("x_px", "y_px", "flux_e"))
        least.append(dict(zip(names, 1.0857 * bounds(exposure, *place).relative_flux, strict=True)))
        seeing.append(made.seeing_px)
        airmass.append(exposure.pointing.airmass)
    scatter, bound = [], []
    for name in set.union(*(set(one) for one in light)):
        values = np.array([one[name] for one in light if name in one])
        if len(values) >= 0.8 * EPOCHS:
            scatter.append(np.var(values, ddof=1))
            bound.append(np.mean([one[name] ** 2 for one in least if name in one]))
    total, expected = np.sqrt(np.median(scatter)), np.sqrt(np.median(bound))
    excess = 1000 * float(np.sqrt(max(np.median(np.array(scatter) - bound), 0.0)))
    note = (
        f"{EPOCHS} epochs, {len(scatter)} stars of {BRIGHT_MAG[0]} to {BRIGHT_MAG[1]} mag; dithered, seeing "
        f"{min(seeing):.1f} to {max(seeing):.1f} px, airmass {min(airmass):.2f} to {max(airmass):.2f}"
    )
    name = "epochs, bright stars"
    return [
        row(f"{name}: scatter over the epochs", 1000 * total, unit="mmag", bar="", met=None, note=note),
        row(f"{name}: the same by Cramer-Rao", 1000 * expected, unit="mmag", bar="", met=None),
        row(f"{name}: excess over Cramer-Rao", excess, unit="mmag", bar="<= 4", met=excess <= 4,
            note="zero point and colour term of each epoch from its own calibrators"),
    ]  # fmt: skip


def zero_points() -> list[Row]:
    """Errors of zero points and colour terms from disjoint sets of so many calibrators, under skies of their own."""
    errors: dict[int, list[tuple[float, ...]]] = {count: [] for count in SUBSETS}
    for sky in range(SKIES):
        exposure = _exposure(sky_seed=100 + sky)
        made = exposure.science()
        truth = _true_line(exposure, made)
        random = np.random.default_rng(sky)
        for count in SUBSETS:
            for fit in _fits(exposure, made, count, random):
                colour = fit.colour_average
                zero, term = fit.zero_point - truth[0], fit.colour_term - truth[1]
                variance = fit.zero_point_error**2 + 2 * colour * fit.covariance + (colour * fit.colour_term_error) ** 2
                middle = zero + colour * term
                pulls = (zero / fit.zero_point_error, term / fit.colour_term_error, middle / np.sqrt(variance))
                errors[count].append((zero, middle, *pulls))
    return [one for count in SUBSETS for one in _zero_point_rows(count, np.array(errors[count]))]


def _true_line(exposure: Exposure, made: ScienceImage) -> tuple[float, float]:
    """Zero point and colour term, free of noise, in the flux unit of this catalog, which bright stars tell."""
    pairs = constant_stars(exposure, made)
    flux = made.psf_catalog.flux_adu[pairs.ours]
    bright = pairs.alone & (made.psf_catalog.snr[pairs.ours] > 100)
    unit = np.median(flux[bright] / exposure.tables["stars"].flux_e.to_numpy()[pairs.true][bright] / exposure.adu_per_e)
    term = float(exposure.tables["exposure"].fitted_colour_term.iloc[0])
    return exposure.zero_point_mag + 2.5 * float(np.log10(unit)), term


def _fits(exposure: Exposure, made: ScienceImage, count: int, random: np.random.Generator) -> list[PhotometrySummary]:
    """The recipe's own calibration with disjoint random sets of the calibrators it would use."""
    settings, known = Science(), exposure.calibrators.photometric
    band, shape = exposure.camera.filter(exposure.key.exposure.filter), made.image_adu.shape

    def fit(rows: np.ndarray) -> PhotometrySummary | None:
        some = PhotometricCalibrators(
            known.ra_deg[rows],
            known.dec_deg[rows],
            {name: values[rows] for name, values in known.mag.items()},
            {name: values[rows] for name, values in known.mag_error.items()},
        )
        return recipe_stars.calibrate(made.psf_catalog, some, band, shape, settings)[0]

    inside = _usable(exposure, made)
    order = random.permutation(inside)
    return [one for k in range(len(order) // count) if (one := fit(order[k * count : (k + 1) * count])) is not None]


def _usable(exposure: Exposure, made: ScienceImage) -> np.ndarray:
    """Rows of the calibrators that a catalog entry fit to calibrate lies near."""
    catalog, known, settings = made.psf_catalog, exposure.calibrators.photometric, Science()
    magnitude = known.mag[exposure.camera.filter(exposure.key.exposure.filter).letter]
    bright = (catalog.snr >= settings.photometric_snr_min) & (catalog.flags == 0)
    scale = np.cos(np.radians(np.mean(catalog.dec_deg)))
    tree = cKDTree(np.c_[catalog.ra_deg[bright] * scale, catalog.dec_deg[bright]])
    distance, _ = tree.query(np.c_[known.ra_deg * scale, known.dec_deg])
    low, high = settings.photometric_mag
    return np.flatnonzero((distance < settings.match_radius_arcsec / 3600) & (magnitude >= low) & (magnitude <= high))


def _zero_point_rows(count: int, errors: np.ndarray) -> list[Row]:
    rms = 1000 * float(np.sqrt(np.mean(errors[:, 0] ** 2)))
    middle = 1000 * float(np.sqrt(np.mean(errors[:, 1] ** 2)))
    pulls = np.sqrt(np.mean(errors**2, axis=0))
    # A tenth, or three times the relative error of a standard deviation of so many values.
    slack = max(0.1, 3 / np.sqrt(2 * len(errors)))
    name, bar = f"zero point, {count} calibrators", SUBSETS[count]
    pull_rows = [
        row(f"{name}: pulls of the {what}", pulls[k], bar=f"within {slack:.2f} of 1", met=abs(pulls[k] - 1) <= slack)
        for k, what in ((2, "zero point"), (3, "colour term"), (4, "zero point at the mean colour"))
    ]
    return [
        row(f"{name}: RMS error", rms, unit="mmag", bar=f"<= {bar:g}", met=rms <= bar,
            note=f"{len(errors)} disjoint sets under {SKIES} skies; at colour 0"),
        row(f"{name}: RMS error at the mean colour", middle, unit="mmag", bar="", met=None),
        *pull_rows,
    ]  # fmt: skip


def clouds() -> list[Row]:
    """Whether clouds of a structure that no zero point takes out are said to be there, and clear skies clear."""
    flagged, structure = [], []
    for seed in range(CLOUDS):
        weather = {"cloudy_fraction": 1.0, "cloud_mag": 0.6, "cloud_structure": 0.4}
        exposure = _exposure(noise_seed=20 + seed, weather=weather)
        made = exposure.science()
        structure.append(_true_structure(exposure))
        flagged.append(made.photometry is None or made.metrics["cloud_structured"] == 1)
    limit = Science().cloud_structure_max_mag
    thick = np.array(structure) > 1.25 * limit
    share = float(np.mean(np.array(flagged)[thick])) if thick.any() else np.nan
    return [
        row("clouds: exposures with structure said to be so", share, bar="all", met=share == 1,
            note=f"{thick.sum()} of {CLOUDS} cloudy ones have a true RMS above {1.25 * limit:g} mag over 4 x 4 cells, "
                 f"up to {max(structure):.2f} mag"),
    ]  # fmt: skip


def _true_structure(exposure: Exposure) -> float:
    """RMS over 4 x 4 cells of the true loss of the quadrant's stars [mag]."""
    stars = exposure.tables["stars"]
    ny, nx = exposure.camera.quadrant_shape
    inside = stars[stars.x_px.between(0, nx - 1) & stars.y_px.between(0, ny - 1) & (stars.kind == 0)]
    term = float(exposure.tables["exposure"].colour_term.iloc[0])
    loss = inside.mag + 2.5 * np.log10(inside.flux_e) - term * inside.colour_mag
    cell = 4 * (4 * inside.y_px // ny).astype(int) + (4 * inside.x_px // nx).astype(int)
    return float(np.std(loss.groupby(cell).mean()))
