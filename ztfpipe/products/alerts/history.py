"""Histories of a field's quadrant: the difference images that looked there, and what was found on them.

Two small Parquet files each, brought up to date after every night by one writer; they can be made again from the
differences and candidates of all nights. Old candidates are rolled off into a third one, which is written seldom.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.model import identifiers
from ztfpipe.model.alerts import COVERAGE
from ztfpipe.model.images import HeaderValue
from ztfpipe.model.keys import ExposureKey, FieldQuadrantKey, QuadrantKey
from ztfpipe.model.wcs import PV_INDICES, TpvWcs
from ztfpipe.products.formats.fits import read_header
from ztfpipe.products.formats.plain import read_table, write_table
from ztfpipe.products.images.headers import known
from ztfpipe.products.images.wcs import wcs_of
from ztfpipe.products.names import key_of, path_of

_FROM_HEADER = {
    "rfid": "RFID", "refvers": "REFVERS", "programid": "PROGRMID", "programpi": "PROGRMPI", "status": "STATUS",
    "infobits": "INFOBITS", "exptime": "EXPTIME", "diffmaglim": "DIFMLIM", "magzpsci": "MAGZP",
    "magzpsciunc": "MAGZPUNC", "magzpscirms": "MAGZPRMS", "nmatches": "NMATCHES", "clrcoeff": "CLRCOEFF",
    "clrcounc": "CLRCOUNC", "sciinpseeing": "SEEING", "scibckgnd": "SCIBCKG", "scisigpix": "SCISIGPX",
    "diffsigpix": "DIFSIGPX", "gain": "GAIN", "jd": "OBSJD", "fid": "FILTERID",
}  # fmt: skip

_COUNTED = ("candid", "pid", "jd", "ra", "dec")
_ROWS_TOGETHER = 2000
_LOCK = Path("../ledger/locks/histories")


def coverage_row(key: QuadrantKey, shape: tuple[int, int]) -> dict[str, object]:
    """What the coverage keeps of a difference image, from its header. BadFile when it cannot be read."""
    path = path_of("scimrefdiffimg", key)
    header = read_header(path, 1)
    found: dict[str, HeaderValue] = {name: header.get(word, (None, ""))[0] for name, word in _FROM_HEADER.items()}
    jd = known(header, "OBSJD")
    if not math.isfinite(jd):
        raise BadFile(path, "OBSJD is missing or no number")
    wcs = wcs_of(path, header)
    row = {
        **found,
        "pid": identifiers.processing_id(identifiers.exposure_id(jd), key.rcid),
        "nid": identifiers.night_id(jd),
        "filefracday": key.exposure.filefracday,
        "filter": key.exposure.filter,
        "imgtype": key.exposure.imgtype,
        "field": key.exposure.field,
        "ccdid": key.ccdid,
        "qid": key.qid,
        "rcid": key.rcid,
        "pdiffimfilename": path.rpartition("/")[2].removesuffix(".fz"),
        "adpctdif1": known(header, "ASTRRMS1") * 3600.0,
        "adpctdif2": known(header, "ASTRRMS2") * 3600.0,
        "nx": shape[1],
        "ny": shape[0],
        "wcs": wcs_numbers(wcs),
    }
    return {column.name: _plain(row[column.name], column.dtype) for column in COVERAGE}


def coverage_table(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Rows of coverage as a table of COVERAGE's types."""
    table = pd.DataFrame(list(rows), columns=[column.name for column in COVERAGE])
    return table.astype({c.name: c.dtype for c in COVERAGE if c.dtype != "str" and c.width == 1})


def read_coverage(place: FieldQuadrantKey) -> pd.DataFrame:
    """The difference images that looked at a place, in order of time; none where there never was one."""
    path = Path(path_of("coverage", place))
    return read_table(path) if path.exists() else coverage_table([])


def known_places() -> list[FieldQuadrantKey]:
    """All fields' quadrants that have a history, in order."""
    return sorted(key_of(path, "coverage") for path in Path().glob("ops/history/rc[0-9][0-9]/*_coverage.parquet"))


