"""The incoming folder of a night: what the telescope sent. It is only ever read."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import os
import re
import shutil
from pathlib import Path

from ztfpipe.errors import BadFile
from ztfpipe.model.incoming import Announcement
from ztfpipe.products.formats.atomic import atomic_write, machine_faults
from ztfpipe.products.name_parts import PART_PATTERNS

SENT_LIST = "sent.csv"
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOSYS})
_PLAIN = re.compile(PART_PATTERNS["name"])


def incoming_digest(folder: str | Path) -> str:
    """Digest of the names, sizes and times of the files in `folder` and of its list of files sent.

    A plan made from this folder is current as long as the digest stays the same. An absent folder has one, too.
    """
    digest = hashlib.sha256()
    for name, stat in sorted(_files(folder).items()):
        digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    with contextlib.suppress(FileNotFoundError):
        digest.update(Path(folder, SENT_LIST).read_bytes())
    return digest.hexdigest()[:32]


def received(folder: str | Path) -> dict[str, os.stat_result]:
    """Name and stat of every file received; the list of files sent is not one, nor are hidden files and folders."""
    files = _files(folder)
    files.pop(SENT_LIST, None)
    return dict(sorted(files.items()))


def is_plain(name: str) -> bool:
    """Whether a file of this name can be a unit of work: no spaces, no shell characters, no leading dot or dash."""
    return _PLAIN.fullmatch(name) is not None


def sent_list(folder: str | Path) -> dict[str, Announcement] | None:
    """The list of files sent by name, or None where there is none (files downloaded from the public archive).

    Columns name, size, md5; the last two may be empty. Raises BadFile when the list cannot be read.
    """
    path = Path(folder, SENT_LIST)
    try:
        with machine_faults(path), path.open(newline="", encoding="utf-8") as stream:
            rows = csv.DictReader(stream)
            if "name" not in (rows.fieldnames or ()):
                raise BadFile(path, "the list of files sent has no column 'name'")
            return {row["name"]: _announcement(row) for row in rows if row["name"]}
    except FileNotFoundError:
        return None
    except (ValueError, csv.Error) as error:
        raise BadFile(path, f"the list of files sent cannot be read: {error}") from error


def rivals(folder: str | Path, filefracday: str, ccdid: int) -> list[str]:
    """Names of the files in a folder that claim to be this CCD of this exposure: compressed first, then by name."""
    pattern = re.compile(rf"ztf_{filefracday}_[0-9]{{6}}_[a-z]{{2}}_c{ccdid:02d}_[a-z]\.fits(\.fz)?")
    try:
        with machine_faults(folder):
            found = [path.name for path in Path(folder).iterdir() if pattern.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda name: (not name.endswith(".fz"), name))


def file_md5(path: str | Path) -> str:
    """MD5 of a file's content."""
    with machine_faults(path), Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, _md5).hexdigest()


def copy_verified(source: Path, destination: Path, md5: str) -> None:
    """Copy `source` to `destination`, atomically. BadFile when the copy's MD5 is not `md5`."""
    with atomic_write(destination) as temporary:
        shutil.copyfile(source, temporary)
        found = file_md5(temporary)
        if found != md5:
            raise BadFile(source, f"has changed since it was verified (md5 {found}, was {md5})")


def link_or_copy(source: Path, destination: Path) -> None:
    """Give `source` the further name `destination` by a hard link, or copy it where links are not possible."""
    with atomic_write(destination) as temporary:
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            shutil.copyfile(source, temporary)


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def _announcement(row: dict[str, str]) -> Announcement:
    size = (row.get("size") or "").strip()
    return Announcement(row["name"], int(size) if size else None, (row.get("md5") or "").strip().lower() or None)


def _files(folder: str | Path) -> dict[str, os.stat_result]:
    try:
        with machine_faults(folder), os.scandir(folder) as entries:
            return {one.name: one.stat() for one in entries if not one.name.startswith(".") and one.is_file()}
    except FileNotFoundError:
        return {}
