"""Epochs of one full-size quadrant as catalogs, with their truth: what matchfiles are made of, without pixels.

Stars are drawn once; each epoch has its dither, an error of its zero point, clouds with a structure over the
quadrant, one of two flats that are wrong by 3 % at the edges, photon and sky noise, centroid noise, and variables
among the stars.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.reference_scenes import KEY
from ztfpipe.camera import Camera
from ztfpipe.config import RECIPE_VERSIONS, Config, Lightcurve
from ztfpipe.methods.sky.projection import pixel_to_sky
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import ExposureKey, QuadrantKey, ReferenceVersionKey
from ztfpipe.model.lightcurve import MatchEpochs
from ztfpipe.model.wcs import PV_INDICES, TpvWcs
from ztfpipe.pipelines.reference.recipe import grid_of
from ztfpipe.products.accounts.matchepochs import write_match_epochs
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs.catalogs import write_psfcat
from ztfpipe.products.names import path_of

VERSION = ReferenceVersionKey(KEY, 1)
OUTPUT = path_of("matchfile", KEY)
ZERO_POINT, LIMIT, FIRST_JD, GAP_D = 26.2, 20.8, night_jd("20180325") + 0.2, 3
ZP_NOISE_MAG, CLOUD_MAG, FLAT_ERROR, DITHER_PX = 0.015, 0.01, 0.03, 15.0
N_VARIABLES = 200
SEPARATION_ARCSEC = 2.0


@dataclass(frozen=True)
class Truth:
    """Stars by match id, brightest first: pixel places on the reference, magnitudes, amplitudes and periods of
    variables."""

    x_px: np.ndarray
    y_px: np.ndarray
    ra_deg: np.ndarray
    dec_deg: np.ndarray
    mag: np.ndarray
    amplitude_mag: np.ndarray
    period_d: np.ndarray
    wcs: TpvWcs
    shape: tuple[int, int]

    def at(self, epoch: int) -> np.ndarray:
        """Magnitudes in an epoch."""
        return self.mag + self.amplitude_mag * np.sin(2 * np.pi * GAP_D * epoch / self.period_d)


def stars(n: int, seed: int = 1) -> Truth:
    """Stars of 13 to 20.9 mag that are not closer to each other than a reference separates."""
    camera, rng = Camera.load("quadrant"), np.random.default_rng(seed)
    wcs, (ny, nx) = grid_of(KEY, camera)
    x, y = _apart(rng, n, nx, ny, SEPARATION_ARCSEC / camera.pixel_scale_arcsec)
    slope = 0.4 * np.log(10) * 0.75
    low, high = np.exp(slope * 13.0), np.exp(slope * 20.9)
    mag = np.sort(np.log(low + rng.uniform(size=n) * (high - low)) / slope)
    amplitude = np.zeros(n)
    amplitude[rng.choice(np.flatnonzero(mag < 18.0), N_VARIABLES, replace=False)] = rng.uniform(0.05, 0.5, N_VARIABLES)
    return Truth(x, y, *pixel_to_sky(wcs, x, y), mag, amplitude, rng.uniform(0.3, 80.0, n), wcs, (ny, nx))


def _apart(rng: np.random.Generator, n: int, nx: int, ny: int, least_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Random places, one in a cell at most, at least `least_px` from each other as cells have that border."""
    from scipy.spatial import cKDTree

    places = rng.uniform(10, (nx - 10, ny - 10), (3 * n, 2))
    pairs = cKDTree(places).query_pairs(least_px, output_type="ndarray")
    kept = np.ones(len(places), bool)
    kept[pairs.max(axis=1)] = False
    return tuple(places[kept][:n].T)


def sigma_mag(mag: np.ndarray) -> np.ndarray:
    """The Cramer-Rao error of a measurement: photons and sky, 0.2 mag at the limit."""
    return np.hypot(0.0025 * 10 ** (0.2 * (mag - 15.5)), 0.2 * 10 ** (0.4 * (mag - LIMIT)))


def key_of(epoch: int) -> QuadrantKey:
    day = str(np.datetime64("2018-03-25") + GAP_D * epoch).replace("-", "")
    return QuadrantKey(ExposureKey(f"{day}200000", KEY.field, KEY.filter, "o"), KEY.ccdid, KEY.qid)


