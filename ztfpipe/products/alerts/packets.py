"""Packets as bytes: one Avro object container for each alert, with its schema inside; archives of them.

What does not change from packet to packet is made once: the head of the container with the schema as text.
Source: the Avro 1.11 specification, "Object Container Files".
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fastavro

from ztfpipe.errors import BadFile
from ztfpipe.model.alerts import Alert, Row
from ztfpipe.products.alerts import packing
from ztfpipe.products.alerts.encoding import (
    RecordEncoder,
    array_bytes,
    blob_bytes,
    long_bytes,
    optional_bytes,
    text_bytes,
)
from ztfpipe.products.alerts.stamps import stamp_bytes

SCHEMA_VERSION = "4.02"
PUBLISHER = "ZTF (www.ztf.caltech.edu)"
"""What real packets say; brokers look for it."""
_CHUNK = 1 << 20
_MEMBER = re.compile(r"[0-9]+\.avro")


def packet_bytes(alert: Alert) -> bytes:
    """One alert as an Avro object container, not compressed. struct.error or TypeError where a value does not fit."""
    head, sync, opening = _shared()
    content = b"".join(
        (
            opening,
            text_bytes(alert.object_id),
            long_bytes(alert.candid),
            _encoder("candidate")(alert.candidate),
            _entries(alert.history, _history_item),
            _entries(alert.forced, _forced_item),
            *(
                optional_bytes(None if pixels is None else text_bytes(name) + blob_bytes(stamp_bytes(pixels)))
                for name, pixels in alert.cutouts
            ),
        )
    )
    return b"".join((head, long_bytes(1), long_bytes(len(content)), content, sync))


@functools.cache
def schema_of(part: str = "alert") -> dict[str, Any]:
    """The schema of a part of the packet as its file has it."""
    return json.loads((Path(__file__).parent / "schema" / f"{part}.avsc").read_text(encoding="utf-8"))


@functools.cache
def whole_schema() -> dict[str, Any]:
    """The schema of the packet with its parts written out, each where it is first named."""
    written: set[str] = set()

    def spelt(kind: Any) -> Any:
        if isinstance(kind, list):
            return [spelt(one) for one in kind]
        if isinstance(kind, dict):
            return {**kind, "items": spelt(kind["items"])}
        part = kind.removeprefix("ztf.alert.")
        if part == kind or part in written:
            return kind
        written.add(part)
        return schema_of(part)

    schema = schema_of()
    return {**schema, "fields": [{**one, "type": spelt(one["type"])} for one in schema["fields"]]}


def fields_of(part: str) -> dict[str, str]:
    """The fields of a part in order: name and type, whether it may be null or not."""
    return {
        one["name"]: one["type"][-1] if isinstance(one["type"], list) else one["type"]
        for one in schema_of(part)["fields"]
    }


def write_archive(path: str | Path, packets: Iterable[tuple[int, bytes]], unix_time: int) -> int:
    """Write packets by candid as a gzipped tar, one CANDID.avro each; how many there were.

    The same ones give the same bytes. Atomic. unix_time: of the members. Raises TryAgain when the machine fails.
    """
    return packing.write_archive(path, packets, unix_time, _shared()[0])


def read_archive(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """The packets of an archive by candid, as bytes, in its order. BadFile when it is none or holds anything else.

    That bytes of it have changed shows at its end, by the checksum.
    """
    try:
        with gzip.open(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as archive:
            for member in archive:
                if not (member.isreg() and _MEMBER.fullmatch(member.name)):
                    raise BadFile(path, f"member {member.name!r} is no packet")
                yield int(member.name.removesuffix(".avro")), archive.extractfile(member).read()
            while unpacked.read(_CHUNK):
                pass
    except FileNotFoundError as error:
        raise BadFile(path, "no such file") from error
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadFile(path, f"not an archive of packets: {error}") from error


def read_packet(content: bytes) -> dict[str, Any]:
    """The alert of a packet, by the schema it carries. ValueError when it is none."""
    return next(iter(fastavro.reader(io.BytesIO(content))))


def read_candidate(content: bytes) -> dict[str, Any]:
    """The `candidate` of a packet; the rest of our own ones is not decoded. ValueError when it is none."""
    head, _, _ = _shared()
    if not content.startswith(head):
        return read_packet(content)["candidate"]
    start = _after_long(content, _after_long(content, len(head)))
    return fastavro.schemaless_reader(io.BytesIO(content[start:]), _beginning(), None)["candidate"]


def _after_long(content: bytes, start: int) -> int:
    while content[start] & 0x80:
        start += 1
    return start + 1


@functools.cache
def _beginning() -> Any:
    """The packet's schema up to the candidate."""
    fields = whole_schema()["fields"]
    last = [one["name"] for one in fields].index("candidate")
    return fastavro.parse_schema({**whole_schema(), "fields": fields[: last + 1]})


def _entries(rows: Sequence[Row], encode: Callable[[Row], bytes]) -> bytes:
    """A list of records, null when there are none, as in real packets."""
    return array_bytes([encode(row) for row in rows]) if rows else optional_bytes(None)


@functools.lru_cache(maxsize=4096)
def _history_item(row: Row) -> bytes:
    """An entry of prv_candidates; the upper limits of an image are the same in all of its packets."""
    return _encoder("prv_candidate")(row)


def _forced_item(row: Row) -> bytes:
    return _encoder("fp_hist")(row)


@functools.cache
def _encoder(part: str) -> RecordEncoder:
    return RecordEncoder(schema_of(part))


@functools.cache
def _shared() -> tuple[bytes, bytes, bytes]:
    """Head of the container, mark at the end of its block, and the first fields of the alert: the same for all."""
    sync = hashlib.md5(json.dumps(whole_schema(), sort_keys=True).encode(), usedforsecurity=False).digest()
    head = io.BytesIO()
    fastavro.writer(head, fastavro.parse_schema(whole_schema()), [], codec="null", sync_marker=sync)
    return head.getvalue(), sync, text_bytes(SCHEMA_VERSION) + text_bytes(PUBLISHER)
