"""The science recipe on quadrants simulated by GalSim, against their truth: guards against mistakes that our simulator
and our pipeline might share. Settings and bars are those of our own quadrants; there is no turbulence here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import galsim
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.accuracy import row
from benchmarks.galsim_scenes import ZERO_POINT_MAG, Scene, Telescope, make_scene
from ztfpipe.methods.sky.projection import pixel_to_sky
from ztfpipe.methods.stars.psf import noise_area
from ztfpipe.model.science import ScienceImage
from ztfpipe.model.wcs import PV_INDICES

FIELDS = {"sparse": 5_000, "dense": 30_000}
MATCH_PX, ALONE_PX, GALAXY_RADII = 1.2, 8.0, 6.0
Row = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """A scene, what the recipe made of it, and the row of the catalog of each true star (-1: none).

    snr: true matched-filter S/N of each star. alone: no star of a hundredth of its light within 8 px, no galaxy near.
    unblended: none of a tenth within 6 px. clear: rows of the catalog away from edges, masked pixels and galaxies.
    """

    scene: Scene
    made: ScienceImage
    match: NDArray[np.intp]
    snr: NDArray[np.float64]
    alone: NDArray[np.bool_]
    unblended: NDArray[np.bool_]
    clear: NDArray[np.bool_]

    @property
    def found(self) -> NDArray[np.bool_]:
        return self.match >= 0


def judged(n_detectable: int) -> Judged:
    """Simulate a quadrant, run the recipe on it, and pair its catalog with the truth, brightest stars first."""
    scene = make_scene(n_detectable)
    made = scene.science()
    stars, catalog = scene.stars, made.psf_catalog
    places = stars[["x_px", "y_px"]].to_numpy()
    flux = 10 ** (-0.4 * (stars.mag.to_numpy() - ZERO_POINT_MAG))
    ny, nx = made.image_adu.shape
    area = noise_area(made.psf, nx / 2, ny / 2)
    snr = flux / np.sqrt(area * made.metrics["gstddev"] ** 2 + flux / scene.gain)
    seen = np.column_stack([catalog.x_px, catalog.y_px])
    match, taken = np.full(len(stars), -1), np.zeros(len(catalog), bool)
    _, near = cKDTree(seen).query(places, k=6, distance_upper_bound=MATCH_PX)
    for star in np.argsort(-flux):
        free = [n for n in near[star] if n < len(taken) and not taken[n]]
        if free and snr[star] > 2:
            match[star], taken[free[0]] = free[0], True
    usable = _away_from_galaxies(scene, places) & _inside(places, made.image_adu.shape)
    clear = (catalog.flags == 0) & _away_from_galaxies(scene, seen) & _inside(seen, made.image_adu.shape)
    return Judged(
        scene, made, match, snr, usable & ~_company(places, flux, ALONE_PX, 0.01),
        usable & ~_company(places, flux, 6.0, 0.1), clear,
    )  # fmt: skip


def _inside(places: NDArray, shape: tuple[int, int]) -> NDArray[np.bool_]:
    ny, nx = shape
    return ((places > 10) & (places < [nx - 11, ny - 11])).all(axis=1)


def _away_from_galaxies(scene: Scene, places: NDArray) -> NDArray[np.bool_]:
    """Farther than six half-light radii and the seeing from any galaxy."""
    galaxies = scene.galaxies
    clear = np.ones(len(places), bool)
    reach = GALAXY_RADII * galaxies.half_light_px + 2 * scene.fwhm_px
    for touched in cKDTree(places).query_ball_point(galaxies[["x_px", "y_px"]].to_numpy(), reach.to_numpy()):
        clear[touched] = False
    return clear


def _company(places: NDArray, flux: NDArray, radius_px: float, share: float) -> NDArray[np.bool_]:
    """Whether a star has another of at least `share` of its light within a radius."""
    distance, index = cKDTree(places).query(places, k=12, distance_upper_bound=radius_px)
    other = np.isfinite(distance) & (index != np.arange(len(places))[:, None])
    return (other & (np.append(flux, 0.0)[index] > share * flux[:, None])).any(axis=1)


def _spread(values: NDArray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def astrometry_rows(name: str, one: Judged) -> list[Row]:
    """Positions of the catalog and of the WCS; GalSim's reading of our solution."""
    stars, catalog = one.scene.stars, one.made.psf_catalog
    good = one.found & one.alone & stars.mag.between(13.5, 15.5).to_numpy()
    true, ours = stars[good], one.match[good]
    cos = np.cos(np.radians(true.dec_deg))
    east, north = (catalog.ra_deg[ours] - true.ra_deg) * cos, catalog.dec_deg[ours] - true.dec_deg
    catalog_mas = 3.6e6 * max(np.sqrt(np.mean(east**2)), np.sqrt(np.mean(north**2)))
    apart = _reading_difference_mas(one)
    return [
        row(f"{name}, astrometry: RMS per axis, 13.5 to 15.5 mag", catalog_mas, unit="mas", bar="<= 12",
            met=catalog_mas <= 12, note=f"no turbulence; {good.sum()} stars alone within 8 px"),
        row(f"{name}, astrometry: GalSim's reading of our header less our own", apart, unit="mas", bar="<= 0.1",
            met=apart <= 0.1, note="largest of a grid of 441 places"),
    ]  # fmt: skip


