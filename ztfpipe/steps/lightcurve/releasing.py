"""A data release of light curves, from the matchfiles that are there."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ztfpipe.config import Config, load_config
from ztfpipe.errors import BadKey
from ztfpipe.model.dates import JD_OF_MJD_ZERO
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.keys import PROGRAMS, NightKey, ReferenceKey, ReleaseKey
from ztfpipe.pipelines.lightcurve.release import release, released_epochs
from ztfpipe.products.catalogs import matchfile
from ztfpipe.products.catalogs.light_curves import write_checksums, write_light_curves
from ztfpipe.products.names import key_of, path_of


def run_release(
    config_path: Path, workspace: Path | None, number: int, first: str, last: str, on: str, programs: Sequence[int]
) -> int:
    """`ztfpipe lightcurve release N --from NIGHT --to NIGHT --on NIGHT --programs ID ...`: write release N.

    Light curves of the nights first to last (both in it) of the programs, as far as their proprietary period was over
    on the night `on`. Returns 0. Raises BadKey for a night or program that there is not.
    """
    config = load_config(config_path, {"workspace": str(workspace)} if workspace else None)
    days = [night_jd(NightKey(one).night) - JD_OF_MJD_ZERO for one in (first, last, on)]
    for program in programs:
        if not 0 <= program < len(PROGRAMS):
            raise BadKey("program", program, f"0 to {len(PROGRAMS) - 1}")
    with contextlib.chdir(Path(config.workspace) / "archive"):
        folders: dict[Path, int] = {}
        for path in sorted(Path().glob("ops/srcmatch/rc*/fr*/ztf_*_match.pytable")):
            key = ReleaseKey(number, key_of(path, "matchfile"))
            shown = release_one(path, key, config, days[0], days[1] + 1, days[2], programs)
            if shown:
                folder = Path(path_of("lightcurve", key)).parent
                folders[folder] = folders.get(folder, 0) + shown
        for folder, count in folders.items():
            write_checksums(folder)
            print(f"{folder}: {count} light curves")
    return 0


def release_one(
    path: Path, key: ReleaseKey, config: Config, first_mjd: float, last_mjd: float, on_mjd: float,
    programs: Sequence[int],
) -> int:  # fmt: skip
    """Write the light curves of a matchfile; their number. A file with none is not written."""
    exposures = matchfile.read_rows(path, "exposures")
    months = {program: config.lightcurve.proprietary_months[program] for program in programs}
    shown = released_epochs(exposures, first_mjd, last_mjd, months, on_mjd)
    if not shown.any():
        return 0
    found = release(exposures, *(matchfile.read_rows(path, name) for name in ("sources", "sourcedata")), shown)
    place: ReferenceKey = key.reference
    fid = int(exposures["filterid"][0])
    write_light_curves(path_of("lightcurve", key), place, fid, found.sources, found.start, found.data, found.clrcoeff)
    return len(found.sources)
