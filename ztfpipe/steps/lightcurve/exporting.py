"""`ztfpipe lightcurve export`: light curves of a release, of all fields or some, for use elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ztfpipe.errors import BadKey
from ztfpipe.model.keys import DataReleaseKey
from ztfpipe.products.catalogs.exports import export_files
from ztfpipe.products.catalogs.hats import HatsCatalog
from ztfpipe.products.names import path_of
from ztfpipe.steps.lightcurve.searching import OpenRelease
from ztfpipe.steps.workspace import archive_of, configured


def run_export(
    config_path: Path, workspace: Path | None, number: int, folder: Path, fields: Sequence[int], hats: bool
) -> int:
    """`ztfpipe lightcurve export N FOLDER [--fields ID ...] [--hats]`: light curves and objects of fields as files with
    checksums, or as one catalog in the HATS layout. Returns 0.

    Raises BadKey for fields of which the release has nothing, and for a folder that holds a catalog already.
    """
    config = configured(config_path, workspace)
    folder, rules = folder.resolve(), config.release
    if hats and (folder / "properties").exists():
        raise BadKey("folder", str(folder), "without a HATS catalog: partitions of two would be mixed")
    with contextlib.chdir(archive_of(config)):
        opened = OpenRelease(DataReleaseKey(number).release)
        if missing := sorted(set(fields) - set(opened.files["field"])):
            raise BadKey("field", missing[0], f"a field of release {number}")
        keys = [
            opened.key(file) for file, field in enumerate(opened.files["field"]) if not fields or field in set(fields)
        ]
        curves = [path_of("lightcurve", key) for key in keys]
        if hats:
            catalog = HatsCatalog(folder, f"ztf_lc_dr{number}", [Path(one) for one in curves],
                                  rows_max=rules.hats_rows_max, order_max=rules.hats_order_max)  # fmt: skip
            print(f"{folder}: {catalog.write()} light curves in {len(catalog.partitions)} partitions")
        else:
            count = export_files([*curves, *(path_of("objects", key) for key in keys)], folder)
            print(f"{folder}: {count} files")
    return 0