def _reading_difference_mas(one: Judged) -> float:
    """Largest separation of our WCS as we and as GalSim evaluate it."""
    wcs, (ny, nx) = one.made.wcs, one.made.image_adu.shape
    cards = dict(Telescope(one.scene.camera, one.scene.plan).header.items())
    cards = {name: value for name, value in cards.items() if not name.startswith("PV")}
    cards |= {f"CRVAL{k + 1}": wcs.crval_deg[k] for k in range(2)}
    cards |= {f"CRPIX{k + 1}": wcs.crpix_px[k] + 1 for k in range(2)}
    cards |= {f"CD{j + 1}_{k + 1}": wcs.cd_deg[j, k] for j in range(2) for k in range(2)}
    cards |= {f"PV{j + 1}_{m}": wcs.pv[j, k] for j in range(2) for k, m in enumerate(PV_INDICES)}
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, nx - 1, 21), np.linspace(0, ny - 1, 21)))
    theirs = galsim.GSFitsWCS(header=galsim.FitsHeader(cards)).xyToradec(x + 1, y + 1, units="degrees")
    ours = pixel_to_sky(wcs, x, y)
    return float(3.6e6 * np.hypot((ours[0] - theirs[0]) * np.cos(np.radians(ours[1])), ours[1] - theirs[1]).max())


def photometry_rows(name: str, one: Judged) -> list[Row]:
    """Magnitudes, their errors, the zero point, the colour term, which should be nought, and MAGLIM."""
    stars, catalog, fit = one.scene.stars, one.made.psf_catalog, one.made.photometry
    expected = 10 ** (-0.4 * (stars.mag.to_numpy() - fit.zero_point))
    good = one.found & one.alone
    bright, middling = good & (one.snr > 50), good & (one.snr > 10) & (one.snr < 50)
    magnitude = catalog.mag[one.match] + fit.zero_point + fit.colour_term * stars.colour.to_numpy()
    bias = 1000 * float(np.median((magnitude - stars.mag.to_numpy())[bright]))
    scale = float(np.median(catalog.flux_adu[one.match[bright]] / expected[bright]))
    pull = (catalog.flux_adu[one.match] - scale * expected) / catalog.flux_error_adu[one.match]
    faint = good & (one.snr > 7) & (one.snr < 12)
    scatter = _spread((catalog.flux_adu[one.match] - scale * expected)[faint])
    limit = one.made.limiting_mag - (fit.zero_point - 2.5 * np.log10(5 * scatter))
    colour = fit.colour_term / fit.colour_term_error
    widths = [(label, _spread(pull[chosen])) for label, chosen in (("> 50", bright), ("10-50", middling))]
    return [
        row(f"{name}, photometry: bias at S/N > 50", bias, unit="mmag", bar="|.| < 2", met=abs(bias) < 2,
            note=f"after zero point and colour term; {bright.sum()} stars alone within 8 px"),
        *(row(f"{name}, photometry: spread of pulls, S/N {label}", width, bar="within 10 % of 1",
              met=abs(width - 1) <= 0.1) for label, width in widths),
        row(f"{name}, photometry: colour term over its uncertainty", colour, bar="|.| < 3", met=abs(colour) < 3,
            note="the true one is nought"),
        row(f"{name}, photometry: MAGLIM less that of the true scatter", limit, unit="mag", bar="|.| <= 0.1",
            met=abs(limit) <= 0.1),
    ]  # fmt: skip


