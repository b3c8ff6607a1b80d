"""Matchfiles: PyTables HDF5 with the groups, tables, columns, types and attributes of the archive's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.model.columns import Column
from ztfpipe.model.lightcurve import DTYPES, MATCH_TABLES, EpochRows
from ztfpipe.products.formats.atomic import atomic_write
from ztfpipe.products.formats.hdf5 import appending, recover

GROUP = "/matches"
_CHUNK_BYTES, _BLOCK_CHUNKS = 1 << 19, 2
"""Of a table's chunks, and how many of them are read and written at a time: what a processor's cache holds."""
_OWN = ("referenceVersion", "recipeVersion", "settings")
Rows = NDArray[np.void]
Attributes = Mapping[str, Any]


@dataclass(frozen=True)
class MatchHead:
    """What a matchfile says of itself: attributes of its group, of `sourcedata` (the error model), and its exposures'
    filefracdays in order."""

    attributes: dict[str, Any]
    error_model: tuple[float, float, float, float]
    fracdays: tuple[int, ...]

    @property
    def made_of(self) -> tuple[int, int, str]:
        """Version of the reference, version of the recipe, and settings as JSON."""
        return tuple(self.attributes[name] for name in _OWN)


def settings_text(settings: Mapping[str, object]) -> str:
    """Settings as they stand in a matchfile."""
    return json.dumps(dict(settings), sort_keys=True)


def create(path: str | Path, attributes: Attributes, sources: Rows) -> None:
    """Write a matchfile with its sources and no epoch, atomically."""
    with atomic_write(path) as temporary, tables.open_file(str(temporary), "w") as file:
        _lay_out(file, attributes, (np.nan,) * 4)
        file.get_node(GROUP, "sources").append(sources)


def append_epochs(path: str | Path, epochs: Iterator[EpochRows] | Sequence[EpochRows]) -> int:
    """Append epochs in place, all or none; their number. Bytes written scale with what is appended.

    Raises BadFile when it is no matchfile, TryAgain when the machine fails.
    """
    count = 0
    with appending(path) as file:
        for rows in epochs:
            count += 1
            for name in ("exposures", "sourcedata", "transientdata", "transients", "nondetections"):
                values = getattr(rows, name)
                if len(values):
                    _table(file, path, name).append(values)
        if count:
            file.get_node(GROUP)._v_attrs.calibratedSinceLastMatch = 0
    return count


def read_head(path: str | Path) -> MatchHead:
    """Attributes, error model and exposures. BadFile when it is no matchfile."""
    with _opened(path) as file:
        group = file.get_node(GROUP)._v_attrs
        attributes = {name: _plain(group[name]) for name in group._f_list("user")}
        if missing := [name for name in _OWN if name not in attributes]:
            raise BadFile(path, f"attribute {missing[0]} missing: not one of our matchfiles")
        model = _table(file, path, "sourcedata").attrs
        fracdays = _table(file, path, "exposures").col("fracday")
        return MatchHead(attributes, tuple(float(model[name]) for name in "ABCD"), tuple(map(int, fracdays)))


def read_rows(path: str | Path, table: str) -> Rows:
    """All rows of a table. BadFile when it is no matchfile."""
    with _opened(path) as file:
        return _table(file, path, table).read()


def read_columns(path: str | Path, table: str, names: Sequence[str]) -> dict[str, NDArray]:
    """Some columns of a large table, read in one pass of blocks. BadFile when it is no matchfile."""
    with _opened(path) as file:
        node = _table(file, path, table)
        found = {name: np.empty(node.nrows, DTYPES[table][name]) for name in names}
        for first, block in _blocks(node):
            for name in names:
                found[name][first : first + len(block)] = block[name]
        return found


def rewrite(
    path: str | Path,
    source: str | Path,
    attributes: Attributes,
    error_model: Sequence[float],
    replaced: Mapping[str, Rows],
    changed: Mapping[str, Callable[[Rows, int], None]],
) -> None:
    """Write matchfile `path` from `source` (perhaps the same), atomically, with other content.

    attributes: those that change; replaced: whole tables; changed: a function by table that changes a block of rows in
    place and is given the number of the block's first row. Rows keep their order.
    """
    with _opened(source) as old:
        before = old.get_node(GROUP)._v_attrs
        kept = {name: before[name] for name in before._f_list("user")}
        with atomic_write(path) as temporary, tables.open_file(str(temporary), "w") as new:
            _lay_out(new, {**kept, **attributes}, error_model)
            for name in MATCH_TABLES:
                table = new.get_node(GROUP, name)
                if name in replaced:
                    table.append(replaced[name])
                    continue
                for first, block in _blocks(_table(old, source, name)):
                    if name in changed:
                        changed[name](block, first)
                    table.append(block)


def rows_of_sources(path: str | Path, table: str, matchids: NDArray[np.integer]) -> Rows:
    """Rows of a data table that are of some sources, in the file's order."""
    wanted = np.unique(matchids)
    with _opened(path) as file:
        parts = [block[np.isin(block["matchid"], wanted)] for _, block in _blocks(_table(file, path, table))]
        return np.concatenate(parts) if parts else np.zeros(0, DTYPES[table])


