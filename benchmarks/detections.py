"""Completeness and purity of the recipe's PSF catalog on a synthetic quadrant, by true matched-filter S/N."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

from benchmarks.cramer_rao import bounds
from benchmarks.pairs import brightest_first
from benchmarks.science_scenes import Exposure
from ztfpipe.model.science import ScienceImage

SNR_LEVELS = {5: (4.75, 5.25), 7: (6.5, 7.5)}
CLEAR_PX, EDGE_PX, COMPANION_PX, MATCH_PX = 6, 10, 6.0, 1.2
LEAST_SNR = 2.0
"""What is fainter explains no detection; an entry with nothing brighter within a FWHM is false."""
GALAXY_RADII, GALAXY_SNR = 3.0, 20.0
"""Detections within so many half-light radii of galaxies this significant are not judged: they have an extent."""


@dataclass(frozen=True)
class Counts:
    """How many lone, unmasked stars of each S/N level there are and were found; entries judged, and false ones."""

    stars: dict[int, int]
    found: dict[int, int]
    entries: int
    false: int


def count(exposure: Exposure, made: ScienceImage) -> Counts:
    """Compare the catalog with all true sources of the quadrant."""
    stars = exposure.tables["stars"]
    sources = pd.concat([exposure.tables[name] for name in ("stars", "galaxies", "transients", "asteroids")])
    flux = sources.flux_e.to_numpy()
    places = np.c_[sources.x_px, sources.y_px]
    middle = np.array(made.image_adu.shape[::-1]) / 2
    unit = _flux_at_snr(exposure, middle, 1.0)
    catalog = made.psf_catalog
    entries = np.c_[catalog.x_px, catalog.y_px]
    matched = brightest_first(places, np.where(flux > LEAST_SNR * unit, flux, np.nan), entries, MATCH_PX)
    lone_flux = np.where(_blended(places, flux) | ~_clear(exposure, made, places), np.nan, flux)[: len(stars)]
    n_stars, n_found = {}, {}
    for level, (low, high) in SNR_LEVELS.items():
        near = np.flatnonzero((lone_flux > 0.7 * low * unit) & (lone_flux < 1.4 * high * unit))
        snr = bounds(exposure, *places[near].T, flux[near]).snr
        chosen = near[(snr > low) & (snr < high)]
        n_stars[level], n_found[level] = len(chosen), int(np.count_nonzero(matched[chosen] >= 0))
    distance, _ = cKDTree(places[flux > LEAST_SNR * unit]).query(entries)
    real = distance < made.seeing_px
    judged = _clear(exposure, made, entries) & ~_on_galaxy(exposure.tables["galaxies"], entries, unit)
    return Counts(n_stars, n_found, int(judged.sum()), int(np.count_nonzero(judged & ~real)))


def _flux_at_snr(exposure: Exposure, place: np.ndarray, snr: float) -> float:
    """Electrons of a star at a place that the background alone gives this S/N."""
    faint = 1.0
    return snr * faint / float(bounds(exposure, *place[:, None], np.array([faint])).snr[0])


def _clear(exposure: Exposure, made: ScienceImage, places: np.ndarray) -> np.ndarray:
    """Which places are inside the image and have no defect within CLEAR_PX."""
    ny, nx = made.mask.shape
    defect = binary_dilation((made.mask & np.uint16(exposure.camera.defect_mask)) != 0, iterations=CLEAR_PX)
    inside = (places > EDGE_PX).all(axis=1) & (places[:, 0] < nx - 1 - EDGE_PX) & (places[:, 1] < ny - 1 - EDGE_PX)
    column, line = (np.clip(np.rint(places[:, k]).astype(int), 0, (nx, ny)[k] - 1) for k in (0, 1))
    return inside & ~defect[line, column]


def _blended(places: np.ndarray, flux: np.ndarray) -> np.ndarray:
    """Which sources have another of a tenth of their light within COMPANION_PX."""
    distance, index = cKDTree(places).query(places, k=12)
    return ((distance[:, 1:] < COMPANION_PX) & (flux[index[:, 1:]] > 0.1 * flux[:, None])).any(axis=1)


def _on_galaxy(galaxies: pd.DataFrame, places: np.ndarray, unit_e: float) -> np.ndarray:
    bright = galaxies[galaxies.flux_e > GALAXY_SNR * unit_e]
    near = np.zeros(len(places), bool)
    if len(bright):
        lists = cKDTree(places).query_ball_point(
            np.c_[bright.x_px, bright.y_px], np.maximum(GALAXY_RADII * bright.radius_px.to_numpy(), 3.0)
        )
        near[np.concatenate([np.array(one, int) for one in lists])] = True
    return near
