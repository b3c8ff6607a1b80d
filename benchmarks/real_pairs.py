"""The real pairs of one sky: two epochs of other fields and quadrants a minute or two apart, differenced.

The second epoch plays reference: a science image as it is measured, on its own pixels.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from benchmarks.difference_pairs import stored_of
from ztfpipe.camera import Camera
from ztfpipe.config import Difference as Settings
from ztfpipe.config import Planted, Science
from ztfpipe.methods.difference import preparation
from ztfpipe.methods.difference.levels import levelled
from ztfpipe.methods.difference.planting import Sources
from ztfpipe.methods.difference.preparation import CatalogStars
from ztfpipe.methods.difference.zogy import subtract
from ztfpipe.methods.sky.background import estimate
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.methods.sky.resampling import pixel_mapping, resample
from ztfpipe.methods.stars.photometry import fit_stars
from ztfpipe.methods.stars.psf_fit import fit_psf
from ztfpipe.model.difference import Difference, DifferenceProducts, Exposed, Stored
from ztfpipe.model.science import Calibrators
from ztfpipe.model.stars import Detections
from ztfpipe.pipelines.difference.planted import plant_and_recover
from ztfpipe.pipelines.difference.recipe import make_difference
from ztfpipe.pipelines.science.given import measure_given_image
from ztfpipe.products.images.given import read_given
from ztfpipe.products.names import parse

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "sciimg"
PAIRS = {
    "r": ("20250411326007_000860_zr_c08_o_q2", "20250411327442_000859_zr_c05_o_q2"),
    "g": ("20250116146979_000250_zg_c08_o_q3", "20250116147917_000249_zg_c05_o_q4"),
}
SETTINGS = Settings()
# A cut-out of a third of a megapixel: as many sources as it holds 25 px apart, planted again and again.
PLANTED = Planted(points_per_megapixel=200, streaks_per_megapixel=3, apart_px=25, streak_snr=(8.0, 20.0))
SEEDS = range(4)
FROM_STARS_PX = 8.0


@dataclass(frozen=True)
class RealPair:
    """A pair, its difference, and what became of sources planted into it (PLANTED_COLUMNS of all seeds)."""

    name: str
    science: Stored
    reference: Stored
    made: DifferenceProducts
    planted: pd.DataFrame

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Star-free pixels."""
        return empty_pixels(self.science, self.reference, self.made.difference)


def empty_pixels(science: Stored, reference: Stored, difference: Difference) -> NDArray[np.bool_]:
    """Pixels of both images away from masks, edges and catalogued stars of either."""
    shape = science.image_adu.shape
    y, x = np.indices(shape)
    catalog = reference.catalog
    stars = np.concatenate([
        np.stack((science.catalog.x_px, science.catalog.y_px), 1),
        np.stack(sky_to_pixel(science.wcs, catalog.ra_deg, catalog.dec_deg), 1),
    ])  # fmt: skip
    distance, _ = cKDTree(stars).query(np.stack([x.ravel(), y.ravel()], 1), distance_upper_bound=FROM_STARS_PX)
    inside = np.zeros(shape, np.bool_)
    inside[15:-15, 15:-15] = True
    return np.isinf(distance).reshape(shape) & inside & ~difference.bad


def measured(stem: str) -> Stored:
    """A real image measured by the science recipe, as one side of a difference."""
    path, camera, settings = FOLDER / f"ztf_{stem}_sciimg.fits", Camera.load("ztf"), Science()
    day = stem.split("_")[0]
    _, key = parse(f"sci/{day[:4]}/{day[4:8]}/{day[8:]}/{path.name}")
    given, pointing, _ = read_given(path, None, key, camera)
    made = measure_given_image(given, Calibrators(None, None, None), camera, key, pointing, settings)
    return stored_of(made, camera, given.gain_e_per_adu, path.name)


@functools.cache
def pair_of(name: str) -> RealPair:
    """One of PAIRS, differenced, with sources planted."""
    camera = Camera.load("ztf")
    science, reference = (measured(stem) for stem in PAIRS[name])
    made = make_difference(science, reference, camera, SETTINGS)
    found, tables = made.candidates, []
    if made.status == 1:
        for seed in SEEDS:
            recovered = plant_and_recover(
                science, reference, camera, SETTINGS, PLANTED, known=Sources(found.x_px, found.y_px),
                limit_mag=made.metrics["diffmaglim"], rng=np.random.default_rng(seed),
            )  # fmt: skip
            tables.append(pd.DataFrame(dict(recovered.table)))
    return RealPair(name, science, reference, made, pd.concat(tables) if tables else pd.DataFrame())