def detection_rows(name: str, one: Judged) -> list[Row]:
    """Completeness, false detections, seeing, cores of stars taken for cosmic rays, of which there are none."""
    real = np.zeros(len(one.made.psf_catalog), bool)
    real[one.match[one.found]] = True
    false, seeing = 100 * float(1 - real[one.clear].mean()), one.made.seeing_px / one.scene.fwhm_px
    rows = [row(f"{name}: false", false, unit="%", bar="<= 1", met=false <= 1)]
    for level, low, high, least in ((5, 4.75, 5.25, 0.62), (7, 6.5, 7.5, 0.97)):
        share = float(one.found[one.unblended & (one.snr > low) & (one.snr < high)].mean())
        bar = name == "galsim, sparse"
        rows.append(row(f"{name}: completeness at S/N {level}", share, bar=f">= {least}" if bar else "",
                        met=share >= least if bar else None))  # fmt: skip
    stars = one.scene.stars
    bright = one.alone & (one.snr > 20)
    column, line = (np.rint(stars[axis][bright]).astype(int).to_numpy() for axis in ("x_px", "y_px"))
    spike = np.uint16(one.scene.camera.mask_value("spike"))
    struck = float(((one.made.mask[line, column] & spike) != 0).mean())
    return [
        *rows,
        row(f"{name}: seeing over that of GalSim's PSF", seeing, bar="within 4 %", met=abs(seeing - 1) <= 0.04),
        row(f"{name}: star cores masked as rays", struck, bar="<= 0.001", met=struck <= 0.001,
            note=f"of {bright.sum()} stars; the scene holds no rays"),
    ]  # fmt: skip


def aperture_rows(name: str, one: Judged) -> list[Row]:
    """Kron magnitudes of stars and galaxies, and how the star/galaxy score parts them."""
    columns, zero_point = one.made.aperture_catalog.columns, one.made.photometry.zero_point
    seen = cKDTree(np.column_stack([columns["X_IMAGE"], columns["Y_IMAGE"]]))
    rows, scores = [], {}
    stars = one.scene.stars[one.alone & (one.scene.stars.mag > 14).to_numpy() & (one.scene.stars.mag < 18.5).to_numpy()]
    galaxies = one.scene.galaxies
    galaxies = galaxies[(galaxies.mag < 18.5) & (galaxies.half_light_px > 1.2)]
    for kind, table in (("stars", stars), ("galaxies", galaxies)):
        distance, index = seen.query(table[["x_px", "y_px"]].to_numpy())
        good = (distance < 1.5) & (columns["FLAGS"][np.minimum(index, len(columns["FLAGS"]) - 1)] == 0)
        offset = float(np.median(columns["MAG_AUTO"][index[good]] + zero_point - table.mag.to_numpy()[good]))
        scores[kind] = columns["CLASS_STAR"][index[good]]
        rows.append(row(f"{name}, apertures: Kron less true magnitude of {kind} to 18.5", offset, unit="mag", bar="",
                        met=None, note=f"{good.sum()} of them, unflagged"))  # fmt: skip
    kept, taken = (float((scores[kind] > 0.5).mean()) for kind in ("stars", "galaxies"))
    return [*rows, row(f"{name}, apertures: stars to 18.5 scored above a half", kept, bar="", met=None),
            row(f"{name}, apertures: galaxies to 18.5 scored above a half", taken, bar="", met=None)]  # fmt: skip


def rows() -> list[Row]:
    """All figures of both fields."""
    table = []
    for case, count in FIELDS.items():
        one, name = judged(count), f"galsim, {case}"
        table += astrometry_rows(name, one) + photometry_rows(name, one) + detection_rows(name, one)
        table += aperture_rows(name, one)
    return table
