"""Step of `science`: the calibrator and context catalogs of a field's quadrant. Paths are relative to the archive."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Calibrators, Science
from ztfpipe.errors import BadFile
from ztfpipe.model.images import Cards
from ztfpipe.model.keys import FieldQuadrantKey
from ztfpipe.model.skycatalogs import Cone, GaiaStars, Ps1Objects, bright_stars_of
from ztfpipe.pipelines.science.calibrators import cones, quadrant_catalogs
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs import calibrators as files
from ztfpipe.products.catalogs.local_catalogs import BRIGHT_COLUMNS, GAIA_COLUMNS, PS1_COLUMNS, read_local
from ztfpipe.products.catalogs.remote_catalogs import RemoteCatalogs
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.names import inside, key_of, path_of
from ztfpipe.steps.recording import Metrics, Stopwatch, qa_record

PRODUCTS = ("gaiacalibrators", "gaiacontext", "ps1calibrators", "ps1context", "brightstars", "calibratorsqa")
"""What the step writes for each field and quadrant; the first is its main product."""
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
    key: FieldQuadrantKey = key_of(output, PRODUCTS[0])
    section, camera = read_settings(settings, Science)
    values = section.calibrators
    watch = Stopwatch()
    with watch.part("catalogs"):
        tables = gather(key, values, camera)
    write_catalogs(Path(), key, tables, values, camera, watch)


def covered(output: str, settings: Path) -> None:
    """Say that the catalogs of the fields that a night's images are of have been made: the workflow waits for it."""
    night = key_of(output, "covered").night
    read_settings(settings, Science)
    write_text(output, json.dumps({"night": night}) + "\n")


def gather(key: FieldQuadrantKey, values: Calibrators, camera: Camera) -> SourceTables:
    """The catalogs around a quadrant from where the settings say. Raises TryAgain and BadFile as `calibrators`."""
    near, far = cones(key, camera, values)
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
    try:
        gaia = GaiaStars.of(_columns(tables.gaia), _GAIA_EPOCH_YEAR)
        ps1 = Ps1Objects.of(_columns(tables.ps1))
        bright = bright_stars_of(_columns(tables.bright))
    except (KeyError, ValueError) as error:
        raise BadFile(tables.origin, f"not a catalog as it should be: {error}") from error
    with watch.part("selection"):
        chosen = quadrant_catalogs(gaia, ps1, bright, key, camera, values)
    header = _header(key, values, tables.origin)
    path = {product: inside(archive, path_of(product, key)) for product in PRODUCTS}
    with watch.part("write"):
        files.write_gaia_context(path["gaiacontext"], chosen.gaia, header)
        files.write_ps1_context(path["ps1context"], chosen.ps1, header)
        files.write_ps1_calibrators(path["ps1calibrators"], chosen.photometric, header)
        files.write_bright_stars(path["brightstars"], chosen.bright, header)
        files.write_gaia_calibrators(path["gaiacalibrators"], chosen.astrometric, header)
    metrics: Metrics = {
        "n_gaia": len(chosen.gaia),
        "n_ps1": len(chosen.ps1),
        "n_bright": len(chosen.bright.v_mag),
        "n_astrometric": len(chosen.astrometric),
        "n_photometric": len(chosen.photometric),
        "origin": tables.origin,
    }
    main, status = path_of(PRODUCTS[0], key), 0 if chosen.lacking else 1
    record = qa_record("science calibrators", main, status, chosen.lacking, metrics, values, watch)
    write_record(path["calibratorsqa"], record)


def _columns(table: Columns) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(table[name]) for name in table}


def _header(key: FieldQuadrantKey, values: Calibrators, origin: str) -> Cards:
    return {
        "FIELDID": (key.field, "ZTF field ID number"),
        "CCDID": (key.ccdid, "CCD ID"),
        "QID": (key.qid, "Quadrant ID"),
        "RCID": (key.rcid, "Readout channel ID"),
        "BORDER": (values.border_arcmin, "[arcmin] border around the quadrant"),
        "CATORIG": (origin, ""),
    }
