"""Avro's binary form of flat records, fast: neighbouring floating-point fields are packed in one call.

A packet has some two and a half thousand fields, most of them optional floats of its histories; a general writer looks
up the branch of each union by trying. Source: the Avro 1.11 specification, "Binary Encoding".
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_NULL, _VALUE = b"\x00", b"\x02"
"""Branches of ["null", type]."""
_FORMATS = {"float": "f", "double": "d"}
Row = Sequence[Any]
Segment = Callable[[Row], bytes]


class RecordEncoder:
    """Bytes of records of numbers and strings, each optional or not, given as sequences in the order of the schema.

    Call it with one record; None is null.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        kinds = [_kind(one["type"]) for one in schema["fields"]]
        self._segments: list[Segment] = []
        start = 0
        for number, group in itertools.groupby(kinds, key=lambda kind: kind[0] in _FORMATS):
            run = list(group)
            if number:
                self._segments.append(_numbers(start, run))
            else:
                self._segments += [_one(start + i, *kind) for i, kind in enumerate(run)]
            start += len(run)

    def __call__(self, row: Row) -> bytes:
        return b"".join([segment(row) for segment in self._segments])


def array_bytes(items: Sequence[bytes]) -> bytes:
    """An array of encoded items, the second branch of ["null", array]."""
    block = long_bytes(len(items)) + b"".join(items) if items else b""
    return _VALUE + block + _NULL


def text_bytes(value: str) -> bytes:
    """A string."""
    content = value.encode()
    return long_bytes(len(content)) + content


def blob_bytes(value: bytes) -> bytes:
    """A string of bytes."""
    return long_bytes(len(value)) + value


def optional_bytes(content: bytes | None) -> bytes:
    """What is encoded, or None, as a value of ["null", type]."""
    return _NULL if content is None else _VALUE + content


@functools.lru_cache(maxsize=65536)
def long_bytes(value: int) -> bytes:
    """An integer: zigzag, seven bits at a time, the lowest first."""
    left = (value << 1) ^ (value >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(0x80 | left & 0x7F)
        left >>= 7
    out.append(left)
    return bytes(out)


def _kind(spelt: Any) -> tuple[str, bool]:
    """Type of a field, and whether it may be null."""
    return (spelt[1], True) if isinstance(spelt, list) else (spelt, False)


def _one(index: int, kind: str, optional: bool) -> Segment:
    """A field that is an integer or a string."""
    plain = text_bytes if kind == "string" else long_bytes
    if not optional:
        return lambda row: plain(row[index])
    return lambda row: _NULL if row[index] is None else _VALUE + plain(row[index])


def _numbers(start: int, kinds: Sequence[tuple[str, bool]]) -> Segment:
    """Neighbouring floats: in one call where none is null, one by one where some are."""
    stop = start + len(kinds)
    whole = struct.Struct("<" + "".join(("B" if optional else "") + _FORMATS[kind] for kind, optional in kinds))
    places, template = [], []
    for _, optional in kinds:
        template += [2] if optional else []
        places.append(len(template))
        template.append(0.0)
    stride = slice(places[0], None, 2) if all(optional for _, optional in kinds) else None
    single = [(struct.Struct("<" + _FORMATS[kind]).pack, _VALUE if optional else b"") for kind, optional in kinds]

    def encode(row: Row) -> bytes:
        values = row[start:stop]
        if None in values:
            pairs = zip(values, single, strict=True)
            return b"".join(
                [_NULL if value is None and branch else branch + pack(value) for value, (pack, branch) in pairs]
            )
        spread = template.copy()
        if stride is not None:
            spread[stride] = values
        else:
            for place, value in zip(places, values, strict=True):
                spread[place] = value
        return whole.pack(*spread)

    return encode
