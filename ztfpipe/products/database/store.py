"""The operations database: tables by their contracts, the rows of a night in place of those it had, and rows read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import pandas as pd
import sqlalchemy as sa

from ztfpipe.errors import BadFile
from ztfpipe.model.operations import TABLES, Rows
from ztfpipe.products.database.engine import reading, writing

_KINDS = {"i8": sa.BigInteger, "f8": sa.Double, "str": sa.Text}
METADATA = sa.MetaData()
ABOUT = sa.Table("about", METADATA, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text))
VERSION = hashlib.sha256(repr(TABLES).encode()).hexdigest()[:16]
"""Changes with the contracts: a database of other tables is made anew."""


def _table(name: str) -> sa.Table:
    contract = TABLES[name]
    columns = (
        sa.Column(
            one.name, _KINDS[one.dtype], primary_key=one.name in contract.key, autoincrement=False, comment=one.text
        )
        for one in contract.columns
    )
    indexes = (sa.Index(f"{name}_by_{'_'.join(names)}", *names) for names in contract.indexes)
    return sa.Table(name, METADATA, *columns, *indexes)


SCHEMA = {name: _table(name) for name in TABLES}


def update_night(url: str, night: str, rows: Rows) -> None:
    """Put the rows of a night into the database, in place of those it had; all of them or, when it is killed, none.

    The database is made when there is none. Raises BadFile when its tables are another version's, TryAgain while
    another writer is at work.
    """
    with writing(url) as connection:
        if not sa.inspect(connection).has_table(ABOUT.name):
            _make(connection)
        _check(connection, url)
        _replace(connection, night, rows)


def rebuild(url: str, nights: Iterable[tuple[str, Rows]]) -> int:
    """Make the database anew from the rows of nights; who reads meanwhile has the old one. Number of nights."""
    count = 0
    with writing(url) as connection:
        METADATA.drop_all(connection)
        _make(connection)
        for night, rows in nights:
            _replace(connection, night, rows)
            count += 1
    return count


def _make(connection: sa.Connection) -> None:
    METADATA.create_all(connection)
    connection.execute(ABOUT.insert().values(name="version", value=VERSION))


def _check(connection: sa.Connection, url: str) -> None:
    if not sa.inspect(connection).has_table(ABOUT.name):
        raise BadFile(url, "there is no operations database: make it with ztfpipe database rebuild")
    version = connection.execute(sa.select(ABOUT.c.value).where(ABOUT.c.name == "version")).scalar()
    if version != VERSION:
        raise BadFile(url, "its tables are those of another version: make it anew with ztfpipe database rebuild")


def _replace(connection: sa.Connection, night: str, rows: Rows) -> None:
    for name, table in SCHEMA.items():
        connection.execute(table.delete().where(table.c.night == night))
        if rows[name]:
            connection.execute(table.insert(), rows[name])


def read_rows(url: str, query: sa.Select) -> pd.DataFrame:
    """The rows of a query, in the types of their columns: whole numbers that may be missing stay whole."""
    with reading(url) as connection:
        _check(connection, url)
        answer = connection.execute(query)
        found = pd.DataFrame(answer.fetchall(), columns=list(answer.keys()), dtype=object)
    kinds = {column.name: column.type for column in query.selected_columns}
    return found.astype({name: _dtype(kind) for name, kind in kinds.items()})


def _dtype(kind: sa.types.TypeEngine) -> str:
    return "float64" if isinstance(kind, sa.Double) else "Int64" if isinstance(kind, sa.BigInteger) else "str"


def read_columns(url: str, name: str, columns: Sequence[str], *conditions: sa.ColumnElement[bool]) -> pd.DataFrame:
    """Some columns of a table, of the rows that meet all conditions."""
    table = SCHEMA[name]
    return read_rows(url, sa.select(*(table.c[column] for column in columns)).where(*conditions))
