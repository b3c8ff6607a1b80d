"""Copies of a release's files elsewhere, with their checksums."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path

from ztfpipe.products.catalogs.light_curves import write_checksums
from ztfpipe.products.formats.atomic import atomic_write, link_over, machine_faults


def export_files(paths: Iterable[str], folder: Path) -> int:
    """Give files below the present archive a place of the same name below a folder, with a checksum.md5 beside them;
    their number. On one file system they are second names of the same bytes, which no writer ever changes in place."""
    folders, count = set(), 0
    for path in paths:
        target = folder / path
        with machine_faults(target):
            try:
                link_over(path, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                with atomic_write(target) as temporary:
                    shutil.copyfile(path, temporary)
        folders.add(target.parent)
        count += 1
    for one in sorted(folders):
        write_checksums(one)
    return count
