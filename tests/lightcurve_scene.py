"""A field measured many times, as catalogs: stars, variables, a star that moves, transients, clouds and bad zero
points.

Catalogs are drawn from the truth by hand; no pixels are made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tests.reference_scene import CAMERA, KEY
from ztfpipe.config import RECIPE_VERSIONS, Lightcurve
from ztfpipe.methods.sky.projection import pixel_to_sky, sky_to_pixel
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.keys import ExposureKey, QuadrantKey, ReferenceVersionKey
from ztfpipe.model.lightcurve import MatchEpochs
from ztfpipe.model.skycatalogs import GaiaStars
from ztfpipe.model.wcs import PV_INDICES
from ztfpipe.pipelines.reference.recipe import grid_of
from ztfpipe.products.catalogs import calibrators as catalog_files
from ztfpipe.products.catalogs.catalogs import write_psfcat
from ztfpipe.products.names import path_of

VERSION = ReferenceVersionKey(KEY, 1)
N_STARS = 400
ZERO_POINT, LIMIT = 26.0, 20.5
FIRST_JD = night_jd("20180310") + 0.2
FAST = 0
"""Index of the star that moves [0.9 arcsec a year, which Gaia knows]."""
MOTION_MAS = 900.0
GAP_D = 4.0


@dataclass(frozen=True)
class Scene:
    """Truth: positions at the first epoch, and magnitudes."""

    ra_deg: np.ndarray
    dec_deg: np.ndarray
    mag: np.ndarray

    def place(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        dec = self.dec_deg.copy()
        dec[FAST] += MOTION_MAS / 3.6e6 * GAP_D * epoch / 365.25
        return self.ra_deg, dec


def scene(seed: int = 5) -> Scene:
    """Stars that stand apart, from 14 to 20 mag."""
    rng = np.random.default_rng(seed)
    wcs, (ny, nx) = grid_of(KEY, CAMERA)
    side = int(np.ceil(np.sqrt(N_STARS)))
    row, column = np.divmod(np.arange(N_STARS), side)
    x = 20 + (nx - 40) / side * (column + rng.uniform(0.2, 0.8, N_STARS))
    y = 20 + (ny - 40) / side * (row + rng.uniform(0.2, 0.8, N_STARS))
    return Scene(*pixel_to_sky(wcs, x, y), rng.permutation(np.linspace(14.0, 20.0, N_STARS)))


def key_of(epoch: int) -> QuadrantKey:
    jd = FIRST_JD + GAP_D * epoch
    day = np.datetime64("2018-03-10") + int(GAP_D) * epoch
    return QuadrantKey(
        ExposureKey(f"{str(day).replace('-', '')}{round((jd - 0.5) % 1 * 1e6):06d}", KEY.field, KEY.filter, "o"),
        KEY.ccdid, KEY.qid,
    )  # fmt: skip


def sigma_mag(mag: np.ndarray) -> np.ndarray:
    """Errors of measurements: photons, and 0.2 mag at the limit."""
    return np.hypot(0.004 * 10 ** (0.2 * (mag - 16)), 0.2 * 10 ** (0.4 * (mag - LIMIT)))


def catalog_of(
    ra_deg: np.ndarray, dec_deg: np.ndarray, mag: np.ndarray, *, zero_point: float = ZERO_POINT, edge: int = 0
) -> PsfCatalog:
    """A catalog of what is brighter than the limit."""
    wcs, _ = grid_of(KEY, CAMERA)
    x, y = sky_to_pixel(wcs, ra_deg, dec_deg)
    flux = 10 ** (-0.4 * (mag - zero_point))
    flags = np.zeros(mag.size, np.int16)
    flags[:edge] = -1
    nought = np.zeros(mag.size)
    return PsfCatalog(x, y, ra_deg, dec_deg, flux, flux * sigma_mag(mag) / 1.0857, nought + 1, nought, flags)


def epoch_catalog(truth: Scene, epoch: int, *, delta_zp: float = 0.0, seed: int = 100) -> PsfCatalog:
    """What one epoch measures: everything brighter than the limit but for every fiftieth, and one false detection.

    delta_zp: error of the epoch's zero point, by which all its magnitudes are too faint.
    """
    rng = np.random.default_rng(seed + epoch)
    ra, dec = truth.place(epoch)
    seen = np.flatnonzero((truth.mag < LIMIT) & (np.arange(N_STARS) % 50 != epoch % 50))
    mag = truth.mag[seen] + rng.normal(0, sigma_mag(truth.mag[seen])) + delta_zp
    offset = rng.normal(0, 0.03 / 3600, (2, seen.size))
    ra, dec = ra[seen] + offset[0] / np.cos(np.radians(dec[seen])), dec[seen] + offset[1]
    # A transient between the stars at its own place in odd epochs, and an artefact elsewhere each time.
    extra = [np.mean(truth.ra_deg) + 0.0007 * (epoch + 2), np.mean(truth.ra_deg)][epoch % 2 :]
    more_dec = [np.mean(truth.dec_deg) - 0.001, np.mean(truth.dec_deg) + 0.0005][epoch % 2 :]
    ra, dec, mag = np.append(ra, extra), np.append(dec, more_dec), np.append(mag, np.full(len(extra), 18.5))
    return catalog_of(ra, dec, mag)


def header_of(key: QuadrantKey | None, jd: float, **other: object) -> dict:
    """The keywords of a catalog that light curves read."""
    wcs, _ = grid_of(KEY, CAMERA)
    header = {
        "FIELDID": KEY.field, "FILTERID": 2, "CCDID": KEY.ccdid, "QID": KEY.qid, "STATUS": 1, "OBSJD": jd,
        "EXPTIME": 30.0, "MAGZP": ZERO_POINT, "MAGZPUNC": 0.001, "MAGZPRMS": 0.02, "CLRCOEFF": 0.1, "CLRCOUNC": 0.01,
        "ZPCLRCOV": 0.0, "MAGLIM": LIMIT, "SEEING": 2.2, "INFOBITS": 0, "NMATCHES": 200, "AIRMASS": 1.1,
        "PROGRMID": 1, "PROGRMPI": "Kulkarni", "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV",
    } | other  # fmt: skip
    for axis in (1, 2):
        header |= {f"CRPIX{axis}": wcs.crpix_px[axis - 1] + 1, f"CRVAL{axis}": wcs.crval_deg[axis - 1]}
        header |= {f"CD{axis}_{column}": wcs.cd_deg[axis - 1, column - 1] for column in (1, 2)}
        header |= {f"PV{axis}_{m}": v for m, v in zip(PV_INDICES, wcs.pv[axis - 1], strict=True)}
    return {name: (value, "") for name, value in header.items()}


def write_reference(truth: Scene) -> None:
    """The reference's catalog and Gaia's sources around it, in the present archive."""
    cards = header_of(None, FIRST_JD, JDSTART=FIRST_JD - 30, JDEND=FIRST_JD + 30)
    write_psfcat(path_of("vrefpsfcat", VERSION), catalog_of(truth.ra_deg, truth.dec_deg, truth.mag), cards)
    n, nought = np.arange(N_STARS), np.zeros(N_STARS)
    motion = nought.copy()
    motion[FAST] = MOTION_MAS
    year = 2000.0 + (FIRST_JD - 2451545.0) / 365.25
    gaia = GaiaStars(n, truth.ra_deg, truth.dec_deg, nought, nought, nought, motion, truth.mag, nought, year)
    catalog_files.write_gaia_context(path_of("gaiacontext", KEY.place), gaia, {})


def write_epoch(truth: Scene, epoch: int, *, delta_zp: float = 0.0, **header: object) -> QuadrantKey:
    """An epoch's catalog in the present archive."""
    key = key_of(epoch)
    path = Path(path_of("psfcat", key))
    write_psfcat(
        path, epoch_catalog(truth, epoch, delta_zp=delta_zp), header_of(key, FIRST_JD + GAP_D * epoch, **header)
    )
    return key


def listed(keys: list[QuadrantKey], **settings: object) -> MatchEpochs:
    """A list of epochs as `extend` writes it."""
    values = replace_settings(**settings)
    return MatchEpochs(KEY, 1, RECIPE_VERSIONS["lightcurve"], values.model_dump(mode="json"), tuple(keys))


def replace_settings(**settings: object) -> Lightcurve:
    """Settings that a few hundred stars allow."""
    return Lightcurve(**{"error_epochs_min": 6, "surface_degree": 1} | settings)


def with_epochs(frozen: MatchEpochs, keys: list[QuadrantKey]) -> MatchEpochs:
    """The same list with other epochs."""
    return replace(frozen, epochs=tuple(keys))
