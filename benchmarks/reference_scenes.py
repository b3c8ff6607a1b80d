"""Science images of one quadrant seen many times, as a reference step finds them in the archive, with their truth.

Pixels are those of the synthetic camera's sky without its electronics: stars of the catalog with a Moffat profile of
beta 3, integrated over pixels, whose width changes from epoch to epoch, the night's dithers, sky and photon noise;
catalogs are the truth with noise. To make forty epochs from raw counts would take the benchmark half an hour and tell
nothing more of co-addition.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.sky_scenes import add_moffats
from ztfpipe.camera import Camera
from ztfpipe.config import Config, Reference
from ztfpipe.methods.sky.projection import pixel_to_sky, sky_to_pixel
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import ExposureKey, FieldQuadrantKey, QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.reference import Epoch, FrozenInputs, Selection
from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects
from ztfpipe.model.wcs import PV_INDICES, TpvWcs
from ztfpipe.pipelines.reference.recipe import grid_of
from ztfpipe.products.accounts.references import write_frozen_inputs
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs import calibrators as catalog_files
from ztfpipe.products.catalogs.catalogs import write_psfcat
from ztfpipe.products.formats.fits import write_image
from ztfpipe.products.names import path_of

KEY = ReferenceKey(473, "zr", 10, 1)
SKY_ADU, NOISE_ADU, GAIN = 400.0, 9.0, 6.2
BETA, WIDE_ADU = 3.0, 2000.0
"""Stars' profile, and from which flux on it is drawn to 48 px, far beyond the stamps that photometry knows."""
STARS_PER_SQUARE_DEGREE = 30000.0
"""Of 13 to 22.5 mag, four tenths of a dex a magnitude: some 5,000 of them are detectable in one epoch."""


@dataclass(frozen=True)
class Field:
    """True stars: degrees and magnitudes, faintest last."""

    ra_deg: np.ndarray
    dec_deg: np.ndarray
    mag: np.ndarray


def star_field(camera: Camera, seed: int = 1) -> Field:
    """Stars over the quadrant and a border of 30 px."""
    rng = np.random.default_rng(seed)
    wcs, (ny, nx) = grid_of(KEY, camera)
    area = (ny + 60) * (nx + 60) * (camera.pixel_scale_arcsec / 3600) ** 2
    n = int(STARS_PER_SQUARE_DEGREE * area)
    slope = 0.4 * np.log(10) * 0.75
    low, high = np.exp(slope * 13.0), np.exp(slope * 22.5)
    mag = np.sort(np.log(low + rng.uniform(size=n) * (high - low)) / slope)
    return Field(*pixel_to_sky(wcs, rng.uniform(-30, nx + 30, n), rng.uniform(-30, ny + 30, n)), mag)


def write_inputs(folder: Path, epochs: int, camera_name: str = "quadrant") -> Field:
    """Write what the reference step reads below `folder`/archive: images, masks, catalogs, calibrators, frozen list."""
    camera = Camera.load(camera_name)
    field = star_field(camera)
    settings = Reference()
    write_settings(folder / "settings", "reference", Config(camera=camera_name, workspace=str(folder)), camera)
    (folder / "archive").mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder / "archive"):
        _write_calibrators(field)
        chosen = tuple(_write_epoch(camera, field, index) for index in range(epochs))
        listed = Selection(chosen, (), settings.epochs_min)
        version = ReferenceVersionKey(KEY, 1)
        write_frozen_inputs(
            Path(), FrozenInputs(version, "20180401", "bench", listed, settings.model_dump(mode="json"))
        )
    return field


def _write_calibrators(field: Field) -> None:
    bright = field.mag < 19.0
    n = int(bright.sum())
    number, nought, small = np.arange(n), np.zeros(n), np.full(n, 0.01)
    place = FieldQuadrantKey(KEY.field, KEY.ccdid, KEY.qid)
    ra, dec, mag = field.ra_deg[bright], field.dec_deg[bright], field.mag[bright]
    gaia = GaiaStars(number, ra, dec, small, small, nought, nought, mag, nought + 1, 2016.0)
    catalog_files.write_gaia_calibrators(path_of("gaiacalibrators", place), gaia, {})
    by_band, error = dict.fromkeys("griz", mag), dict.fromkeys("griz", small)
    ps1 = Ps1Objects(number, ra, dec, by_band, error, error, number * 0 + 12, nought + 1)
    catalog_files.write_ps1_calibrators(path_of("ps1calibrators", place), ps1, {})


