"""Recipe: from what other surveys know of the sky to what a quadrant is calibrated against (system paper 3.5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Calibrators
from ztfpipe.methods.sky import calibrators as choose
from ztfpipe.model.catalogs import BrightStars
from ztfpipe.model.keys import FieldQuadrantKey
from ztfpipe.model.skycatalogs import Cone, GaiaStars, PlaneBox, Ps1Objects


@dataclass(frozen=True)
class QuadrantCatalogs:
    """All neighbours in and around a quadrant, and those of them that calibrate."""

    gaia: GaiaStars
    ps1: Ps1Objects
    bright: BrightStars
    astrometric: GaiaStars
    photometric: Ps1Objects

    @property
    def lacking(self) -> str:
        """What there is nothing of, as a sentence; empty when nothing lacks."""
        kinds = {"astrometric": self.astrometric, "photometric": self.photometric}
        none = [name for name, catalog in kinds.items() if len(catalog) == 0]
        return f"no {' and no '.join(none)} calibrators" if none else ""


def cones(key: FieldQuadrantKey, camera: Camera, settings: Calibrators) -> tuple[Cone, Cone]:
    """What to ask catalogs for: the quadrant with its border, and for bright stars its CCD with the wider one."""
    return (
        choose.enclosing_cone(_box(key, camera, settings.border_arcmin)),
        choose.enclosing_cone(_ccd_box(key, camera, settings.bright_border_arcmin)),
    )


def quadrant_catalogs(
    gaia: GaiaStars,
    ps1: Ps1Objects,
    bright: BrightStars,
    key: FieldQuadrantKey,
    camera: Camera,
    settings: Calibrators,
) -> QuadrantCatalogs:
    """Cut catalogs of a larger piece of sky to a quadrant and choose its calibrators."""
    box = _box(key, camera, settings.border_arcmin)
    gaia = gaia.select(choose.in_box(box, gaia.ra_deg, gaia.dec_deg))
    ps1 = ps1.select(choose.in_box(box, ps1.ra_deg, ps1.dec_deg))
    wide = _ccd_box(key, camera, settings.bright_border_arcmin)
    near = choose.in_box(wide, bright.ra_deg, bright.dec_deg) & (bright.v_mag <= settings.bright_v_max_mag)
    return QuadrantCatalogs(
        gaia,
        ps1,
        BrightStars(bright.ra_deg[near], bright.dec_deg[near], bright.v_mag[near]),
        gaia.select(_astrometric(gaia, settings)),
        ps1.select(_photometric(ps1, settings)),
    )


def _box(key: FieldQuadrantKey, camera: Camera, border_arcmin: float) -> PlaneBox:
    centre, amplifier = camera.field(key.field), camera.amplifier(key.ccdid, key.qid)
    return choose.quadrant_box(
        centre.ra_deg,
        centre.dec_deg,
        amplifier.east_deg,
        amplifier.north_deg,
        shape=camera.quadrant_shape,
        pixel_scale_arcsec=camera.pixel_scale_arcsec,
        border_arcmin=border_arcmin,
    )


def _ccd_box(key: FieldQuadrantKey, camera: Camera, border_arcmin: float) -> PlaneBox:
    """The box around all quadrants of the key's CCD: ghosts of their bright stars fall on any of them."""
    boxes = [_box(replace(key, qid=qid), camera, border_arcmin) for qid in camera.qids]
    east, north = ([getattr(box, name) for box in boxes] for name in ("east_deg", "north_deg"))
    ends = [(min(low for low, _ in sides), max(high for _, high in sides)) for sides in (east, north)]
    return replace(boxes[0], east_deg=ends[0], north_deg=ends[1])


def _astrometric(stars: GaiaStars, settings: Calibrators) -> NDArray[np.bool_]:
    return choose.astrometric_calibrators(
        stars,
        g_mag_range=settings.g_mag_range,
        error_max_mas=settings.position_error_max_mas,
        ruwe_max=settings.ruwe_max,
    )


def _photometric(objects: Ps1Objects, settings: Calibrators) -> NDArray[np.bool_]:
    return choose.photometric_calibrators(
        objects,
        bands=settings.bands,
        mag_range=settings.ps1_mag_range,
        error_max_mag=settings.ps1_error_max_mag,
        detections_min=settings.ps1_detections_min,
        stable_floor_mag=settings.stable_floor_mag,
        stable_factor=settings.stable_factor,
        star_score_min=settings.star_score_min,
        isolation_arcsec=settings.isolation_arcsec,
        isolation_contrast_mag=settings.isolation_contrast_mag,
    )
