"""Differences and candidates of several nights as files: noise, and what was planted; nothing is found by any method.

Places are those of the mini camera; quadrant 2 can be made to look at quadrant 1's sky, as a dithered neighbour does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Alerts, Config
from ztfpipe.methods.sky.projection import pixel_to_sky, sky_to_pixel
from ztfpipe.model import identifiers
from ztfpipe.model.candidates import CUTOUT_COLUMNS, RAW_TABLE
from ztfpipe.model.difference import CANDIDATE_TABLE
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.wcs import TpvWcs
from ztfpipe.pipelines.reference.recipe import grid_of
from ztfpipe.products.accounts.plan import write_plan
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.formats.fits import write_image, write_packed_image
from ztfpipe.products.formats.plain import write_table
from ztfpipe.products.names import path_of

CAMERA = Camera.load("mini")
FIELD = 473
NOISE_ADU, GAIN, FWHM_PX, ZERO_POINT = 5.0, 6.2, 2.4, 26.0
FILTERS = {"zg": 1, "zr": 2, "zi": 3}


@dataclass(frozen=True)
class Look:
    """One difference image: when, where, of which program; and the sky [deg] of what it found, of either sign."""

    jd: float
    qid: int = 1
    filter: str = "zr"
    programid: int = 1
    status: int = 1
    shift_deg: tuple[float, float] = (0.0, 0.0)
    ra: tuple[float, ...] = ()
    dec: tuple[float, ...] = ()
    positive: tuple[bool, ...] = ()
    raw: tuple[tuple[float, float], ...] = ()
    planted: tuple[tuple[float, float, float], ...] = ()
    """ra, dec [deg] and flux [DN] of point sources in the pixels."""
    key: QuadrantKey = field(init=False)

    def __post_init__(self) -> None:
        day = self.jd - identifiers.JD_OF_NIGHT_ZERO
        stamp = pd.Timestamp("2017-01-01") + pd.Timedelta(days=int(day))
        exposure = ExposureKey(f"{stamp:%Y%m%d}{int(day % 1 * 1e6 + 0.5):06d}", FIELD, self.filter, "o")
        object.__setattr__(self, "key", QuadrantKey(exposure, 10, self.qid))

    @property
    def wcs(self) -> TpvWcs:
        """Quadrant 1's nominal grid, shifted, whichever quadrant looks."""
        wcs, _ = grid_of(ReferenceKey(FIELD, self.filter, 10, 1), CAMERA)
        return replace(wcs, crval_deg=wcs.crval_deg + np.array(self.shift_deg))

    @property
    def pid(self) -> int:
        return identifiers.processing_id(identifiers.exposure_id(self.jd), self.key.rcid)


def sky_of(x_px: float, y_px: float) -> tuple[float, float]:
    """Sky of a place on quadrant 1's nominal grid [deg]."""
    wcs, _ = grid_of(ReferenceKey(FIELD, "zr", 10, 1), CAMERA)
    ra, dec = pixel_to_sky(wcs, x_px, y_px)
    return float(ra), float(dec)


def write_look(look: Look, seed: int = 0) -> None:
    """Difference image, its PSF, candidates and raw detections, in the working directory."""
    rng = np.random.default_rng([seed, look.pid])
    ny, nx = CAMERA.quadrant_shape
    pixels = rng.normal(0, NOISE_ADU, (ny, nx))
    y, x = np.indices((ny, nx))
    for ra, dec, flux in look.planted:
        px, py = sky_to_pixel(look.wcs, ra, dec)
        light = flux * gaussian(x - px, y - py)
        pixels += np.where(light > 0, rng.poisson(np.maximum(light, 0) * GAIN) / GAIN, light)
    cards = _header(look)
    half = np.indices((25, 25)) - 12
    write_packed_image(path_of("scimrefdiffimg", look.key), pixels.astype(np.float32), cards)
    write_image(path_of("diffimgpsf", look.key), gaussian(half[1], half[0]).astype(np.float32), cards)
    write_table(path_of("candidates", look.key), candidate_table(look, rng))
    write_table(path_of("rawdetections", look.key), _raw_table(look, rng))


def gaussian(dx_px: np.ndarray, dy_px: np.ndarray) -> np.ndarray:
    """The PSF of the images, a Gaussian of unit sum."""
    sigma = FWHM_PX / 2.3548
    return np.exp(-0.5 * (dx_px**2 + dy_px**2) / sigma**2) / (2 * np.pi * sigma**2)


