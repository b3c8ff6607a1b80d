"""The ledger of objects: which name a place on the sky has, and which detections have been given it.

One SQLite file beside the archive with one writer at a time. It is memory: of all that the pipeline makes, names alone
depend on what was seen before.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ztfpipe.errors import BadFile, TryAgain

_ZONE_DEG = 10.0 / 3600.0
_LETTERS = 7
_WAIT_S = 60.0
_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    name TEXT PRIMARY KEY, zone INTEGER NOT NULL, ra REAL NOT NULL, dec REAL NOT NULL, candid INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS objects_by_place ON objects (zone, ra);
CREATE TABLE IF NOT EXISTS detections (candid INTEGER PRIMARY KEY, name TEXT NOT NULL, ra REAL, dec REAL);
CREATE TABLE IF NOT EXISTS years (year INTEGER PRIMARY KEY, given INTEGER NOT NULL);
"""


@dataclass(frozen=True, order=True)
class Sighting:
    """A candidate that wants a name; sorted, they come in order of time, channel and identifier."""

    jd: float
    rcid: int
    candid: int
    ra_deg: float
    dec_deg: float
    year: int


def give_names(path: str | Path, sightings: Iterable[Sighting], radius_arcsec: float) -> dict[int, str]:
    """Names by candid: that of the nearest object within `radius_arcsec` of the object's first detection, or a new one.

    A detection that has a name keeps it, unless it has moved by more than the radius since. All are named or, when
    this ends early, none. Sightings are taken in their own order: the same ones give the same names whoever comes
    first. Raises TryAgain while another writer is at work, BadFile when the ledger is none.
    """
    with _opened(path) as ledger:
        return {one.candid: _name(ledger, one, radius_arcsec) for one in sorted(sightings)}


def names_of(path: str | Path, candids: Iterable[int]) -> dict[int, str]:
    """Names that detections have been given; those without one are left out."""
    with _opened(path) as ledger:
        found = ((one, ledger.execute("SELECT name FROM detections WHERE candid = ?", (one,))) for one in candids)
        return {candid: row[0] for candid, rows in found if (row := rows.fetchone())}


def first_place(path: str | Path, name: str) -> tuple[float, float] | None:
    """Where an object was first detected [deg]; None when no object has this name."""
    with _opened(path) as ledger:
        row = ledger.execute("SELECT ra, dec FROM objects WHERE name = ?", (name,)).fetchone()
    return (row[0], row[1]) if row else None


def spelt_name(year: int, number: int) -> str:
    """The name of object `number` (from 0) of a year: ZTF, two digits of the year, seven letters as digits of 26."""
    letters = ""
    for _ in range(_LETTERS):
        number, digit = divmod(number, 26)
        letters = chr(ord("a") + digit) + letters
    if number:
        raise ValueError(f"{year} has more than {26**_LETTERS} objects")
    return f"ZTF{year % 100:02d}{letters}"


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[sqlite3.Connection]:
    """The ledger in one transaction: committed, and on disk, when the body ends; as it was when it raises."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)) as ledger:
            ledger.execute("PRAGMA synchronous = FULL")
            ledger.executescript(_TABLES)
            ledger.execute("BEGIN IMMEDIATE")
            try:
                yield ledger
            except BaseException:
                ledger.execute("ROLLBACK")
                raise
            ledger.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise TryAgain(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        raise BadFile(path, f"not a ledger of names: {error}") from error


def _name(ledger: sqlite3.Connection, one: Sighting, radius_arcsec: float) -> str:
    known = ledger.execute("SELECT name, ra, dec FROM detections WHERE candid = ?", (one.candid,)).fetchone()
    if known and separation_arcsec(known[1], known[2], one.ra_deg, one.dec_deg) <= radius_arcsec:
        return known[0]
    name = _nearest(ledger, one, radius_arcsec) or _new(ledger, one)
    ledger.execute("INSERT OR REPLACE INTO detections VALUES (?, ?, ?, ?)", (one.candid, name, one.ra_deg, one.dec_deg))
    return name


def _nearest(ledger: sqlite3.Connection, one: Sighting, radius_arcsec: float) -> str | None:
    radius_deg = radius_arcsec / 3600.0
    low, high = _zone(one.dec_deg - radius_deg), _zone(one.dec_deg + radius_deg)
    best: tuple[float, str] | None = None
    for first, last in _ra_ranges(one.ra_deg, one.dec_deg, radius_deg):
        for zone in range(low, high + 1):
            rows = ledger.execute(
                "SELECT name, ra, dec FROM objects WHERE zone = ? AND ra BETWEEN ? AND ?", (zone, first, last)
            )
            for name, ra, dec in rows:
                distance = separation_arcsec(ra, dec, one.ra_deg, one.dec_deg)
                if distance <= radius_arcsec and (best is None or (distance, name) < best):
                    best = distance, name
    return best[1] if best else None


def _new(ledger: sqlite3.Connection, one: Sighting) -> str:
    row = ledger.execute("SELECT given FROM years WHERE year = ?", (one.year,)).fetchone()
    number = row[0] if row else 0
    name = spelt_name(one.year, number)
    ledger.execute("INSERT OR REPLACE INTO years VALUES (?, ?)", (one.year, number + 1))
    ledger.execute(
        "INSERT INTO objects VALUES (?, ?, ?, ?, ?)",
        (name, _zone(one.dec_deg), one.ra_deg % 360.0, one.dec_deg, one.candid),
    )
    return name


def _zone(dec_deg: float) -> int:
    return math.floor(dec_deg / _ZONE_DEG)


def _ra_ranges(ra_deg: float, dec_deg: float, radius_deg: float) -> list[tuple[float, float]]:
    """Ranges of right ascension that hold a cap; all of them about a pole."""
    if abs(dec_deg) + radius_deg >= 90.0:
        return [(0.0, 360.0)]
    half = math.degrees(math.asin(min(1.0, math.sin(math.radians(radius_deg)) / math.cos(math.radians(dec_deg)))))
    low, high = ra_deg % 360.0 - half, ra_deg % 360.0 + half
    if low < 0:
        return [(low + 360.0, 360.0), (0.0, high)]
    return [(low, 360.0), (0.0, high - 360.0)] if high >= 360.0 else [(low, high)]


def separation_arcsec(ra1_deg: float, dec1_deg: float, ra2_deg: float, dec2_deg: float) -> float:
    """Angle between two places, by the haversine, which is exact for small ones."""
    dec1, dec2 = math.radians(dec1_deg), math.radians(dec2_deg)
    half_ra, half_dec = math.radians(ra2_deg - ra1_deg) / 2, (dec2 - dec1) / 2
    square = math.sin(half_dec) ** 2 + math.cos(dec1) * math.cos(dec2) * math.sin(half_ra) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(square)))) * 3600.0
