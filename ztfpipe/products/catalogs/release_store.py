"""What a release is asked from: its files on the sky, and of each file the objects, a sky index and measurements.

Index, measurements and exposures are plain arrays of rows (npy), mapped into memory when they are read: one light curve
is one run of bytes, which costs one access to the disk, and Parquet files of one row group cannot give it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.model.identifiers import light_curve_id
from ztfpipe.model.keys import DataReleaseKey, ReleaseKey
from ztfpipe.model.release import EXPOSURE, FILE_TABLE, INDEX, MEASUREMENT, OBJECT_TABLE, STATISTICS, Released
from ztfpipe.products.formats.atomic import atomic_write, machine_faults
from ztfpipe.products.formats.plain import read_contract, read_table, typed, write_table
from ztfpipe.products.names import path_of

Rows = NDArray[np.void]
_ARRAYS = {"releaseindex": INDEX, "releasedata": MEASUREMENT, "releaseexposures": EXPOSURE}


def write_release_file(key: ReleaseKey, fid: int, found: Released) -> None:
    """Write the objects of a file, their index, measurements and exposures, below the present archive."""
    write_table(path_of("objects", key), objects_of(key, fid, found.sources))
    index = np.empty(len(found.sources), INDEX)
    for name in ("dec", "ra", "matchid", "medianmag", "nobsrel", "ngoodobsrel"):
        index[name] = found.sources[name]
    index["start"] = found.start[:-1]
    data = np.empty(len(found.data), MEASUREMENT)
    for name in MEASUREMENT.names:
        data[name] = found.epoch if name == "exposure" else found.data[name]
    exposures = np.empty(len(found.exposures), EXPOSURE)
    for name in EXPOSURE.names:
        exposures[name] = found.exposures[{"mjd": "obsmjd", "filefracday": "fracday"}.get(name, name)]
    for product, rows in (("releaseindex", index), ("releasedata", data), ("releaseexposures", exposures)):
        write_rows(path_of(product, key), rows)


def write_rows(path: str | Path, rows: Rows) -> None:
    """Write rows as npy, atomically."""
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, rows, allow_pickle=False)


def objects_of(key: ReleaseKey, fid: int, sources: Rows) -> pd.DataFrame:
    """The objects table of a file's sources."""
    place, n = key.reference, len(sources)
    values: dict[str, Any] = {
        "oid": light_curve_id(place.field, fid, place.ccdid, place.qid, 0) + sources["matchid"].astype(np.int64),
        "ra": sources["ra"],
        "dec": sources["dec"],
        "filtercode": np.full(n, place.filter),
    }
    same = {"field": place.field, "ccdid": place.ccdid, "qid": place.qid, "rcid": place.rcid, "fid": fid}
    values |= {name: np.full(n, value) for name, value in same.items()}
    for column, name, part in STATISTICS:
        values[column.name] = sources[name] if part is None else sources[name][:, part]
    return typed(values, OBJECT_TABLE)


def read_objects(key: ReleaseKey, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Objects of a file, all columns or some, in the order of its index. BadFile when they cannot be read."""
    return read_table(path_of("objects", key), columns)


def map_rows(product: str, key: ReleaseKey) -> Rows:
    """Index (releaseindex), measurements (releasedata) or exposures (releaseexposures) of a file, mapped into memory.

    BadFile when they are missing or other than they should be.
    """
    path = path_of(product, key)
    with machine_faults(path):
        try:
            # An empty file cannot be mapped.
            mode = "r" if Path(path).stat().st_size > 4096 else None
            rows = np.load(path, mmap_mode=mode, allow_pickle=False)
        except FileNotFoundError as error:
            raise BadFile(path, "no such file") from error
        except ValueError as error:
            raise BadFile(path, f"no array: {error}") from error
    if rows.dtype != _ARRAYS[product]:
        raise BadFile(path, "columns of another version of releases")
    return rows.view(np.ndarray)


def write_files(number: int, rows: Iterable[dict[str, Any]]) -> None:
    """Write the table of a release's files: with it the release exists."""
    table = pd.DataFrame(list(rows), columns=[one.name for one in FILE_TABLE])
    write_table(path_of("releasefiles", DataReleaseKey(number)), typed(dict(table), FILE_TABLE))


def read_files(number: int) -> pd.DataFrame:
    """Files of a release. BadFile when there is no such release."""
    return read_contract(path_of("releasefiles", DataReleaseKey(number)), FILE_TABLE)
