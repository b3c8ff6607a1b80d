"""Questions to the operations database: by place, time and any column.

A question becomes names of known columns and bound parameters; no word of it becomes SQL.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import sqlalchemy as sa

from ztfpipe.errors import BadKey
from ztfpipe.methods.sky.footprint import CORNERS, covers
from ztfpipe.products.database.store import SCHEMA, read_columns, read_rows

IMAGES = "images"
"""Science images beside their differences: what is asked unless another table is named."""
_OPERATORS = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_CONDITION = re.compile(
    r"\s*(?P<column>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<operator><=|>=|!=|=|<|>)\s*(?P<value>.*?)\s*", re.S
)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """A place [deg], and how far from it the centre of a quadrant that covers it may be [deg]."""

    ra_deg: float
    dec_deg: float
    reach_deg: float


@dataclass(frozen=True)
class Question:
    """Which rows of a table: covering a place, of nights, between Julian dates, meeting conditions such as `seeing<2`.

    columns: which are shown, all when empty. limit: rows at most, 0 for all.
    """

    table: str = IMAGES
    place: Place | None = None
    nights: tuple[str, str] = ("00000000", "99999999")
    jd_range: tuple[float, float] = (-math.inf, math.inf)
    conditions: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    limit: int = 0


def ask(url: str, question: Question, zone_deg: float) -> pd.DataFrame:
    """The rows that answer a question, in the order of their keys. zone_deg: step of the column `zone`.

    Raises BadKey for a table, column, operator or value that there is none of, and what reading the database raises.
    """
    columns = columns_of(question.table)
    shown = [_column(columns, name) for name in question.columns] or list(columns.values())
    conditions = [_condition(columns, text) for text in _texts(question.conditions)]
    conditions += list(_times(question, columns))
    if question.place is not None:
        conditions.append(_covering(url, question, columns, zone_deg))
    order = [columns[name] for name in ("night", "filefracday", "rcid") if name in columns]
    query = sa.select(*shown).select_from(_source(question.table)).where(*conditions).order_by(*order)
    return read_rows(url, query.limit(question.limit) if question.limit else query)


def columns_of(table: str) -> dict[str, sa.Column]:
    """Columns of a table, or of science images beside their differences, by name. BadKey when there is none."""
    if table == IMAGES:
        # What both have is the science image's.
        return {**_by_name("differences"), **_by_name("quadrants")}
    if table not in SCHEMA:
        raise BadKey("table", table, f"one of {IMAGES}, {', '.join(SCHEMA)}")
    return _by_name(table)


def _by_name(table: str) -> dict[str, sa.Column]:
    return {column.name: column for column in SCHEMA[table].columns}


def _source(table: str) -> sa.FromClause:
    if table != IMAGES:
        return SCHEMA[table]
    left, right = SCHEMA["quadrants"], SCHEMA["differences"]
    return left.outerjoin(right, (left.c.filefracday == right.c.filefracday) & (left.c.rcid == right.c.rcid))


def _texts(conditions: Sequence[str]) -> Iterator[str]:
    for text in conditions:
        yield from _AND.split(text.strip())


def _condition(columns: Mapping[str, sa.Column], text: str) -> sa.ColumnElement[bool]:
    """`COLUMN OPERATOR VALUE` as a comparison with a bound value; `= null` and `!= null` ask whether there is one."""
    match = _CONDITION.fullmatch(text)
    if match is None or not match["value"]:
        raise BadKey("condition", text, "a comparison: COLUMN and one of < <= > >= = != and a value")
    column, sign, value = _column(columns, match["column"]), match["operator"], match["value"].strip("'\"")
    if value.lower() == "null" and sign in ("=", "!="):
        return column.is_(None) if sign == "=" else column.is_not(None)
    if isinstance(column.type, sa.Text):
        return _OPERATORS[sign](column, value)
    try:
        number = float(value)
    except ValueError:
        raise BadKey(f"value of {column.name}", value, "a number") from None
    return _OPERATORS[sign](column, sa.literal(number, sa.Double))


def _column(columns: Mapping[str, sa.Column], name: str) -> sa.Column:
    if name not in columns:
        raise BadKey("column", name, f"one of {', '.join(sorted(columns))}")
    return columns[name]


def _times(question: Question, columns: Mapping[str, sa.Column]) -> Iterator[sa.ColumnElement[bool]]:
    yield columns["night"].between(*question.nights)
    low, high = question.jd_range
    if math.isfinite(low) or math.isfinite(high):
        if "obsjd" not in columns:
            raise BadKey("table", question.table, "one with obsjd: times are asked of images and exposures")
        yield columns["obsjd"].between(low, high)


def _covering(
    url: str, question: Question, columns: Mapping[str, sa.Column], zone_deg: float
) -> sa.ColumnElement[bool]:
    """Rows of the images that cover a place, or of the exposures that have such an image."""
    if question.table not in (IMAGES, "quadrants", "differences", "exposures"):
        raise BadKey("table", question.table, "one of things that have a place")
    place, quadrants = question.place, SCHEMA["quadrants"]
    corners = [f"{axis}{number}" for number in CORNERS for axis in ("ra", "dec")]
    low, high = (math.floor((place.dec_deg + sign * place.reach_deg) / zone_deg) for sign in (-1, 1))
    near = [quadrants.c.zone.between(low, high), quadrants.c.night.between(*question.nights), _near_ra(place)]
    found = read_columns(url, "quadrants", ["filefracday", "rcid", *corners], *near)
    inside = found[covers(found[corners].to_numpy(np.float64), place.ra_deg, place.dec_deg)]
    exposures = columns["filefracday"].in_(sorted(set(inside["filefracday"].tolist())))
    if question.table == "exposures":
        return exposures
    keys = list(zip(inside["filefracday"].tolist(), inside["rcid"].tolist(), strict=True))
    # SQLite finds no rows of a list of pairs by its index, but those of a list of exposures.
    return sa.and_(exposures, sa.tuple_(columns["filefracday"], columns["rcid"]).in_(keys))


def _near_ra(place: Place) -> sa.ColumnElement[bool]:
    """Centres whose right ascension is within reach, which is all of them about a pole."""
    ra = SCHEMA["quadrants"].c.ra
    if abs(place.dec_deg) + place.reach_deg >= 90.0:
        return sa.true()
    sine = math.sin(math.radians(place.reach_deg)) / math.cos(math.radians(place.dec_deg))
    half = math.degrees(math.asin(min(1.0, sine)))
    low, high = (place.ra_deg - half) % 360.0, (place.ra_deg + half) % 360.0
    return ra.between(low, high) if low <= high else (ra >= low) | (ra <= high)
