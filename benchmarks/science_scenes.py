"""A sky exposure of the synthetic camera with masters, calibrators and truth: all the science recipe asks for.

Masters are the truth (bias pattern; pixel response times vignetting), so that figures are those of the science recipe.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Calibrators as CalibratorSettings
from ztfpipe.config import Config, Science, Simulate
from ztfpipe.model.catalogs import AstrometricCalibrators, PhotometricCalibrators
from ztfpipe.model.images import MasterFrames, RawQuadrant
from ztfpipe.model.keys import CalibrationKey, FieldQuadrantKey, QuadrantKey, RawKey
from ztfpipe.model.science import Calibrators, Masters, Pointing, ScienceImage
from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects, bright_stars_of
from ztfpipe.pipelines.science.calibrators import QuadrantCatalogs, quadrant_catalogs
from ztfpipe.pipelines.science.recipe import make_science_image
from ztfpipe.products.accounts.settings import write_settings
from ztfpipe.products.arrival.raw import write_raw_ccd
from ztfpipe.products.catalogs import calibrators as catalogs
from ztfpipe.products.images.calibration import master_header, write_master
from ztfpipe.products.names import path_of
from ztfpipe.simulate.frames import CcdFrames, sky_ccd, throughput
from ztfpipe.simulate.night import ExposurePlan, plan_night
from ztfpipe.simulate.observe import scene
from ztfpipe.simulate.pixels.detector import Shot
from ztfpipe.simulate.pixels.detector_pattern import CLASS_NAMES, fixed_pattern
from ztfpipe.simulate.scene import QuadrantScene
from ztfpipe.simulate.sky.calibrators import bright_stars, gaia_like, ps1_like

CCDID, QID = 10, 1
SPARSE, DENSE = 5700.0, 34000.0
"""Stars per square degree that give a full-size quadrant 5,000 and 30,000 detectable ones."""


def sky_settings(parts: Mapping[str, Mapping[str, Any]] | None = None, off: tuple[str, ...] = ()) -> Simulate:
    """A synthetic night of one clear r exposure of 30 s; `parts` are laid over, `off` switches effects off."""
    base: dict[str, dict[str, Any]] = {
        "night": {"biases": 0, "flats": 0, "filters": ["zr"], "fields": [473], "visits": 1},
        "weather": {"cloudy_fraction": 0.0},
        "moving": {"streaks_per_exposure": 0.0},
    }
    for name, values in (parts or {}).items():
        base[name] = {**base.get(name, {}), **values}
    return Simulate.model_validate({**base, "off": off})


@dataclass(frozen=True)
class Exposure:
    """One CCD of one exposure, and what was true of its quadrant `qid`."""

    camera: Camera
    simulate: Simulate
    plan: ExposurePlan
    scenes: Mapping[int, QuadrantScene]
    tables: Mapping[str, pd.DataFrame]
    frames: CcdFrames
    qid: int = QID
    ccdid: int = CCDID

    @property
    def key(self) -> QuadrantKey:
        return QuadrantKey(self.plan.key, self.ccdid, self.qid)

    @property
    def gain(self) -> float:
        return self.camera.amplifier(self.ccdid, self.qid).gain_e_per_adu

    @property
    def raw(self) -> RawQuadrant:
        return self.frames.raw.quadrants[self.qid]

    @property
    def truth_mask(self) -> np.ndarray:
        return self.frames.truth[self.qid].mask

    @property
    def pointing(self) -> Pointing:
        plan = self.plan
        return Pointing(plan.ra_deg, plan.dec_deg, plan.mid_jd, plan.at_start.airmass, plan.exptime_s)

    @cached_property
    def throughput(self) -> np.ndarray:
        """What becomes of a uniform sky on its way to the pixels of the quadrant."""
        return throughput(self.camera, self.simulate.detector, self.ccdid, self.qid, self.plan.key.filter)

    @property
    def zero_point_mag(self) -> float:
        """The best zero point of a straight line in colour, of the image divided by a flat of median one."""
        fitted = float(self.tables["exposure"].fitted_zero_point_mag.iloc[0])
        return fitted + 2.5 * float(np.log10(np.median(self.throughput)))

    @property
    def adu_per_e(self) -> float:
        """Calibrated DN per photo-electron of a star."""
        return float(np.median(self.throughput)) / self.gain

    @cached_property
    def masters(self) -> Masters:
        pattern, flat = fixed_pattern(self.camera, self.simulate.detector, self.ccdid, self.qid), self.throughput
        mask = np.zeros(self.camera.quadrant_shape, np.uint16)
        known = {entry.name for entry in self.camera.mask_bits}
        for code, name in CLASS_NAMES.items():
            # A hot pixel is stored as noisy: its dark current has shot noise.
            mask[pattern.classes == code] |= np.uint16(self.camera.mask_value(name if name in known else "noisy"))
        return Masters(pattern.bias_adu, (flat / np.median(flat)).astype(np.float32), mask)

    @cached_property
    def catalogs(self) -> QuadrantCatalogs:
        """Catalogs of the field as other surveys have them, and the calibrators chosen from them."""
        where = self.simulate, self.camera, self.plan.key.field, self.ccdid, self.qid
        gaia = gaia_like(*where)
        return quadrant_catalogs(
            GaiaStars.of({name: gaia[name].to_numpy() for name in gaia}, 2015.5),
            Ps1Objects.of({name: column.to_numpy() for name, column in ps1_like(*where).items()}),
            bright_stars_of({name: column.to_numpy() for name, column in self._bright.items()}),
            FieldQuadrantKey(self.plan.key.field, self.ccdid, self.qid),
            self.camera,
            CalibratorSettings(),
        )

    @property
    def _bright(self) -> pd.DataFrame:
        """Bright stars of the whole CCD: their ghosts fall on any of its quadrants."""
        where = self.simulate, self.camera, self.plan.key.field, self.ccdid
        return pd.concat([bright_stars(*where, qid) for qid in self.camera.qids]).drop_duplicates("identifier")

    @cached_property
    def calibrators(self) -> Calibrators:
        gaia, ps1 = self.catalogs.astrometric, self.catalogs.photometric
        error = np.sqrt((gaia.ra_error_mas**2 + gaia.dec_error_mas**2) / 2)
        return Calibrators(
            AstrometricCalibrators(
                gaia.ra_deg, gaia.dec_deg, gaia.pmra_mas, gaia.pmdec_mas, error, gaia.g_mag, gaia.epoch_year
            ),
            PhotometricCalibrators(ps1.ra_deg, ps1.dec_deg, ps1.mag, ps1.mag_error),
            self.catalogs.bright,
        )

    def science(self, settings: Science | None = None, **replaced: Any) -> ScienceImage:
        """What the recipe makes of it; raw, masters, calibrators or pointing may be replaced."""
        given = {"raw": self.raw, "masters": self.masters, "calibrators": self.calibrators, "pointing": self.pointing}
        given |= replaced
        return make_science_image(camera=self.camera, key=self.key, settings=settings or Science(), **given)


def write_inputs(exposure: Exposure, folder: Path) -> dict[str, Path]:
    """Write what the science step reads: `folder`/settings, and raw file, masters and catalogs in `folder`/archive.

    Returns the step's arguments but its output, which is relative to the archive, as they are.
    """
    camera, key = exposure.camera, exposure.key
    settings = write_settings(folder / "settings", "science", Config(camera=camera.name, workspace=str(folder)), camera)
    field = FieldQuadrantKey(key.exposure.field, key.ccdid, key.qid)
    bias = CalibrationKey(key.night, "00", key.ccdid, key.qid)
    flat = CalibrationKey(key.night, key.exposure.filter, key.ccdid, key.qid)
    paths = {
        "raw": path_of("raw", RawKey(key.exposure, key.ccdid)),
        "bias": path_of("bias", bias),
        "flat": path_of("hifreqflat", flat),
        "gaia": path_of("gaiacalibrators", field),
        "ps1": path_of("ps1calibrators", field),
        "bright": path_of("brightstars", field),
    }
    archive = folder / "archive"
    archive.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(archive):
        write_raw_ccd(paths["raw"], exposure.frames.raw, camera)
        _write_master(bias, exposure.masters.bias_adu, exposure.masters.mask, camera)
        _write_master(flat, exposure.masters.flat, exposure.masters.mask, camera)
        catalogs.write_gaia_calibrators(paths["gaia"], exposure.catalogs.astrometric, {})
        catalogs.write_ps1_calibrators(paths["ps1"], exposure.catalogs.photometric, {})
        catalogs.write_bright_stars(paths["bright"], exposure.catalogs.bright, {})
    return {"settings": settings.resolve(), **{name: Path(path) for name, path in paths.items()}}


def _write_master(key: CalibrationKey, mean: np.ndarray, mask: np.ndarray, camera: Camera) -> None:
    error = np.full(mean.shape, 0.1, np.float32)
    frames = MasterFrames(mean.astype(np.float32), error, error, error, np.full(mean.shape, 20, np.int16))
    write_master(key, frames, mask, master_header(key, camera, {"STATUS": (1, "usable")}, ("truth",)))


def expose_sky(camera: Camera, simulate: Simulate, index: int = 0, qid: int = QID) -> Exposure:
    """Expose one CCD to the sky, to look at one quadrant."""
    return expose_ccd(camera, simulate, index)[qid]


def expose_ccd(camera: Camera, simulate: Simulate, index: int = 0, ccdid: int = CCDID) -> dict[int, Exposure]:
    """Expose one CCD to the sky: an exposure by quadrant."""
    plan = [one for one in plan_night(simulate, camera) if one.key.imgtype == "o"][index]
    made = {qid: scene(simulate, camera, plan, ccdid, qid) for qid in camera.qids}
    scenes = {qid: one for qid, (one, _) in made.items()}
    frames = sky_ccd(Shot(camera, simulate.detector, simulate.noise_seed, plan, ccdid), scenes)
    return {qid: Exposure(camera, simulate, plan, scenes, made[qid][1], frames, qid, ccdid) for qid in camera.qids}