def present() -> bool:
    """Whether the images are at hand."""
    return all((FOLDER / f"ztf_{stem}_sciimg.fits").exists() for stems in PAIRS.values() for stem in stems)


def draw(science: Stored, difference: Difference, path: Path) -> None:
    """Science image, difference and S_corr side by side, grey from -5 to 5 sigma (the first to 20), as JPEG."""
    sky = np.median(science.image_adu)
    noise = float(np.median(difference.noise_adu))
    parts = (
        (science.image_adu - sky) / (4 * noise),
        np.where(difference.bad, 0, difference.image_adu) / noise,
        np.where(difference.bad, 0, difference.scorr),
    )
    grey = [np.clip(127.5 + 25.5 * one, 0, 255).astype(np.uint8) for one in parts]
    Image.fromarray(np.hstack(grey)).save(path, quality=70)


def sparse_difference() -> tuple[Stored, Stored, Difference]:
    """The g pair by methods alone: one star of it is bright, too few for the recipe, which gives it STATUS 0.

    Its PSFs are made of stars down to a signal-to-noise ratio of 8, of which that one is nearly all; the catalog of the
    second image is that of both.
    """
    science, reference = (measured(stem) for stem in PAIRS["g"])
    camera, catalog = Camera.load("ztf"), reference.catalog
    x, y = sky_to_pixel(science.wcs, catalog.ra_deg, catalog.dec_deg)
    shape = science.image_adu.shape
    inside = (np.minimum(x, y) > 3) & (x < shape[1] - 4) & (y < shape[0] - 4)
    flux = catalog.flux_adu.astype(float) * 10 ** (0.4 * (science.zero_point_mag - reference.zero_point_mag))
    seen = Detections(x[inside], y[inside], flux[inside], (catalog.flux_adu / catalog.flux_error_adu)[inside])
    mapping = pixel_mapping(science.wcs, shape, reference.wcs, reference.image_adu.shape)
    sides, stars = [], []
    for one in (science, reference):
        bad = (one.mask & np.uint16(camera.defect_mask)) != 0
        sky = estimate(one.image_adu, bad)
        image, variance = one.image_adu - sky.level, np.square(one.sigma_adu)
        if one is reference:
            light = resample(image, bad.astype(np.uint16), mapping, defect_bits=1, core_px=1, blank=False)
            variance = resample(variance, bad.astype(np.uint16), mapping, defect_bits=1, blank=False).image
            image, bad = np.nan_to_num(light.image), (light.mask != 0) | ~np.isfinite(light.image) | ~(variance > 0)
            variance = np.where(bad, np.float32(np.nanmedian(variance)), variance)
        weight = np.where(bad, np.float32(0), 1 / np.float32(np.median(variance)))
        psf = fit_psf(image, weight, seen, gain_e_per_adu=one.gain_e_per_adu, fwhm_px=3.2, max_order=0, min_snr=8.0)
        fitted, _ = fit_stars(image, weight, psf, seen.x_px, seen.y_px, seen.flux_adu, gain_e_per_adu=6.2)
        stars.append(CatalogStars(fitted.x_px, fitted.y_px, fitted.flux_adu, fitted.sigma_x_px, fitted.sigma_flux_adu,
                                  fitted.good_fraction > 0.99))  # fmt: skip
        sides.append(Exposed(image, variance, bad, psf))
    found = preparation.register(*stars, shape, min_snr=8.0, least_stars=5)
    pair = sides[0], preparation.match_throughput(sides[1], found)
    background = preparation.differential_background(*pair)
    pair = preparation.fill_masked(replace(pair[0], image_adu=pair[0].image_adu - background), pair[1], stars[0])
    difference = subtract(
        *pair, sigma_x_px=found.sigma_x_px, sigma_y_px=found.sigma_y_px, flux_error=found.flux_error,
        offset=(found.dx, found.dy),
    )  # fmt: skip
    side = min(shape)
    cell_px, scale_px = min(SETTINGS.background_cell_px, side // 10), min(SETTINGS.background_scale_px, side // 5)
    return science, reference, levelled(difference, cell_px=cell_px, scale_px=scale_px)
