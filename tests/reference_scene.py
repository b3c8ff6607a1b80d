"""A star field seen several times: dithered, turned, of varying seeing and throughput, with calibrators and catalogs.

Round Gaussians and white noise: whatever the reference pipeline makes of it can be told from the truth by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Reference
from ztfpipe.methods.sky.projection import pixel_to_sky, sky_to_pixel
from ztfpipe.model.catalogs import AstrometricCalibrators, PhotometricCalibrators, PsfCatalog
from ztfpipe.model.coadd import ReferenceInput
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.keys import ExposureKey, FieldQuadrantKey, QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.reference import Epoch, FrozenInputs, Selection
from ztfpipe.model.science import Calibrators
from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects
from ztfpipe.model.wcs import PV_INDICES, TpvWcs
from ztfpipe.pipelines.reference.recipe import grid_of
from ztfpipe.products.catalogs import calibrators as catalog_files
from ztfpipe.products.catalogs.catalogs import write_psfcat
from ztfpipe.products.formats.fits import write_image
from ztfpipe.products.names import path_of

CAMERA = Camera.load("mini")
KEY = ReferenceKey(473, "zr", 10, 1)
TARGET = CAMERA.filter("zr").reference_zero_point_mag
SKY_ADU, NOISE_ADU = 300.0, 7.0
N_STARS = 300


@dataclass(frozen=True)
class Stars:
    """True places on the grid of the reference and on the sky, and magnitudes."""

    x_px: np.ndarray
    y_px: np.ndarray
    ra_deg: np.ndarray
    dec_deg: np.ndarray
    mag: np.ndarray


def stars(seed: int = 1) -> Stars:
    """A field with as many stars of each magnitude from 14 to 19.5."""
    rng = np.random.default_rng(seed)
    wcs, (ny, nx) = grid_of(KEY, CAMERA)
    x, y = rng.uniform(-10, nx + 10, N_STARS), rng.uniform(-10, ny + 10, N_STARS)
    return Stars(x, y, *pixel_to_sky(wcs, x, y), np.linspace(14.0, 19.5, N_STARS))


def calibrators(field: Stars) -> Calibrators:
    """All stars of the field, without motion, of one colour: colour terms play no part here."""
    nought, error = np.zeros(N_STARS), np.full(N_STARS, 0.01)
    return Calibrators(
        AstrometricCalibrators(field.ra_deg, field.dec_deg, nought, nought, error, field.mag, 2016.0),
        PhotometricCalibrators(
            field.ra_deg, field.dec_deg, dict.fromkeys("gri", field.mag), dict.fromkeys("gri", error)
        ),
        None,
    )


def key_of(index: int) -> QuadrantKey:
    return QuadrantKey(ExposureKey(f"201803{10 + index % 20}{200000 + index:06d}", 473, "zr", "o"), 10, 1)


def epoch(field: Stars, index: int, *, zero_point_mag: float | None = None, dimmed: np.ndarray | None = None):
    """Epoch `index`: pixels, mask, and the input they are. dimmed: (n,) factor on each star's light."""
    rng = np.random.default_rng(100 + index)
    grid, (ny, nx) = grid_of(KEY, CAMERA)
    turn = np.radians(rng.uniform(-0.1, 0.1))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    wcs = TpvWcs(grid.crval_deg, grid.crpix_px, grid.cd_deg @ rotation, grid.pv)
    # Turned about the middle of the quadrant, not about the field's centre far away; then dithered.
    middle = np.array([(nx - 1) / 2, (ny - 1) / 2])
    crpix = middle + rotation.T @ (grid.crpix_px - middle) + rng.uniform(-4, 4, 2)
    wcs = replace(wcs, crpix_px=crpix)
    x, y = sky_to_pixel(wcs, field.ra_deg, field.dec_deg)
    zero_point = rng.uniform(26.0, 26.4) if zero_point_mag is None else zero_point_mag
    fwhm = rng.uniform(2.0, 2.6)
    flux = 10 ** (-0.4 * (field.mag - zero_point)) * (1.0 if dimmed is None else dimmed)
    image = rng.normal(SKY_ADU, NOISE_ADU, (ny, nx)).astype(np.float32)
    add_stars(image, x, y, flux, fwhm)
    mask = np.zeros((ny, nx), np.uint16)
    bad = rng.integers(0, (ny, nx), (200, 2))
    image[bad[:, 0], bad[:, 1]] = 20000.0
    mask[bad[:, 0], bad[:, 1]] = CAMERA.mask_value("noisy")
    error = np.hypot(NOISE_ADU * np.sqrt(4 * np.pi) * fwhm / 2.3548, np.sqrt(flux / 6.0))
    inside = (np.minimum(x, y) > 2) & (x < nx - 3) & (y < ny - 3)
    catalog = PsfCatalog(
        x_px=x[inside],
        y_px=y[inside],
        ra_deg=field.ra_deg[inside],
        dec_deg=field.dec_deg[inside],
        flux_adu=(flux + rng.normal(0, error))[inside],
        flux_error_adu=error[inside],
        chi=np.ones(inside.sum()),
        sharp=np.zeros(inside.sum()),
        flags=np.zeros(inside.sum(), np.int16),
    )
    # MAGLIM is where the scatter of magnitudes is 0.2, at S/N 5.4.
    limit = zero_point - 2.5 * np.log10(1.0857 / 0.2 * NOISE_ADU * np.sqrt(4 * np.pi) * fwhm / 2.3548)
    one = ReferenceInput(
        key_of(index), lambda first, stop: (image[first:stop], mask[first:stop]), (ny, nx), wcs, catalog,
        zero_point, 0.01, 0.0, float(limit), float(fwhm), 50000.0, night_jd("20180310") + index,
    )  # fmt: skip
    return image, mask, one


