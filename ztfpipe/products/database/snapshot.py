"""Dated copies of the operations database, made while it is used: there whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from ztfpipe.errors import BadFile, TryAgain
from ztfpipe.products.database.engine import file_of, is_postgresql, reading
from ztfpipe.products.database.store import ABOUT, SCHEMA
from ztfpipe.products.formats.atomic import atomic_write, machine_faults

_ROWS = 20_000
"""Rows in memory at a time."""
_ARROW = {sa.BigInteger: pa.int64(), sa.Double: pa.float64(), sa.Text: pa.string()}


def take_snapshot(url: str, folder: Path, when: datetime, kept: int) -> Path:
    """Copy the database into `folder` under its date, and remove the oldest copies beyond `kept`; the copy's path.

    Of SQLite a file of SQLite, of PostgreSQL a folder of one Parquet file a table, all of one moment. BadFile when
    there is no database, TryAgain when the server or the disk fails.
    """
    name = f"operations_{when:%Y%m%dT%H%M%S}"
    made = _parquet(url, folder / name) if is_postgresql(url) else _sqlite(file_of(url), folder / f"{name}.sqlite")
    for old in snapshots(folder)[:-kept]:
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()
    return made


def snapshots(folder: Path) -> list[Path]:
    """The copies that are there, the oldest first."""
    return sorted(folder.glob("operations_[0-9]*T[0-9]*"), key=lambda path: path.name)


def _sqlite(source: Path, path: Path) -> Path:
    if not source.exists():
        raise BadFile(source, "there is no operations database: make it with ztfpipe database rebuild")
    with atomic_write(path) as temporary:
        try:
            with (
                contextlib.closing(sqlite3.connect(source)) as old,
                contextlib.closing(sqlite3.connect(temporary)) as new,
            ):
                old.backup(new)
        except sqlite3.OperationalError as error:
            raise TryAgain(source, str(error)) from error
        except sqlite3.DatabaseError as error:
            raise BadFile(source, f"not usable as an operations database: {error}") from error
    return path


def _parquet(url: str, path: Path) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with machine_faults(path):
        temporary.mkdir(parents=True)
        try:
            with reading(url) as connection:
                for name, table in {**SCHEMA, ABOUT.name: ABOUT}.items():
                    _write_table(connection, table, temporary / f"{name}.parquet")
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return path


def _write_table(connection: sa.Connection, table: sa.Table, path: Path) -> None:
    schema = pa.schema([(column.name, _ARROW[type(column.type)]) for column in table.columns])
    rows = connection.execution_options(yield_per=_ROWS).execute(table.select()).mappings()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in rows.partitions(_ROWS):
            writer.write_table(pa.Table.from_pylist([dict(row) for row in part], schema))
