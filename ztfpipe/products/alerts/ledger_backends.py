"""Where the ledger of names is kept: a file of SQLite, or a database of PostgreSQL. The same statements go to both."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import psycopg

from ztfpipe.errors import BadFile, TryAgain

WAIT_S = 60.0
"""How long a writer waits for another one."""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS objects (name TEXT PRIMARY KEY, zone {whole} NOT NULL, ra {real} NOT NULL,"
    " dec {real} NOT NULL, candid {whole} NOT NULL){clustered}",
    "CREATE INDEX IF NOT EXISTS objects_by_place ON objects (zone, ra)",
    "CREATE TABLE IF NOT EXISTS detections (candid {whole} PRIMARY KEY, name TEXT NOT NULL, ra {real}, dec {real})",
    "CREATE TABLE IF NOT EXISTS years (year {whole} PRIMARY KEY, given {whole} NOT NULL)",
)
_WRITERS = 0x5A54464E  # "ZTFN": the lock of PostgreSQL that the writer of names holds


class Ledger(Protocol):
    """A ledger in a transaction: statements with `?` for their values."""

    def execute(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """A statement for each of many rows of values."""


@contextlib.contextmanager
def opened(place: str | Path, *, writing: bool) -> Iterator[Ledger]:
    """The ledger in one transaction: kept, and on disk, when the body ends; as it was when it raises or is killed.

    place: the file, or the URL of a database of PostgreSQL; the tables are made where there are none. With `writing` no
    other writer is at work meanwhile. Raises TryAgain when another one does not end, or the server is away; BadFile
    when this is no ledger.
    """
    kind = _on_server if str(place).startswith("postgresql:") else _in_file
    with kind(str(place), writing) as ledger:
        yield ledger


class _File:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def execute(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, values).fetchall()

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self.connection.executemany(statement, rows)


class _Server:
    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def execute(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        answer = self.connection.execute(statement.replace("?", "%s"), values)
        return answer.fetchall() if answer.description else []

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(statement.replace("?", "%s"), rows)


@contextlib.contextmanager
def _in_file(path: str, writing: bool) -> Iterator[Ledger]:
    if writing:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Who only asks makes no file: where there is none, there is nothing to be known.
    file = path if writing or Path(path).exists() else ":memory:"
    try:
        with contextlib.closing(sqlite3.connect(file, timeout=WAIT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            for statement in _TABLES:
                connection.execute(statement.format(whole="INTEGER", real="REAL", clustered=" WITHOUT ROWID"))
            connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
            try:
                yield _File(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise TryAgain(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        raise BadFile(path, f"not a ledger of names: {error}") from error


@contextlib.contextmanager
def _on_server(url: str, writing: bool) -> Iterator[Ledger]:
    try:
        # Leaving this block commits, or rolls back when the body raises.
        with psycopg.connect(url, connect_timeout=10) as connection:
            there = connection.execute("SELECT to_regclass('years') IS NOT NULL").fetchone()
            if writing or not there[0]:
                connection.execute(f"SET LOCAL lock_timeout = {int(1000 * WAIT_S)}")
                connection.execute(f"SELECT pg_advisory_xact_lock({_WRITERS})")
            if not there[0]:
                for statement in _TABLES:
                    connection.execute(statement.format(whole="BIGINT", real="DOUBLE PRECISION", clustered=""))
            yield _Server(connection)
    except psycopg.OperationalError as error:
        raise TryAgain(url, _sentence(error)) from error
    except psycopg.Error as error:
        raise BadFile(url, f"not a ledger of names: {_sentence(error)}") from error


def _sentence(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
