"""Archives of packets: a gzipped tar whose parts are compressed as each deserves.

A packet is a schema that is the same in all of them, records, and stamps that are compressed already. A deflate stream
may be put together from blocks that end at a byte and do not look back: the schema is compressed once for all packets,
the records quickly, the stamps stored. Source: RFC 1951 section 3.2, RFC 1952 section 2.3; POSIX ustar.
"""

from __future__ import annotations

import functools
import struct
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from ztfpipe.products.formats.atomic import atomic_write

_BLOCK, _RECORD = 512, 10240
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflated, no name, no time: the same packets give the same bytes."""
_LAST = b"\x03\x00"
"""An empty block that says it is the last."""
_STAMP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
"""How the first stamp begins, and all after it."""
_BEST, _QUICK, _STORED = 9, 1, 0


class _Gzip:
    """A gzip file of parts."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._crc, self._size = stream, 0, 0
        stream.write(_GZIP_HEAD)

    def put(self, content: bytes, deflated: bytes) -> None:
        """Add a part and its compressed form."""
        self._stream.write(deflated)
        self._crc, self._size = zlib.crc32(content, self._crc), self._size + len(content)

    def end(self) -> None:
        """Write what ends the file."""
        self._stream.write(_LAST + struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF))


def write_archive(path: str | Path, packets: Iterable[tuple[int, bytes]], unix_time: int, head: bytes) -> int:
    """Write packets by candid as a gzipped tar, one CANDID.avro each; how many there were.

    head: with which most of them begin. The same packets give the same bytes. Atomic. Raises TryAgain when the machine
    fails.
    """
    count = written = 0
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        packed = _Gzip(stream)
        for candid, content in packets:
            member = tarfile.TarInfo(f"{candid}.avro")
            member.size, member.mtime = len(content), unix_time
            opening = member.tobuf(tarfile.USTAR_FORMAT)
            packed.put(opening, _deflated(opening, _QUICK))
            _put_packet(packed, content, head)
            written += _BLOCK + len(content) + -len(content) % _BLOCK
            count += 1
        # Two empty blocks end a tar, which is a whole number of records.
        ending = bytes(2 * _BLOCK + -(written + 2 * _BLOCK) % _RECORD)
        packed.put(ending, _deflated(ending, _QUICK))
        packed.end()
    return count


def _put_packet(packed: _Gzip, content: bytes, head: bytes) -> None:
    start = len(head) if content.startswith(head) else 0
    if start:
        packed.put(head, _shared(head))
    found = content.find(_STAMP, start)
    stamps = len(content) if found < 0 else found
    records = content[start:stamps]
    packed.put(records, _deflated(records, _QUICK))
    rest = content[stamps:] + bytes(-len(content) % _BLOCK)
    packed.put(rest, _deflated(rest, _STORED))


@functools.lru_cache(maxsize=4)
def _shared(head: bytes) -> bytes:
    return _deflated(head, _BEST)


def _deflated(content: bytes, level: int) -> bytes:
    """Compressed on its own, to a byte's end."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)
