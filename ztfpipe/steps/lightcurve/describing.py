"""What a release holds: counted from its files, written as tables, maps and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.errors import BadFile
from ztfpipe.model.keys import SKY_FILTERS, DataReleaseKey, ExposureKey, QuadrantKey, ReferenceKey, ReleaseKey
from ztfpipe.pipelines.lightcurve import census
from ztfpipe.products.catalogs.epochs import read_epochs
from ztfpipe.products.catalogs.release_store import map_rows
from ztfpipe.products.formats.fits import read_header
from ztfpipe.products.names import path_of
from ztfpipe.products.reports.release_census import write_census, write_coverage, write_release_pictures
from ztfpipe.steps.lightcurve.searching import OpenRelease
from ztfpipe.steps.reference.renewal import all_references

MAP_SHAPE = (164, 326)
"""Pixels of a degree that hold the whole sky, which is 324.1 wide and 162.1 high."""
CAPTIONS = {
    "images": "1. Exposures, and good and bad quadrant images of those that have light curves",
    "references": "2. References, and the sky that they cover",
    "sources": "3. Sources in catalogs of science images and references",
    "curves": "4. Light curves of so many epochs or more",
    "spans": "5. Timespans and cadence by field",
}


def describe(number: int, camera: Camera) -> None:
    """Write tables, coverage and pictures of release `number` below the present archive."""
    opened = OpenRelease(number)
    keys = [opened.key(file) for file in range(len(opened.files))]
    each = [_images(key) for key in keys]
    images = pd.concat(each, ignore_index=True)
    spans = census.span_table(images)
    centres = camera.fields.values()
    accessible = [
        one.field for one in centres if one.field in census.PRIMARY_GRID and one.dec_deg >= census.SOUTHERN_LIMIT_DEG
    ]
    tables = {
        "images": census.image_table(images),
        "references": census.reference_table(
            all_references(), _visited(), accessible, len(camera.ccds) * len(camera.qids)
        ),
        "sources": census.source_table(pd.DataFrame(map(_sources, keys, each))),
        "curves": census.curve_table(opened.files),
        "spans": spans,
    }
    key = DataReleaseKey(number)
    captioned = {name: (CAPTIONS[name], table) for name, table in tables.items()}
    write_census(path_of("releasestatistics", key), path_of("releasetables", key), captioned)
    maps = _maps(opened.files, images)
    write_coverage(path_of("releasecoverage", key), maps)
    cadence = {code: census.cadence_points(images, code) for code in SKY_FILTERS if code in set(opened.files["filter"])}
    write_release_pictures(path_of("releasepictures", key), maps, spans, cadence)


def _images(key: ReleaseKey) -> pd.DataFrame:
    """The quadrant images of a file's light curves."""
    rows, place = map_rows("releaseexposures", key), key.reference
    names = ("expid", "mjd", "infobits", "nsources", "filefracday")
    table = pd.DataFrame({name: rows[name] for name in names})
    return table.assign(field=place.field, filter=place.filter, ccdid=place.ccdid, qid=place.qid)


def _sources(key: ReleaseKey, ours: pd.DataFrame) -> dict[str, object]:
    """Rows of the catalogs of a file's images and of its reference; of a catalog that is not there, none."""
    place = key.reference
    exposures = (ExposureKey(str(one), place.field, place.filter, "o") for one in ours["filefracday"])
    sexcats = (path_of("sexcat", QuadrantKey(one, place.ccdid, place.qid)) for one in exposures)
    return {
        "filter": place.filter,
        "psfcat_sci": int(ours["nsources"].sum()),
        "sexcat_sci": sum(map(_rows, sexcats)),
        "psfcat_ref": len(map_rows("releaseindex", key)),
        "sexcat_ref": _rows(path_of("refsexcat", place)),
    }


def _rows(path: str) -> int:
    """Rows of a catalog, by its header; 0 when it is not there."""
    if not Path(path).exists():
        return 0
    try:
        return int(read_header(path, 1)["NAXIS2"][0])
    except KeyError as error:
        raise BadFile(path, "no table in its first extension") from error


def _visited() -> set[ReferenceKey]:
    """Fields, filters and quadrants of all science images, by the nights' tables."""
    paths = Path().glob("ops/night/[0-9][0-9][0-9][0-9]/[0-9][0-9][0-9][0-9]/ztf_*_epochs.parquet")
    return {one.reference for path in paths for one in read_epochs(path)}


def _maps(files: pd.DataFrame, images: pd.DataFrame) -> dict[str, np.ndarray]:
    """Number of images, and of light-curve files, per pixel of a degree, by filter."""
    counted = images.groupby(["field", "filter", "ccdid", "qid"]).size().rename("images").reset_index()
    joined = files.merge(counted, on=["field", "filter", "ccdid", "qid"])
    maps = {}
    for code in sorted(set(files["filter"])):
        one = joined[joined["filter"] == code]
        for kind, weight in (("SCIIMG", one["images"]), ("MATCHFILE", np.ones(len(one)))):
            name = f"{kind}_{code[1].upper()}"
            maps[name] = census.coverage_map(one["ra"].to_numpy(), one["dec"].to_numpy(), weight, MAP_SHAPE)
    return maps
