"""Step of `science`: the calibrator and context catalogs of a field's quadrant. Paths are relative to the archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Calibrators
from ztfpipe.errors import BadFile, BadName
from ztfpipe.methods.sky import calibrators as choose
from ztfpipe.model.catalogs import BrightStars
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import FieldQuadrantKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.skycatalogs import Cone, GaiaStars, PlaneBox, Ps1Objects, bright_stars_of
from ztfpipe.products import calibrators as files
from ztfpipe.products.local_catalogs import BRIGHT_COLUMNS, GAIA_COLUMNS, PS1_COLUMNS, read_local
from ztfpipe.products.names import inside, parse, path_of
from ztfpipe.products.records import write_record
from ztfpipe.products.remote_catalogs import RemoteCatalogs
from ztfpipe.products.settings import read_settings
from ztfpipe.steps.recording import Metrics, Stopwatch, finite, peak_memory_mb, versions

NETWORK = "network"
_GAIA_EPOCH_YEAR = 2016.0
"""Of Gaia DR3, where a copy has no column ref_epoch."""

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class SourceTables:
    """Columns of the three catalogs around a quadrant, named as `model.skycatalogs` says (a data frame will do).

    origin: where they come from, for headers and record.
    """

    gaia: Columns
    ps1: Columns
    bright: Columns
    origin: str


def calibrators(output: str, settings: Path) -> None:
    """Make a quadrant's calibrator and context catalogs; `output` is the path of its astrometric calibrators.

    Each catalog comes from the network or from a local copy, as the settings say. Raises TryAgain when a service cannot
    be reached, BadFile when a copy cannot be read; no file is written then.
    """
    name, key = parse(output)
    if name != "gaiacalibrators" or not isinstance(key, FieldQuadrantKey):
        raise BadName(output, "not the path of astrometric calibrators")
    section, camera = read_settings(settings)
    values = getattr(section, "calibrators", None)
    if not isinstance(values, Calibrators):
        raise BadName(settings, "not the settings of science")
    watch = Stopwatch()
    with watch.part("catalogs"):
        tables = gather(key, values, camera)
    write_catalogs(Path(), key, tables, values, camera, watch)


def gather(key: FieldQuadrantKey, values: Calibrators, camera: Camera) -> SourceTables:
    """The catalogs around a quadrant from where the settings say. Raises TryAgain and BadFile as `calibrators`."""
    near = choose.enclosing_cone(_box(key, camera, values.border_arcmin))
    far = choose.enclosing_cone(_box(key, camera, values.bright_border_arcmin))
    remote = RemoteCatalogs(Path(values.cache))

    def table(source: str, cone: Cone, ask: Callable[[Cone], Columns], columns: Mapping[str, str]) -> Columns:
        return ask(cone) if source == NETWORK else read_local(source, cone, columns)

    return SourceTables(
        table(values.gaia, near, remote.gaia, {**GAIA_COLUMNS, **values.gaia_columns}),
        table(values.ps1, near, remote.ps1, {**PS1_COLUMNS, **values.ps1_columns}),
        table(values.bright, far, remote.bright, {**BRIGHT_COLUMNS, **values.bright_columns}),
        f"gaia {Path(values.gaia).name}, ps1 {Path(values.ps1).name}, bright {Path(values.bright).name}",
    )


def write_catalogs(
    archive: Path,
    key: FieldQuadrantKey,
    tables: SourceTables,
    values: Calibrators,
    camera: Camera,
    watch: Stopwatch | None = None,
) -> None:
    """Cut the tables to the quadrant, choose the calibrators, and write the five catalogs and their record.

    Raises BadFile when a table lacks a column.
    """
    watch = watch or Stopwatch()
    box, wide = _box(key, camera, values.border_arcmin), _box(key, camera, values.bright_border_arcmin)
    try:
        gaia = GaiaStars.of(_columns(tables.gaia), _GAIA_EPOCH_YEAR)
        ps1 = Ps1Objects.of(_columns(tables.ps1))
        bright = bright_stars_of(_columns(tables.bright))
    except (KeyError, ValueError) as error:
        raise BadFile(tables.origin, f"not a catalog as it should be: {error}") from error
    gaia = gaia.select(choose.in_box(box, gaia.ra_deg, gaia.dec_deg))
    ps1 = ps1.select(choose.in_box(box, ps1.ra_deg, ps1.dec_deg))
    with watch.part("selection"):
        solvable = gaia.select(_astrometric(gaia, values))
        stable = ps1.select(_photometric(ps1, values))
    halo = choose.in_box(wide, bright.ra_deg, bright.dec_deg) & (bright.v_mag <= values.bright_v_max_mag)
    bright = BrightStars(bright.ra_deg[halo], bright.dec_deg[halo], bright.v_mag[halo])

    header = _header(key, values, tables.origin)
    path = {
        product: inside(archive, path_of(product, key))
        for product in (
            "gaiacalibrators",
            "gaiacontext",
            "ps1calibrators",
            "ps1context",
            "brightstars",
            "calibratorsqa",
        )
    }
    with watch.part("write"):
        files.write_gaia_context(path["gaiacontext"], gaia, header)
        files.write_ps1_context(path["ps1context"], ps1, header)
        files.write_ps1_calibrators(path["ps1calibrators"], stable, header)
        files.write_bright_stars(path["brightstars"], bright, header)
        files.write_gaia_calibrators(path["gaiacalibrators"], solvable, header)
    metrics: Metrics = {
        "n_gaia": len(gaia),
        "n_ps1": len(ps1),
        "n_bright": len(bright.v_mag),
        "n_astrometric": len(solvable),
        "n_photometric": len(stable),
        "origin": tables.origin,
    }
    write_record(path["calibratorsqa"], _record(path_of("gaiacalibrators", key), metrics, values, watch))


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


def _columns(table: Columns) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(table[name]) for name in table}


def _astrometric(stars: GaiaStars, values: Calibrators) -> NDArray[np.bool_]:
    return choose.astrometric_calibrators(
        stars,
        g_mag_range=values.g_mag_range,
        error_max_mas=values.position_error_max_mas,
        ruwe_max=values.ruwe_max,
    )


def _photometric(objects: Ps1Objects, values: Calibrators) -> NDArray[np.bool_]:
    return choose.photometric_calibrators(
        objects,
        bands=values.bands,
        mag_range=values.ps1_mag_range,
        error_max_mag=values.ps1_error_max_mag,
        detections_min=values.ps1_detections_min,
        stable_floor_mag=values.stable_floor_mag,
        stable_factor=values.stable_factor,
        star_score_min=values.star_score_min,
        isolation_arcsec=values.isolation_arcsec,
        isolation_contrast_mag=values.isolation_contrast_mag,
    )


def _header(key: FieldQuadrantKey, values: Calibrators, origin: str) -> Cards:
    return {
        "FIELDID": (key.field, "ZTF field ID number"),
        "CCDID": (key.ccdid, "CCD ID"),
        "QID": (key.qid, "Quadrant ID"),
        "RCID": (key.rcid, "Readout channel ID"),
        "BORDER": (values.border_arcmin, "[arcmin] border around the quadrant"),
        "CATORIG": (origin, ""),
    }


def _record(product: str, metrics: Metrics, values: Calibrators, watch: Stopwatch) -> QaRecord:
    lacking = [kind for kind in ("astrometric", "photometric") if not metrics[f"n_{kind}"]]
    return QaRecord(
        step="science calibrators",
        product=product,
        status=0 if lacking else 1,
        reason=f"no {' and no '.join(lacking)} calibrators" if lacking else "",
        metrics=finite({**metrics, "peak_memory_mb": peak_memory_mb()}),
        timings_s=watch.timings_s(),
        versions=versions(),
        settings=values.model_dump(mode="json"),
    )
