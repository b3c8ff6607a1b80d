"""The star field of `reference_scene` with a reference and a new epoch that has transients: as files.

The stars are the same, their light is what the zero points say, and the noise is white: what the difference must hold
is known.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.reference_scene import (
    KEY,
    add_stars,
    frozen_inputs,
    key_of,
    stars,
    write_calibrators,
    write_science,
)
from ztfpipe.camera import Camera
from ztfpipe.config import Config, Difference, Reference
from ztfpipe.methods.sky.projection import pixel_to_sky, sky_to_pixel
from ztfpipe.model.difference import Stored
from ztfpipe.model.keys import FieldQuadrantKey, QuadrantKey, ReferenceVersionKey
from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.catalogs.calibrators import write_gaia_context, write_ps1_context
from ztfpipe.products.formats.fits import read_image, write_image
from ztfpipe.products.images.difference import read_reference_side, read_science_side
from ztfpipe.products.images.wcs import wcs_of
from ztfpipe.products.names import path_of
from ztfpipe.steps.reference import coadd

INPUTS = 4
NEW = key_of(9)
VERSION = ReferenceVersionKey(KEY, 1)
SECTIONS = {"reference": {"epochs_min": 3}}
GONE = 218
"""Number of a star of 18.0 mag that the new epoch lacks."""


@dataclass(frozen=True)
class Planted:
    """What only the new epoch has: zero-based positions [px], flux [DN]; and the star that it lacks."""

    x_px: np.ndarray
    y_px: np.ndarray
    flux_adu: np.ndarray
    gone_px: tuple[float, float]
    gone_flux_adu: float


def write_epochs() -> Planted:
    """Science images of a reference's inputs and of a new epoch; calibrators and the frozen list. In the archive."""
    field = stars()
    write_calibrators(field)
    keys = [write_science(field, k) for k in range(INPUTS)]
    accounts.write_frozen_inputs(Path(), frozen_inputs(VERSION, keys, Reference(epochs_min=3)))
    write_science(field, 9)
    path = path_of("sciimg", NEW)
    image, header = read_image(path)
    wcs, zero_point, fwhm = wcs_of(path, header), header["MAGZP"][0], header["SEEING"][0]
    x, y = sky_to_pixel(wcs, field.ra_deg, field.dec_deg)
    ny, nx = image.shape
    rng = np.random.default_rng(5)
    trial = rng.uniform(30, (nx - 30, ny - 30), (200, 2))
    alone = np.hypot(trial[:, :1] - x, trial[:, 1:] - y).min(axis=1) > 15
    new_x, new_y = trial[alone][:8].T
    # 19.5 mag has a signal-to-noise ratio of some 15 in the difference.
    flux = np.full(8, 10 ** (-0.4 * (19.5 - zero_point)))
    gone = float(10 ** (-0.4 * (field.mag[GONE] - zero_point)))
    add_stars(image, new_x, new_y, flux, fwhm)
    add_stars(image, x[GONE : GONE + 1], y[GONE : GONE + 1], np.array([-gone]), fwhm)
    write_image(path, image, header)
    return Planted(new_x, new_y, flux, (float(x[GONE]), float(y[GONE])), gone)


def write_reference() -> None:
    """The reference's version, by its own step."""
    config = Config(camera="mini", workspace="w", reference=Reference(epochs_min=3))
    settings = write_settings(Path("../settings"), "reference", config)
    coadd(path_of("vrefimg", VERSION), settings, Path(path_of("refinputs", VERSION)))


def inputs_of(key: QuadrantKey, version: ReferenceVersionKey) -> dict[str, Path]:
    """The inputs of the step `difference image`."""
    science = {"image": "sciimg", "mask": "mskimg", "psfcat": "psfcat"}
    return {name: Path(path_of(product, key)) for name, product in science.items()} | {
        name: Path(path_of(f"v{name}", version)) for name in ("refimg", "refmsk", "refunc", "refpsfcat")
    }


def read_pair(archive: Path, camera: Camera) -> tuple[Stored, Stored]:
    """The new epoch and the reference, made in an empty folder, as the recipe takes them."""
    archive.mkdir()
    with contextlib.chdir(archive):
        write_epochs()
        write_reference()
        paths = inputs_of(NEW, VERSION)
        science, _ = read_science_side(*(paths[name] for name in ("image", "mask", "psfcat")), NEW, camera)
        names = ("refimg", "refmsk", "refunc", "refpsfcat")
        reference, _ = read_reference_side(*(paths[name] for name in names), NEW, camera)
    return science, reference


def write_contexts(planted: Planted) -> dict[str, Path]:
    """PS1 and Gaia around the field: its stars, without motion; a galaxy 3 arcsec north of the first new source, and
    beside it an object of unknown kind that only PS1 knows. The further inputs of the step."""
    field = stars()
    header = read_image(path_of("sciimg", NEW))[1]
    ra, dec = pixel_to_sky(wcs_of(Path(path_of("sciimg", NEW)), header), planted.x_px[:1], planted.y_px[:1])
    ra, dec = np.concatenate([field.ra_deg, ra, ra]), np.concatenate([field.dec_deg, dec + 3 / 3600, dec + 5 / 3600])
    mag = np.append(field.mag, [20.0, 21.0])
    n = len(ra)
    number, nought = np.arange(n), np.zeros(n)
    score = np.append(np.ones(n - 2), [0.02, np.nan])
    bands = dict.fromkeys("griz", mag)
    place = FieldQuadrantKey(KEY.field, KEY.ccdid, KEY.qid)
    ps1, gaia = (Path(path_of(name, place)) for name in ("ps1context", "gaiacontext"))
    objects = Ps1Objects(10**17 + number, ra, dec, bands, bands, bands, number, score)
    write_ps1_context(ps1, objects, {})
    stars_only = GaiaStars(number, ra, dec, nought, nought, nought, nought, mag, nought + 1, 2016.0)
    write_gaia_context(gaia, stars_only.select(number < n - 2), {})
    return {"ps1": ps1, "gaia": gaia}


def difference_settings(**values: object) -> Path:
    config = Config(camera="mini", workspace="w", difference=Difference(**values))
    return write_settings(Path("../settings"), "difference", config)
