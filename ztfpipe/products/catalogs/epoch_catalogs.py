"""One epoch of a light curve as it is read: PSF catalog, header and record of a science image."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model.dates import JD_OF_MJD_ZERO
from ztfpipe.model.identifiers import exposure_id
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.lightcurve import EpochCatalog
from ztfpipe.model.records import QaRecord
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.catalogs.catalogs import read_psfcat
from ztfpipe.products.formats.plain import write_table
from ztfpipe.products.images.headers import known, needed, whole
from ztfpipe.products.images.reference import must_be_of
from ztfpipe.products.images.wcs import wcs_of
from ztfpipe.products.names import path_of

_NUMBERS = {
    "airmass": "AIRMASS",
    "clrcoeff": "CLRCOEFF",
    "clrcounc": "CLRCOUNC",
    "clrmed": "CLRMED",
    "clrrms": "CLRRMS",
    "limitmag": "MAGLIM",
    "magzprms": "MAGZPRMS",
    "magzpunc": "MAGZPUNC",
    "zpclrcov": "ZPCLRCOV",
    "zpmed": "ZPMED",
}
"""Columns of `exposures` that may be unknown, and their keywords."""


def read_epoch_catalog(key: QuadrantKey, camera: Camera) -> EpochCatalog:
    """An epoch of a matchfile. Raises BadFile when its catalog is missing or damaged, of another field, filter or
    quadrant than its name says, or has not STATUS 1 and a zero point."""
    path = path_of("psfcat", key)
    catalog, header = read_psfcat(path)
    must_be_of(path, header, key.reference, camera)
    if header.get("STATUS", (0, ""))[0] != 1:
        raise BadFile(path, "its STATUS is not 1")
    jd = needed(path, header, "OBSJD")
    facts: dict[str, float | int | str] = {name: known(header, keyword) for name, keyword in _NUMBERS.items()}
    facts |= {
        "magzp": needed(path, header, "MAGZP"),
        "obsmjd": jd - JD_OF_MJD_ZERO,
        "expid": exposure_id(jd),
        "exptime": needed(path, header, "EXPTIME"),
        "diq": known(header, "SEEING") * camera.pixel_scale_arcsec,
        "infobits": int(needed(path, header, "INFOBITS")),
        "nps1matches": whole(header, "NMATCHES"),
        "programid": whole(header, "PROGRMID"),
        "programpi": str(header.get("PROGRMPI", ("", ""))[0]),
        "pcolor": camera.filter(key.exposure.filter).colour_text.replace(" ", ""),
        "gmedian": _recorded_median(key),
    }
    return EpochCatalog(key, catalog, facts, wcs_of(path, header), camera.quadrant_shape)


def write_match_ids(
    path: str | Path,
    versions: tuple[int, int],
    old: NDArray[np.int64],
    new: NDArray[np.int64],
    distance_arcsec: NDArray[np.float64],
) -> None:
    """Write which match ids the sources of a matchfile have in the one that took its place, by versions of the
    reference; -1 for those that are no source any more."""
    table = pd.DataFrame({"matchid": old, "newmatchid": new, "distance_arcsec": distance_arcsec})
    table.insert(0, "version", versions[0])
    table.insert(2, "newversion", versions[1])
    write_table(path, table)


def _recorded_median(key: QuadrantKey) -> float:
    """Median of the image's pixels, from its record; NaN without one."""
    path = Path(path_of("sciqa", key))
    value = read_record(QaRecord, path).metrics.get("gmedian") if path.exists() else None
    return float(value) if isinstance(value, (int, float)) else math.nan
