"""Connections to a database, SQLite or PostgreSQL: one writer at a time, all of what he did or nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ztfpipe.errors import BadFile, TryAgain

WAIT_S = 60.0
"""How long a writer waits for another one."""
_WRITERS = 0x5A5446  # "ZTF": the lock of PostgreSQL that a writer holds


def database_url(configured: str, workspace: Path) -> str:
    """URL of the operations database: the configured one, or the SQLite file of the workspace."""
    return configured or f"sqlite:///{workspace.resolve() / 'database' / 'operations.sqlite'}"


def is_postgresql(url: str) -> bool:
    """Whether a URL is one of PostgreSQL."""
    return url.startswith("postgresql")


def file_of(url: str) -> Path:
    """The file of a database of SQLite."""
    return Path(url.removeprefix("sqlite:///"))


@contextlib.contextmanager
def writing(url: str) -> Iterator[sa.Connection]:
    """The database in the one writer's transaction: kept when the body ends, as it was when it raises or is killed.

    Raises TryAgain while another writer is at work or the server away, BadFile when it is no database.
    """
    if not is_postgresql(url):
        file_of(url).parent.mkdir(parents=True, exist_ok=True)
    with _faults(url), contextlib.closing(_connected(url, "BEGIN IMMEDIATE")) as connection, connection.begin():
        if is_postgresql(url):
            connection.execute(sa.text(f"SET LOCAL lock_timeout = {int(1000 * WAIT_S)}"))
            connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_WRITERS})"))
        yield connection


@contextlib.contextmanager
def reading(url: str) -> Iterator[sa.Connection]:
    """The database as it is now, whoever writes meanwhile. BadFile when there is none, TryAgain as `writing`."""
    if not is_postgresql(url) and not file_of(url).exists():
        raise BadFile(file_of(url), "there is no operations database: make it with ztfpipe database rebuild")
    with _faults(url), contextlib.closing(_connected(url, "BEGIN")) as connection, connection.begin():
        if is_postgresql(url):
            connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        yield connection


def _connected(url: str, begin: str) -> sa.Connection:
    if is_postgresql(url):
        driver = "postgresql+psycopg:" + url.partition(":")[2]
        return sa.create_engine(driver, poolclass=NullPool, connect_args={"connect_timeout": 10}).connect()
    engine = sa.create_engine(url, poolclass=NullPool, connect_args={"timeout": WAIT_S})

    # Python's driver begins transactions by itself, later than a writer must have the file.
    @sa.event.listens_for(engine, "connect")
    def _leave_transactions_to_us(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine.connect()


@contextlib.contextmanager
def _faults(url: str) -> Iterator[None]:
    """What databases answer, as our errors; URLs have no passwords."""
    try:
        yield
    except sa.exc.OperationalError as error:
        raise TryAgain(url, _sentence(error)) from error
    except sa.exc.DatabaseError as error:
        raise BadFile(url, f"not usable as an operations database: {_sentence(error)}") from error


def _sentence(error: sa.exc.DBAPIError) -> str:
    return " ".join(str(error.orig).split())
