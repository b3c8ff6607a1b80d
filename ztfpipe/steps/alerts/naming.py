"""Step of `alerts`: the one writer of a night gives names to objects and brings histories up to date.

Paths are relative to the archive. What it writes outside of its product is memory: names in the ledger and in a list
for each exposure, histories below ops/history. A second run changes none of it, and reads only the candidates of
differences that were made since: during a night it is called for every few exposures.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Alerts
from ztfpipe.model.keys import ExposureKey, FieldQuadrantKey, QuadrantKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.pipelines.alerts.recipe import packaged
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.alerts import history
from ztfpipe.products.alerts.ledger import Sighting, give_names
from ztfpipe.products.catalogs.events import read_candidates
from ztfpipe.products.formats.plain import read_table, write_table
from ztfpipe.products.names import key_of, path_of

LEDGER = Path("../ledger/objects.sqlite")
"""Where names are, from the archive, when no database of PostgreSQL is configured."""
_CLOCKS_NS = 10**9
"""By so much the clock of a file server may be behind this machine's; candidates as young as that are read again."""


def ledger_of(settings: Alerts) -> str | Path:
    """Where names are kept: the configured database, or the file beside the archive."""
    return settings.ledger or LEDGER


def names(output: str, settings: Path, plan: Path) -> None:
    """Write the night's names by candid, after its detections have joined the histories of their places.

    Within a call names are given in order of time, channel and candid, whichever difference was made first.
    """
    key_of(output, "objectnames")
    section, camera = read_settings(settings, Alerts)
    exposures: dict[ExposureKey, list[QuadrantKey]] = defaultdict(list)
    for key in differenced(read_plan(plan)):
        exposures[key.exposure].append(key)
    looked_ns = time.time_ns()
    fresh = [exposure for exposure, keys in exposures.items() if not _named_already(exposure, keys)]
    _name((key for exposure in fresh for key in exposures[exposure]), fresh, section, camera, looked_ns)
    lists = [read_table(path_of("exposurenames", exposure)) for exposure in exposures]
    table = pd.concat([_names_table({}), *(one for one in lists if len(one))], ignore_index=True)
    write_table(output, table.sort_values("candid", ignore_index=True))


def _name(
    quadrants: Iterable[QuadrantKey], exposures: list[ExposureKey], settings: Alerts, camera: Camera, looked_ns: int
) -> None:
    """Give names to what is on the quadrants of some exposures, extend histories, and write a list for each exposure.

    The lists are as old as the look at the folders that they rest on, and come last: whatever ends this before, the
    next call does again.
    """
    coverage: dict[FieldQuadrantKey, list[dict[str, object]]] = defaultdict(list)
    detections: dict[FieldQuadrantKey, list[pd.DataFrame]] = defaultdict(list)
    sightings: list[Sighting] = []
    exposure_of: dict[int, ExposureKey] = {}
    for key in quadrants:
        row, found = _quadrant(key, camera)
        coverage[key.place].append(row)
        detections[key.place].append(found)
        seen = _sightings(key, row, packaged(found))
        exposure_of |= dict.fromkeys((one.candid for one in seen), key.exposure)
        sightings += seen
    given = give_names(ledger_of(settings), sightings, settings.match_radius_arcsec)
    with history.writing():
        for place, rows in coverage.items():
            history.update_place(place, history.coverage_table(rows), history.joined(detections[place]))
    parts: dict[ExposureKey, dict[int, str]] = {exposure: {} for exposure in exposures}
    for candid, exposure in exposure_of.items():
        parts[exposure][candid] = given[candid]
    for exposure, names_given in parts.items():
        path = path_of("exposurenames", exposure)
        write_table(path, _names_table(names_given))
        os.utime(path, ns=(looked_ns - _CLOCKS_NS, looked_ns - _CLOCKS_NS))


def _named_already(exposure: ExposureKey, keys: list[QuadrantKey]) -> bool:
    """Whether an exposure's list of names is newer than all its candidates."""
    path = Path(path_of("exposurenames", exposure))
    if not path.exists():
        return False
    listed_ns = path.stat().st_mtime_ns
    return all(Path(path_of("candidates", key)).stat().st_mtime_ns < listed_ns for key in keys)


def _names_table(given: dict[int, str]) -> pd.DataFrame:
    """Names by candid, in order of candid."""
    candids = sorted(given)
    objects = pd.array([given[one] for one in candids], dtype="str")
    return pd.DataFrame({"candid": np.array(candids, np.int64), "objectid": objects})


def differenced(plan: NightPlan) -> list[QuadrantKey]:
    """The quadrants of a plan whose difference has been made; the plan has those with a reference."""
    pinned = {one.reference for one in plan.references}
    keys = (key for key in plan.science if key.reference in pinned)
    return [key for key in keys if Path(path_of("scimrefdiffimg", key)).exists()]


def _quadrant(key: QuadrantKey, camera: Camera) -> tuple[dict[str, object], pd.DataFrame]:
    row = history.coverage_row(key, camera.quadrant_shape)
    return row, read_candidates(path_of("candidates", key)).assign(pid=row["pid"])


def _sightings(key: QuadrantKey, row: dict[str, object], found: pd.DataFrame) -> list[Sighting]:
    places = zip(found["candid"].tolist(), found["ra"].tolist(), found["dec"].tolist(), strict=True)
    year = int(key.exposure.filefracday[:4])
    return [Sighting(float(str(row["jd"])), key.rcid, candid, ra, dec, year) for candid, ra, dec in places]
