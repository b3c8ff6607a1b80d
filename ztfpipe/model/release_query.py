"""Parameters of the archive's light-curve service, and what they ask for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from ztfpipe.errors import BadKey
from ztfpipe.model.regions import Box, Polygon, Region
from ztfpipe.model.release import OBJECT_TABLE, Limit, Query
from ztfpipe.model.skycatalogs import Cone

FORMATS = ("votable", "ipac_table", "csv", "parquet")
"""Of answers; the first when none is asked for, as in the archive."""
_BANDS = {"g": 1, "r": 2, "i": 3, "1": 1, "2": 2, "3": 3}
_CONDITION = re.compile(r"\s*([a-z_0-9]+)\s*(<=|>=|!=|<|>|=)\s*([-+.0-9eE]+)\s*")
_NUMBERS = frozenset(one.name for one in OBJECT_TABLE if one.dtype != "str")
_NOT_WITH_ID = ("BANDNAME", "NOBS_MIN", "MAG")


def parameters_of(words: Iterable[str]) -> list[tuple[str, str]]:
    """Names in capitals and values of `NAME=VALUE` words, or of a whole query string joined by `&` with `+` for
    blanks. BadKey for a word without `=`."""
    found = []
    for word in words:
        if "=" not in word:
            raise BadKey("parameter", word, "NAME=VALUE")
        joined = re.search(r"&[A-Z_]+=", word)
        pairs = parse_qsl(word, keep_blank_values=True) if joined else [tuple(word.split("=", 1))]
        found += [(name.strip().upper(), value.strip()) for name, value in pairs]
    return found


def query_of(parameters: Iterable[tuple[str, str]]) -> tuple[Query, dict[str, str]]:
    """The query that parameters spell, and COLLECTION and FORMAT if they are given.

    ID (repeated, or separated by commas), POS (repeated: CIRCLE ra dec r, RANGE ra1 ra2 dec1 dec2 or POLYGON ra dec
    ..., degrees), CIRCLE, BANDNAME, NOBS_MIN or NUM_OBS, MAG, TIME, BAD_CATFLAGS_MASK, and WHERE: conditions on columns
    of the objects table, joined by AND. BadKey for what is none, or cannot be asked together.
    """
    query, other, seen = Query(), {}, set()
    for name, value in parameters:
        name = {"NUM_OBS": "NOBS_MIN"}.get(name, name)
        seen.add(name)
        if name in ("COLLECTION", "FORMAT"):
            other[name] = value.lower()
        elif name in _READERS:
            query = replace(query, **_READERS[name](query, value))
        else:
            raise BadKey("parameter", name, f"one of {', '.join([*_READERS, 'COLLECTION', 'FORMAT'])}")
    if query.oids and (wrong := sorted(seen.intersection(_NOT_WITH_ID))):
        raise BadKey("parameter", wrong[0], "asked together with ID")
    if other.get("FORMAT", FORMATS[0]) not in FORMATS:
        raise BadKey("FORMAT", other["FORMAT"], f"one of {', '.join(FORMATS)}")
    return query, other


def release_of(collection: str, releases: Iterable[int]) -> int:
    """Number of the release a COLLECTION names: ztf_drN, or the last one for ztf. BadKey when it is not there."""
    there = sorted(releases)
    match = re.fullmatch(r"ztf(?:_dr([1-9][0-9]*))?", collection)
    if match and there and (not match[1] or int(match[1]) in there):
        return int(match[1] or there[-1])
    raise BadKey("collection", collection, f"ztf, or one of {', '.join(f'ztf_dr{n}' for n in there) or 'none'}")


def _numbers(what: str, text: str, counts: tuple[int, ...] | None = None) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError as error:
        raise BadKey(what, text, "numbers") from error
    if any(math.isnan(one) for one in values) or (counts and len(values) not in counts):
        raise BadKey(what, text, f"{' or '.join(map(str, counts or ()))} numbers")
    return values


def _cone(text: str) -> Cone:
    ra, dec, radius = _numbers("circle", text, (3,))
    if not (0 <= ra <= 360 and -90 <= dec <= 90 and 0 < radius <= 180):
        raise BadKey("circle", text, "ra 0 to 360, dec -90 to 90 and a radius, in degrees")
    return Cone(ra, dec, radius)


def _region(text: str) -> Region:
    shape, _, rest = text.strip().partition(" ")
    if shape.upper() == "CIRCLE":
        return _cone(rest)
    if shape.upper() == "RANGE":
        return Box(*_numbers("range", rest, (4,)))
    if shape.upper() == "POLYGON":
        values = _numbers("polygon", rest)
        if len(values) % 2:
            raise BadKey("polygon", rest, "pairs of ra and dec")
        return Polygon(values[::2], values[1::2])
    raise BadKey("POS", text, "CIRCLE, RANGE or POLYGON and numbers")


def _oids(text: str) -> tuple[int, ...]:
    words = text.replace(",", " ").split()
    if not words or not all(re.fullmatch(r"[0-9]{13,18}", word) for word in words):
        raise BadKey("ID", text, "identifiers of 13 to 16 digits")
    return tuple(map(int, words))


def _band(text: str) -> tuple[int, ...]:
    words = text.replace(",", " ").split()
    if not words or not all(word in _BANDS for word in words):
        raise BadKey("BANDNAME", text, "g, r, i or 1, 2, 3")
    return tuple(_BANDS[word] for word in words)


def _count(what: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise BadKey(what, text, "a whole number")
    return int(text)


def _range(what: str, text: str, lone: Callable[[float], tuple[float, float]]) -> tuple[float, float]:
    """Two limits, or one number and what it stands for alone."""
    values = _numbers(what, text, (1, 2))
    return (values[0], values[1]) if len(values) == 2 else lone(values[0])


def _limits(text: str) -> tuple[Limit, ...]:
    found = []
    for word in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE):
        match = _CONDITION.fullmatch(word)
        if match is None or match[1] not in _NUMBERS:
            raise BadKey("condition", word, "a column of the objects table, < <= = >= > or !=, and a number")
        found.append(Limit(match[1], match[2], _numbers("condition", match[3], (1,))[0]))
    return tuple(found)


_READERS: Mapping[str, Callable[[Query, str], dict[str, Any]]] = {
    "ID": lambda query, text: {"oids": (*query.oids, *_oids(text))},
    "POS": lambda query, text: {"regions": (*query.regions, _region(text))},
    "CIRCLE": lambda query, text: {"regions": (*query.regions, _cone(text))},
    "BANDNAME": lambda query, text: {"fids": (*query.fids, *_band(text))},
    "NOBS_MIN": lambda _, text: {"nobs_min": _count("NOBS_MIN", text)},
    "MAG": lambda _, text: {"mag": _range("MAG", text, lambda one: (one, math.inf))},
    "TIME": lambda _, text: {"time_mjd": _range("TIME", text, lambda one: (one, one + 1))},
    "BAD_CATFLAGS_MASK": lambda _, text: {"bad_catflags_mask": _count("BAD_CATFLAGS_MASK", text)},
    "WHERE": lambda query, text: {"limits": (*query.limits, *_limits(text))},
}
