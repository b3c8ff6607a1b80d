"""Writing so that a product either has its whole content and its name, or does not exist."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ztfpipe.errors import TryAgain

_PASSING_FAULTS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.ESTALE,
        errno.EROFS,
        errno.ENFILE,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EAGAIN,
    }
)
"""What a full disk or an absent file server answers; none of it says anything about the data."""


@contextlib.contextmanager
def machine_faults(path: str | Path) -> Iterator[None]:
    """Turn the answers of a full disk or an absent file server into TryAgain naming `path`; let others through."""
    try:
        yield
    except OSError as error:
        if error.errno in _PASSING_FAULTS:
            raise TryAgain(path, os.strerror(error.errno)) from error
        raise


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a hidden, unique temporary path beside `path`; on success flush it to disk and rename it to `path`.

    Folders are made as needed. When the body raises, the temporary file is removed and an earlier `path` stays as it
    was. Raises TryAgain when the disk is full or the file server away.
    """
    path = Path(path)
    temporary = _temporary(path)
    with machine_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            flush(temporary)
            temporary.replace(path)
            flush(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 `text` to `path`, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_once(path: str | Path, text: str) -> bool:
    """Write UTF-8 `text` to `path` unless it is there; whether it was written. Of several at once, one wins."""
    path = Path(path)
    temporary = _temporary(path)
    with machine_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(text, encoding="utf-8")
            flush(temporary)
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        flush(path.parent)
    return True


def link_over(source: str | Path, path: str | Path, *, flushed: bool = True) -> None:
    """Give a file a second name, in place of whatever has that name now: the name is never without a file.

    flushed: that it is on disk; else the caller has `flush` do so, once for the names of a folder.
    """
    path = Path(path)
    temporary = _temporary(path)
    with machine_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        if flushed:
            flush(path.parent)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to `path`, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _temporary(path: Path) -> Path:
    """A hidden name beside `path` that no other process or thread uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