def candidate_table(look: Look, rng: np.random.Generator) -> pd.DataFrame:
    """Candidates with random features; all of them pass the light filters."""
    n, positive = len(look.ra), np.array(look.positive, bool)
    x, y = sky_to_pixel(look.wcs, np.array(look.ra), np.array(look.dec))
    tblid = np.where(positive, np.cumsum(positive), np.cumsum(~positive)) - 1
    candid = [identifiers.candidate_id(look.pid, bool(s), int(t)) for s, t in zip(positive, tblid, strict=True)]
    known = {
        "candid": candid, "ra": look.ra, "dec": look.dec, "xpos": x + 1, "ypos": y + 1, "isdiffpos": positive,
        "filterbits": np.zeros(n), "jd": np.full(n, look.jd), "fid": np.full(n, FILTERS[look.filter]),
        "pid": np.full(n, look.pid), "programid": np.full(n, look.programid), "tblid": tblid,
        "rcid": np.full(n, look.key.rcid), "field": np.full(n, FIELD), "magzpsci": np.full(n, ZERO_POINT),
    }  # fmt: skip
    table = {}
    for column in CANDIDATE_TABLE:
        if column.dtype == "str":
            table[column.name] = pd.array(["text"] * n, dtype="str")
        else:
            made = rng.uniform(1, 9, n)
            table[column.name] = np.asarray(known.get(column.name, made)).astype(column.dtype)
    for column in CUTOUT_COLUMNS:
        table[column.name] = [rng.normal(0, 5, (63, 63)).astype("<f4").tobytes() for _ in range(n)]
    return pd.DataFrame(table)


def plan_of(looks: list[Look], night: str) -> Path:
    """The plan of a night with these looks, all of them with a reference; its path."""
    keys = sorted(one.key for one in looks if one.key.night == night)
    pinned = sorted({ReferenceVersionKey(key.reference, 1) for key in keys})
    path = path_of("plan", NightKey(night))
    write_plan(path, NightPlan(night, "mini", "digest", tuple(keys), (), (), (), tuple(pinned)))
    return Path(path)


def alert_settings(**values: object) -> Path:
    """The settings file of the alerts section."""
    config = Config(camera=CAMERA.name, workspace="w", alerts=Alerts(**values))
    return write_settings(Path("../settings"), "alerts", config)


def _header(look: Look) -> dict[str, tuple[object, str]]:
    wcs = look.wcs
    values = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": wcs.crpix_px[0] + 1, "CRPIX2": wcs.crpix_px[1] + 1,
        "CRVAL1": wcs.crval_deg[0], "CRVAL2": wcs.crval_deg[1], "CD1_1": wcs.cd_deg[0, 0], "CD1_2": 0.0, "CD2_1": 0.0,
        "CD2_2": wcs.cd_deg[1, 1], "OBSJD": look.jd, "EXPTIME": 30.0, "PROGRMID": look.programid, "PROGRMPI": "Someone",
        "FILTERID": FILTERS[look.filter], "RFID": 473120236, "REFVERS": 1, "MAGZP": ZERO_POINT, "MAGZPUNC": 0.001,
        "MAGZPRMS": 0.03, "CLRCOEFF": 0.1, "CLRCOUNC": 0.002, "NMATCHES": 100, "SEEING": FWHM_PX, "SCIBCKG": 200.0,
        "SCISIGPX": 7.0, "DIFSIGPX": NOISE_ADU, "DIFFWHM": FWHM_PX, "DIFMLIM": 20.5, "INFOBITS": 0, "GAIN": GAIN,
        "ASTRRMS1": 2e-5, "ASTRRMS2": 3e-5, "STATUS": look.status,
    }  # fmt: skip
    return {name: (float(v) if isinstance(v, np.floating) else v, "") for name, v in values.items()}


def _raw_table(look: Look, rng: np.random.Generator) -> pd.DataFrame:
    n = len(look.raw)
    ra, dec = np.array(look.raw).reshape(-1, 2).T
    candid = [identifiers.raw_detection_id(look.pid, True, k) for k in range(n)]
    known = {"candid": candid, "isdiffpos": np.ones(n), "ra": ra, "dec": dec}
    return pd.DataFrame(
        {c.name: np.asarray(known.get(c.name, rng.uniform(3, 5, n))).astype(c.dtype) for c in RAW_TABLE}
    )
