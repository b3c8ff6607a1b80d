"""A data release of light curves, from the matchfiles that are there."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.errors import BadKey
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.sky.regions import separation_deg
from ztfpipe.model.dates import JD_OF_MJD_ZERO
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.keys import PROGRAMS, DataReleaseKey, NightKey, ReleaseKey
from ztfpipe.model.release import NOBS_LIMITS, Released
from ztfpipe.pipelines.lightcurve.release import last_public_day, months_of, release, released_epochs
from ztfpipe.products.catalogs import matchfile
from ztfpipe.products.catalogs.light_curves import write_checksums, write_light_curves
from ztfpipe.products.catalogs.release_store import write_files, write_release_file
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.lightcurve.describing import describe
from ztfpipe.steps.workspace import archive_of, configured


def run_release(
    config_path: Path, workspace: Path | None, number: int, first: str, last: str, on: str, programs: Sequence[int]
) -> int:
    """`ztfpipe lightcurve release N --from NIGHT --to NIGHT --on NIGHT --programs ID ...`: write release N.

    Light curves of the nights first to last (both in it) of the programs, as far as their proprietary period was over
    on the night `on`; all objects with their statistics; what queries read; and the release's own statistics.
    Returns 0. Raises BadKey for a night or program that there is not.
    """
    config = configured(config_path, workspace)
    first_mjd, last_mjd = (_mjd(one) for one in (first, last))
    ends = {}
    for program in programs:
        if not 0 <= program < len(PROGRAMS):
            raise BadKey("program", program, f"0 to {len(PROGRAMS) - 1}")
        months = months_of(config.release.proprietary, program, day := _day(on))
        if months is not None:
            ends[program] = _mjd(last_public_day(day, months).strftime("%Y%m%d")) + 1
    with contextlib.chdir(archive_of(config)):
        # Until its files are all new there is no such release.
        Path(path_of("releasefiles", DataReleaseKey(number))).unlink(missing_ok=True)
        files, curves, folders = [], Counter(), set()
        for path in sorted(Path().glob("ops/srcmatch/rc*/fr*/ztf_*_match.pytable")):
            key = ReleaseKey(number, key_of(path, "matchfile"))
            made = release_one(path, key, first_mjd, last_mjd + 1, ends)
            folders |= {Path(path_of(product, key)).parent for product in ("lightcurve", "objects")}
            if made:
                files.append(made)
                curves[Path(path_of("lightcurve", key)).parent] += made["curves_1"]
        for folder in folders:
            if folder.exists():
                write_checksums(folder)
        for folder, count in curves.items():
            print(f"{folder}: {count} light curves")
        if files:
            write_files(number, files)
            describe(number, Camera.load(config.camera))
    return 0


def release_one(
    path: Path, key: ReleaseKey, first_mjd: float, last_mjd: float, end_mjd: Mapping[int, float]
) -> dict[str, Any] | None:
    """Write what a release has of a matchfile; its row of the table of files. A file without a light curve is not
    written: None, and what an earlier try wrote is taken away."""
    exposures = matchfile.read_rows(path, "exposures")
    shown = released_epochs(exposures, first_mjd, last_mjd, end_mjd)
    if shown.any():
        found = release(exposures, *(matchfile.read_rows(path, name) for name in ("sources", "sourcedata")), shown)
        if len(found.data):
            fid = int(exposures["filterid"][0])
            write_light_curves(path_of("lightcurve", key), key.reference, fid, found)
            write_release_file(key, fid, found)
            return file_row(key, fid, found)
    for product in ("lightcurve", "objects", "releaseindex", "releasedata", "releaseexposures"):
        Path(path_of(product, key)).unlink(missing_ok=True)
    return None


def file_row(key: ReleaseKey, fid: int, found: Released) -> dict[str, Any]:
    """What the table of files says of one: its place, the cone that holds its objects, and its counts."""
    place, count = key.reference, np.diff(found.start)
    ra, dec = found.sources["ra"], found.sources["dec"]
    x, y, z = unit_vectors(ra, dec).sum(axis=0)
    middle = np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))
    return {
        "field": place.field, "fid": fid, "filter": place.filter, "ccdid": place.ccdid, "qid": place.qid,
        "ra": middle[0], "dec": middle[1], "radius": separation_deg(*middle, ra, dec).max(),
        "objects": len(count), "measurements": int(count.sum()),
        **{f"curves_{least}": int(np.count_nonzero(count >= least)) for least in NOBS_LIMITS},
    }  # fmt: skip


def _day(night: str) -> date:
    night = NightKey(night).night
    return date(int(night[:4]), int(night[4:6]), int(night[6:]))


def _mjd(night: str) -> float:
    return night_jd(NightKey(night).night) - JD_OF_MJD_ZERO