def _write_epoch(camera: Camera, field: Field, index: int) -> Epoch:
    rng = np.random.default_rng(1000 + index)
    grid, (ny, nx) = grid_of(KEY, camera)
    pv = grid.pv.copy()
    pv[:, 3:6] += rng.normal(0, 2e-4, (2, 3))  # some tenths of a pixel from corner to corner
    wcs = TpvWcs(grid.crval_deg, grid.crpix_px + rng.uniform(-8, 8, 2), grid.cd_deg, pv)
    x, y = sky_to_pixel(wcs, field.ra_deg, field.dec_deg)
    zero_point, fwhm = 26.2 + rng.normal(0, 0.05), rng.uniform(1.8, 2.4)
    flux = 10 ** (-0.4 * (field.mag - zero_point))
    light = np.zeros((ny, nx), np.float32)
    add_moffats(light, x, y, flux, _width(fwhm), BETA, WIDE_ADU)
    sigma = np.sqrt(NOISE_ADU**2 + light / GAIN)
    image = (SKY_ADU + light + sigma * rng.standard_normal((ny, nx), np.float32)).astype(np.float32)
    mask = np.where(image > 48000, camera.mask_value("saturated"), 0).astype(np.int16)
    inside = (np.minimum(x, y) > 2) & (x < nx - 3) & (y < ny - 3) & (field.mag < 19.5)
    # Zero points are those of the fluxes that a catalog has, of stars within their stamps.
    share, area = stamp_of(fwhm)
    flux, zero_point = share * flux, zero_point + 2.5 * np.log10(share)
    sky_error = NOISE_ADU * np.sqrt(area)
    error = np.hypot(sky_error, np.sqrt(flux / GAIN))
    n = int(inside.sum())
    catalog = PsfCatalog(
        x[inside], y[inside], field.ra_deg[inside], field.dec_deg[inside], (flux + rng.normal(0, error))[inside],
        error[inside], np.ones(n), np.zeros(n), np.zeros(n, np.int16),
    )  # fmt: skip
    limit = zero_point - 2.5 * np.log10(1.0857 / 0.2 * sky_error)
    key = QuadrantKey(ExposureKey(f"20180320{100000 + index:06d}", KEY.field, KEY.filter, "o"), KEY.ccdid, KEY.qid)
    header = _header(wcs, zero_point, limit, fwhm, index)
    write_image(path_of("sciimg", key), image, header)
    write_image(path_of("mskimg", key), mask, header)
    write_psfcat(path_of("psfcat", key), catalog, header)
    return Epoch(key, 1, fwhm, zero_point, 0.0, limit, SKY_ADU, NOISE_ADU, 0.01, 0.01)


def _header(wcs: TpvWcs, zero_point: float, limit: float, fwhm: float, index: int) -> Cards:
    values = {
        "FIELDID": KEY.field, "FILTERID": 2, "CCDID": KEY.ccdid, "QID": KEY.qid, "STATUS": 1,
        "OBSJD": 2458197.6 + 0.001 * index, "MAGZP": zero_point, "MAGZPUNC": 0.002, "CLRCOEFF": 0.0,
        "MAGLIM": float(limit), "SEEING": fwhm, "SATURATE": 48000.0, "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV",
    }  # fmt: skip
    for axis in (1, 2):
        values |= {f"CRPIX{axis}": wcs.crpix_px[axis - 1] + 1, f"CRVAL{axis}": wcs.crval_deg[axis - 1]}
        values |= {f"CD{axis}_{column}": wcs.cd_deg[axis - 1, column - 1] for column in (1, 2)}
        values |= {f"PV{axis}_{m}": v for m, v in zip(PV_INDICES, wcs.pv[axis - 1], strict=True)}
    return {name: (value, "") for name, value in values.items()}


def _width(fwhm_px: float) -> float:
    return fwhm_px / 2 / np.sqrt(2 ** (1 / BETA) - 1)


def stamp_of(fwhm_px: float) -> tuple[float, float]:
    """Share of a star's light that its PSF's stamp of 25 x 25 px holds, and the stamp's noise area 1 / sum P^2 [px^2];
    means over its places on its pixel."""
    shares, areas = [], []
    for offset in np.random.default_rng(0).uniform(-0.5, 0.5, (2, 50)).T:
        profile = np.zeros((25, 25))
        add_moffats(profile, *(np.array([12 + one]) for one in offset), np.ones(1), _width(fwhm_px), BETA)
        shares.append(profile.sum())
        areas.append(shares[-1] ** 2 / np.sum(profile**2))
    return float(np.mean(shares)), float(np.mean(areas))