def _lay_out(file: tables.File, attributes: Attributes, error_model: Sequence[float]) -> None:
    """Group, attributes and empty tables."""
    group = file.create_group("/", GROUP[1:], "Matched Sources")
    for name, value in attributes.items():
        group._v_attrs[name] = value
    where = f"Field {int(attributes['fieldID']):06d} RC {int(attributes['rcID']):02d}"
    titles = {
        "exposures": "List of Exposures",
        "sourcedata": f"{where} Matched Sources Data",
        "sources": f"{where} Matched Sources Table",
        "transientdata": f"{where} Transients Data",
        "transients": f"{where} Transients Table",
        "nondetections": f"{where} Upper Limits",
    }
    for name, columns in MATCH_TABLES.items():
        file.create_table(
            group, name, _description(columns), titles[name],
            chunkshape=(max(_CHUNK_BYTES // DTYPES[name].itemsize, 1),), track_times=False,
        )  # fmt: skip
    for name, value in zip("ABCD", error_model, strict=True):
        file.get_node(group, "sourcedata").attrs[name] = np.float64(value)
    file.get_node(group, "transientdata").attrs.deletedRows = False


def _description(columns: Sequence[Column]) -> dict[str, tables.Col]:
    """Columns in their order: PyTables would sort them by name."""
    return {
        one.name: tables.Col.from_dtype(np.dtype((one.dtype, (one.width,) if one.width > 1 else ())), pos=place)
        for place, one in enumerate(columns)
    }


def _blocks(table: tables.Table) -> Iterator[tuple[int, Rows]]:
    rows = _BLOCK_CHUNKS * int(table.chunkshape[0])
    for first in range(0, int(table.nrows), rows):
        yield first, table.read(first, min(first + rows, int(table.nrows)))


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[tables.File]:
    """A matchfile open to be read, after what a killed append has left is put right."""
    if not Path(path).exists():
        raise BadFile(path, "no such file")
    recover(path)
    try:
        file = tables.open_file(str(path), "r")
    except tables.HDF5ExtError as error:
        raise BadFile(path, f"not an HDF5 file: {str(error).strip().splitlines()[-1]}") from error
    with file:
        if GROUP not in file:
            raise BadFile(path, f"group {GROUP} missing")
        yield file


def _table(file: tables.File, path: str | Path, name: str) -> tables.Table:
    if f"{GROUP}/{name}" not in file:
        raise BadFile(path, f"table {name} missing")
    return file.get_node(GROUP, name)


def _plain(value: Any) -> Any:
    """An attribute as Python has it."""
    return value.item() if isinstance(value, np.generic) else value