def add_stars(image: np.ndarray, x: np.ndarray, y: np.ndarray, flux: np.ndarray, fwhm_px: float) -> None:
    """Add Gaussians sampled at pixel centres, which at these widths hold their flux to 1e-4."""
    ny, nx = image.shape
    sigma, half = fwhm_px / 2.3548, 9
    for x0, y0, total in zip(x, y, flux, strict=True):
        i, j = int(np.rint(x0)), int(np.rint(y0))
        rows, columns = (
            np.arange(max(j - half, 0), min(j + half + 1, ny)),
            np.arange(max(i - half, 0), min(i + half + 1, nx)),
        )
        if rows.size and columns.size:
            profile = np.exp(-0.5 * ((rows[:, None] - y0) ** 2 + (columns - x0) ** 2) / sigma**2)
            image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += total * profile / (2 * np.pi * sigma**2)


def write_science(field, index: int) -> QuadrantKey:
    """The files of a science image that references are made of."""
    image, mask, one = epoch(field, index)
    header = {
        "FIELDID": KEY.field, "FILTERID": 2, "CCDID": KEY.ccdid, "QID": KEY.qid, "STATUS": 1, "OBSJD": one.jd,
        "MAGZP": one.zero_point_mag, "MAGZPUNC": 0.003, "CLRCOEFF": one.colour_coefficient, "MAGLIM": one.limiting_mag,
        "SEEING": one.seeing_px, "SATURATE": one.saturation_adu, "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV",
    }  # fmt: skip
    for axis in (1, 2):
        header |= {f"CRPIX{axis}": one.wcs.crpix_px[axis - 1] + 1, f"CRVAL{axis}": one.wcs.crval_deg[axis - 1]}
        header |= {f"CD{axis}_{column}": one.wcs.cd_deg[axis - 1, column - 1] for column in (1, 2)}
        header |= {f"PV{axis}_{m}": v for m, v in zip(PV_INDICES, one.wcs.pv[axis - 1], strict=True)}
    cards = {name: (value, "") for name, value in header.items()}
    write_image(path_of("sciimg", one.key), image, cards)
    write_image(path_of("mskimg", one.key), mask.astype(np.int16), cards)
    write_psfcat(path_of("psfcat", one.key), one.catalog, cards)
    return one.key


def write_calibrators(field: Stars) -> tuple[Path, Path]:
    """The calibrators of the field as files; their paths."""
    place = FieldQuadrantKey(KEY.field, KEY.ccdid, KEY.qid)
    gaia, ps1 = (Path(path_of(name, place)) for name in ("gaiacalibrators", "ps1calibrators"))
    number, nought, small = np.arange(N_STARS), np.zeros(N_STARS), np.full(N_STARS, 0.01)
    astrometric = GaiaStars(
        number, field.ra_deg, field.dec_deg, small, small, nought, nought, field.mag, nought + 1.0, 2016.0
    )
    catalog_files.write_gaia_calibrators(gaia, astrometric, {})
    magnitudes, errors = dict.fromkeys("griz", field.mag), dict.fromkeys("griz", small)
    objects = Ps1Objects(number, field.ra_deg, field.dec_deg, magnitudes, errors, errors, number * 0 + 12, nought + 1.0)
    catalog_files.write_ps1_calibrators(ps1, objects, {})
    return gaia, ps1


def frozen_inputs(version: ReferenceVersionKey, keys: list[QuadrantKey], settings: Reference) -> FrozenInputs:
    """A list of inputs as the night's check freezes it."""
    chosen = tuple(Epoch(key, 1, 2.2, 26.0, 0.0, 20.5, 300.0, 7.0, 0.01, 0.01) for key in keys)
    selection = Selection(chosen, (), settings.epochs_min)
    return FrozenInputs(version, "20180401", "a test", selection, settings.model_dump(mode="json"))