def read_detections(place: FieldQuadrantKey, whole_since_jd: float = -math.inf) -> pd.DataFrame:
    """The candidates ever found at a place; none where there never was one.

    Of those rolled off before `whole_since_jd` only what counts need: identifiers, place and time.
    """
    recent = _recent(place)
    path = Path(path_of("longhistory", place))
    if not path.exists():
        return recent
    old = [read_table(path, filters=[("jd", ">=", whole_since_jd)])]
    if math.isfinite(whole_since_jd):
        old.insert(0, read_table(path, list(_COUNTED), [("jd", "<", whole_since_jd)]))
    # An image that is in both was being moved when the writer was stopped, or has been made again since.
    return joined([*(one[~one["pid"].isin(recent["pid"])] for one in old), recent])


def _recent(place: FieldQuadrantKey) -> pd.DataFrame:
    path = Path(path_of("history", place))
    return read_table(path) if path.exists() else no_detections()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Be the one writer of histories, after waiting for the one before; works in the archive."""
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    with _LOCK.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def roll_off(place: FieldQuadrantKey, before_jd: float) -> int:
    """Move candidates of images before a date from the history that grows each night to the long-term one; how many.

    They are in the second before they leave the first: whoever reads in between, or after a kill, sees each once.
    """
    recent = _recent(place)
    if not len(recent) or not (aged := recent["jd"] < before_jd).any():
        return 0
    path = Path(path_of("longhistory", place))
    kept = [read_table(path)] if path.exists() else []
    moved = recent[aged]
    table = joined([*(one[~one["pid"].isin(moved["pid"])] for one in kept), moved])
    write_table(path, table.sort_values(["jd", "pid", "candid"], ignore_index=True), row_group_size=_ROWS_TOGETHER)
    write_table(path_of("history", place), recent[~aged].reset_index(drop=True))
    return len(moved)


def no_detections() -> pd.DataFrame:
    """A table of detections without rows."""
    return pd.DataFrame({"candid": np.zeros(0, np.int64), "pid": np.zeros(0, np.int64), "ra": [], "dec": []})


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Detections of several tables in one; empty ones would take the types of the others' columns along."""
    return pd.concat([one for one in tables if len(one)] or [no_detections()], ignore_index=True)


def update_place(place: FieldQuadrantKey, coverage: pd.DataFrame, detections: pd.DataFrame) -> None:
    """Put difference images and their candidates into a place's history, in place of what it had of the same images.

    The coverage is written last: an image that it has, has its candidates there too.
    """
    images = coverage["pid"]
    _write(path_of("history", place), _recent(place), detections, images, ["pid", "candid"])
    _forget_old(place, images)
    _write(path_of("coverage", place), read_coverage(place), coverage, images, ["jd", "pid"])


def _forget_old(place: FieldQuadrantKey, images: pd.Series) -> None:
    """Images that are made again have left the long-term history."""
    path = Path(path_of("longhistory", place))
    if path.exists() and read_table(path, ["pid"])["pid"].isin(images).any():
        old = read_table(path)
        write_table(path, old[~old["pid"].isin(images)].reset_index(drop=True), row_group_size=_ROWS_TOGETHER)


def _write(path: str, old: pd.DataFrame, new: pd.DataFrame, images: pd.Series, order: list[str]) -> None:
    kept = old[~old["pid"].isin(images)]
    parts = [part for part in (kept, new) if len(part)] or [new]
    write_table(path, pd.concat(parts, ignore_index=True).sort_values(order, kind="stable", ignore_index=True))


def quadrant_of(row: pd.Series) -> QuadrantKey:
    """Key of the image of a row of coverage."""
    exposure = ExposureKey(str(row["filefracday"]), int(row["field"]), str(row["filter"]), str(row["imgtype"]))
    return QuadrantKey(exposure, int(row["ccdid"]), int(row["qid"]))


def wcs_numbers(wcs: TpvWcs) -> list[float]:
    """A solution as one list: CRVAL, zero-based CRPIX, CD by rows, PV by axis."""
    return [float(value) for part in astuple(wcs) for value in np.ravel(part)]


def wcs_from(numbers: NDArray[np.float64]) -> TpvWcs:
    """The solution of `wcs_numbers`."""
    values = np.asarray(numbers, np.float64)
    return TpvWcs(values[:2], values[2:4], values[4:8].reshape(2, 2), values[8:].reshape(2, len(PV_INDICES)))


def _plain(value: object, dtype: str) -> object:
    """A value as the table has it where the header has none: NaN, 0 or an empty text."""
    if value is not None:
        return value
    return "" if dtype == "str" else math.nan if dtype.startswith("f") else 0
