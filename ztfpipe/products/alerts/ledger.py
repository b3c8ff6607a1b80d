"""The ledger of objects: which name a place on the sky has, and which detections have been given it.

A file of SQLite beside the archive, or a database of PostgreSQL, with one writer at a time. It is memory: of all that
the pipeline makes, names alone depend on what was seen before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ztfpipe.products.alerts.ledger_backends import Ledger, opened

_ZONE_DEG = 10.0 / 3600.0
_LETTERS = 7
_CHUNK = 500
"""Candidates that are asked for at a time."""


@dataclass(frozen=True, order=True)
class Sighting:
    """A candidate that wants a name; sorted, they come in order of time, channel and identifier."""

    jd: float
    rcid: int
    candid: int
    ra_deg: float
    dec_deg: float
    year: int


def give_names(place: str | Path, sightings: Iterable[Sighting], radius_arcsec: float) -> dict[int, str]:
    """Names by candid: that of the nearest object within `radius_arcsec` of the object's first detection, or a new one.

    place: the file, or the URL of a database of PostgreSQL. A detection that has a name keeps it, unless it has moved
    by more than the radius since. All are named or, when this ends early, none. Sightings are taken in their own order:
    the same ones give the same names whoever comes first. Raises TryAgain while another writer is at work or the server
    is away, BadFile when the ledger is none.
    """
    ordered = sorted(sightings)
    with opened(place, writing=True) as ledger:
        known = _detections(ledger, [one.candid for one in ordered])
        given: dict[int, str] = {}
        for one in ordered:
            given[one.candid] = _known_name(known.get(one.candid), one, radius_arcsec) or _name(
                ledger, one, radius_arcsec
            )
            known[one.candid] = given[one.candid], one.ra_deg, one.dec_deg
        ledger.execute_many(
            "INSERT INTO detections VALUES (?, ?, ?, ?) ON CONFLICT (candid)"
            " DO UPDATE SET name = excluded.name, ra = excluded.ra, dec = excluded.dec",
            [(one.candid, given[one.candid], one.ra_deg, one.dec_deg) for one in ordered],
        )
    return given


def names_of(place: str | Path, candids: Iterable[int]) -> dict[int, str]:
    """Names that detections have been given; those without one are left out."""
    with opened(place, writing=False) as ledger:
        return {candid: name for candid, (name, _, _) in _detections(ledger, list(candids)).items()}


def first_place(place: str | Path, name: str) -> tuple[float, float] | None:
    """Where an object was first detected [deg]; None when no object has this name."""
    with opened(place, writing=False) as ledger:
        rows = ledger.execute("SELECT ra, dec FROM objects WHERE name = ?", (name,))
    return (rows[0][0], rows[0][1]) if rows else None


def spelt_name(year: int, number: int) -> str:
    """The name of object `number` (from 0) of a year: ZTF, two digits of the year, seven letters as digits of 26."""
    letters = ""
    for _ in range(_LETTERS):
        number, digit = divmod(number, 26)
        letters = chr(ord("a") + digit) + letters
    if number:
        raise ValueError(f"{year} has more than {26**_LETTERS} objects")
    return f"ZTF{year % 100:02d}{letters}"


def _detections(ledger: Ledger, candids: list[int]) -> dict[int, tuple[str, float, float]]:
    """Name and place of those detections that have a name."""
    found = {}
    for start in range(0, len(candids), _CHUNK):
        part = candids[start : start + _CHUNK]
        marks = ", ".join("?" * len(part))
        rows = ledger.execute(f"SELECT candid, name, ra, dec FROM detections WHERE candid IN ({marks})", part)
        found |= {candid: (name, ra, dec) for candid, name, ra, dec in rows}
    return found


def _known_name(known: tuple[str, float, float] | None, one: Sighting, radius_arcsec: float) -> str | None:
    if known and separation_arcsec(known[1], known[2], one.ra_deg, one.dec_deg) <= radius_arcsec:
        return known[0]
    return None


def _name(ledger: Ledger, one: Sighting, radius_arcsec: float) -> str:
    return _nearest(ledger, one, radius_arcsec) or _new(ledger, one)


def _nearest(ledger: Ledger, one: Sighting, radius_arcsec: float) -> str | None:
    radius_deg = radius_arcsec / 3600.0
    zones = range(_zone(one.dec_deg - radius_deg), _zone(one.dec_deg + radius_deg) + 1)
    best: tuple[float, str] | None = None
    for first, last in _ra_ranges(one.ra_deg, one.dec_deg, radius_deg):
        for zone in zones:
            rows = ledger.execute(
                "SELECT name, ra, dec FROM objects WHERE zone = ? AND ra BETWEEN ? AND ?", (zone, first, last)
            )
            for name, ra, dec in rows:
                distance = separation_arcsec(ra, dec, one.ra_deg, one.dec_deg)
                if distance <= radius_arcsec and (best is None or (distance, name) < best):
                    best = distance, name
    return best[1] if best else None


def _new(ledger: Ledger, one: Sighting) -> str:
    rows = ledger.execute("SELECT given FROM years WHERE year = ?", (one.year,))
    number = rows[0][0] if rows else 0
    name = spelt_name(one.year, number)
    upsert = "INSERT INTO years VALUES (?, ?) ON CONFLICT (year) DO UPDATE SET given = excluded.given"
    ledger.execute(upsert, (one.year, number + 1))
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
