"""Rows appended to tables of an HDF5 file in place, so that a process that is killed leaves the file as it was.

Before anything is written, all bytes of the file that an append may change are kept beside it, in an undo file:
everything but the full chunks of rows, that is the headers, the indices of chunks and the last chunk of each table.
Its size is that of a few chunks, whatever the size of the file. Who finds an undo file puts the bytes back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tables

from ztfpipe.errors import BadFile, TryAgain
from ztfpipe.products.formats.atomic import atomic_write, machine_faults

_MAGIC = b"ztfpipe undo 1\n\0"
_HEAD = struct.Struct("<16sQQI")
"""Magic, size of the file, number of extents, CRC-32 of what follows."""
Extents = list[tuple[int, int]]


@contextlib.contextmanager
def appending(path: str | Path) -> Iterator[tables.File]:
    """The file, open to append rows to its tables. When the body raises, or the process is killed, nothing has
    happened.

    Raises BadFile when it is no HDF5 file and TryAgain when the machine fails or another process is appending.
    """
    path = Path(path)
    recover(path)
    undo = undo_path(path)
    with machine_faults(path):
        _keep(path, undo)
        with undo.open("rb") as held:
            _lock(held.fileno(), path)
            try:
                with tables.open_file(str(path), "a") as file:
                    yield file
                _flush(path)
            except BaseException:
                _put_back(path, undo)
                raise
            undo.unlink()


def recover(path: str | Path) -> bool:
    """Put back what an append that was killed has changed; whether there was any. TryAgain while one is running."""
    path = Path(path)
    undo = undo_path(path)
    try:
        held = undo.open("rb")
    except FileNotFoundError:
        return False
    with held, machine_faults(path):
        _lock(held.fileno(), path)
        if undo.exists():  # not ended by its owner while we waited
            _put_back(path, undo)
    return True


def undo_path(path: Path) -> Path:
    """Where the undo file of `path` is."""
    return path.with_name(f".{path.name}.undo")


def _keep(path: Path, undo: Path) -> None:
    """Write the undo file: it has its name only when it is whole and on disk."""
    size = path.stat().st_size
    extents = _changeable(path, size)
    with path.open("rb") as stream:
        pieces = []
        for at, length in extents:
            stream.seek(at)
            pieces.append(stream.read(length))
    table = b"".join(struct.pack("<QQ", *one) for one in extents)
    body = table + b"".join(pieces)
    with atomic_write(undo) as temporary:
        temporary.write_bytes(_HEAD.pack(_MAGIC, size, len(extents), zlib.crc32(body)) + body)


def _changeable(path: Path, size: int) -> Extents:
    """Extents (offset, length) of the file outside full chunks of rows, in order."""
    full: Extents = []
    try:
        with tables.open_file(str(path), "r") as file:
            for table in file.walk_nodes("/", "Table"):
                rows = int(table.chunkshape[0])
                for first in range(0, int(table.nrows) - rows + 1, rows):
                    chunk = table.chunk_info((first,))
                    if chunk.offset is not None:
                        full.append((int(chunk.offset), int(chunk.size)))
    except tables.HDF5ExtError as error:
        raise BadFile(path, f"not an HDF5 file: {str(error).strip().splitlines()[-1]}") from error
    extents, at = [], 0
    for offset, length in sorted(full):
        if offset > at:
            extents.append((at, offset - at))
        at = offset + length
    if at < size:
        extents.append((at, size - at))
    return extents


def _put_back(path: Path, undo: Path) -> None:
    content = undo.read_bytes()
    magic, size, count, checksum = _HEAD.unpack_from(content)
    body = memoryview(content)[_HEAD.size :]
    if magic != _MAGIC or zlib.crc32(body) != checksum:
        raise BadFile(undo, "not an undo file, or damaged: the file beside it must be made again")
    extents = np.frombuffer(body[: 16 * count], "<u8").reshape(-1, 2)
    at = 16 * count
    with path.open("r+b") as stream:
        for offset, length in extents.tolist():
            stream.seek(offset)
            stream.write(body[at : at + length])
            at += length
        stream.truncate(size)
    _flush(path)
    undo.unlink()


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TryAgain(path, "another process is appending to it") from None


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