def epoch_of(truth: Truth, epoch: int) -> tuple[PsfCatalog, np.ndarray, TpvWcs]:
    """Catalog, the star of each of its rows, and the WCS."""
    rng = np.random.default_rng(1000 + epoch)
    (ny, nx), dither = truth.shape, rng.normal(0, DITHER_PX, 2)
    x, y = truth.x_px + dither[0], truth.y_px + dither[1]
    mag = truth.at(epoch)
    inside = (np.minimum(x, y) > 2) & (x < nx - 3) & (y < ny - 3)
    seen = np.flatnonzero(inside & (rng.random(mag.size) < 0.98) & (mag + rng.normal(0, 0.2, mag.size) < LIMIT))
    u, v = 2 * x[seen] / (nx - 1) - 1, 2 * y[seen] / (ny - 1) - 1
    flat = FLAT_ERROR * ((u - 0.2) ** 4 + (v + 0.1) ** 4) / 2.4 if epoch % 2 else FLAT_ERROR * u * np.abs(v) ** 3
    turn, wave = rng.uniform(0, 2 * np.pi, 2)
    along = u * np.cos(turn) + v * np.sin(turn)
    clouds = rng.exponential(CLOUD_MAG) * (along + 0.5 * np.sin(2 * along + wave))
    wrong = rng.normal(0, ZP_NOISE_MAG) + flat + clouds
    sigma = sigma_mag(mag[seen])
    measured = mag[seen] + wrong + rng.normal(0, sigma)
    flux = 10 ** (-0.4 * (measured - ZERO_POINT))
    wcs = replace(truth.wcs, crpix_px=truth.wcs.crpix_px + dither)
    centroid = np.hypot(0.03, 0.6 * 2.0 * sigma / 1.0857)
    xm, ym = x[seen] + rng.normal(0, centroid), y[seen] + rng.normal(0, centroid)
    order = np.argsort(-flux, kind="stable")
    nought = np.zeros(seen.size)
    catalog = PsfCatalog(
        xm[order], ym[order], *pixel_to_sky(wcs, xm[order], ym[order]), flux[order], (flux * sigma / 1.0857)[order],
        nought + 1, nought, np.zeros(seen.size, np.int16),
    )  # fmt: skip
    return catalog, seen[order], wcs


def header_of(wcs: TpvWcs, jd: float, **other: object) -> Cards:
    """Keywords of a catalog."""
    header = {
        "FIELDID": KEY.field, "FILTERID": 2, "CCDID": KEY.ccdid, "QID": KEY.qid, "STATUS": 1, "OBSJD": jd,
        "EXPTIME": 30.0, "MAGZP": ZERO_POINT, "MAGLIM": LIMIT, "SEEING": 2.0, "INFOBITS": 0, "PROGRMID": 1,
        "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV",
    } | other  # fmt: skip
    for axis in (1, 2):
        header |= {f"CRPIX{axis}": wcs.crpix_px[axis - 1] + 1, f"CRVAL{axis}": wcs.crval_deg[axis - 1]}
        header |= {f"CD{axis}_{column}": wcs.cd_deg[axis - 1, column - 1] for column in (1, 2)}
        header |= {f"PV{axis}_{m}": v for m, v in zip(PV_INDICES, wcs.pv[axis - 1], strict=True)}
    return {name: (value, "") for name, value in header.items()}


def write_survey(folder: Path, n_stars: int, epochs: int, **settings: object) -> Truth:
    """An archive with a reference's catalog, epochs and their list; the truth."""
    truth = stars(n_stars)
    (folder / "archive").mkdir(parents=True)
    write_settings(folder / "settings", "lightcurve", Config(camera="quadrant", workspace=str(folder)))
    with contextlib.chdir(folder / "archive"):
        flux = 10 ** (-0.4 * (truth.mag - ZERO_POINT))
        nought, error = np.zeros(n_stars), flux * sigma_mag(truth.mag) / 1.0857 / 4
        catalog = PsfCatalog(
            truth.x_px, truth.y_px, truth.ra_deg, truth.dec_deg, flux, error, nought + 1, nought,
            np.zeros(n_stars, np.int16),
        )  # fmt: skip
        span = {"JDSTART": FIRST_JD, "JDEND": FIRST_JD + 30}
        write_psfcat(path_of("vrefpsfcat", VERSION), catalog, header_of(truth.wcs, FIRST_JD, **span))
        for epoch in range(epochs):
            catalog, _, wcs = epoch_of(truth, epoch)
            write_psfcat(path_of("psfcat", key_of(epoch)), catalog, header_of(wcs, FIRST_JD + GAP_D * epoch))
        write_list(epochs, **settings)
    return truth


def write_list(epochs: int, **settings: object) -> None:
    """The frozen list of the first epochs, in the present archive."""
    values = Lightcurve(**settings).model_dump(mode="json")
    keys = tuple(key_of(epoch) for epoch in range(epochs))
    write_match_epochs(Path(), MatchEpochs(KEY, 1, RECIPE_VERSIONS["lightcurve"], values, keys))
