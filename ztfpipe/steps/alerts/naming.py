"""Step of `alerts`: the one writer of a night gives names to objects and brings histories up to date.

Paths are relative to the archive. It reads every candidate table of the night once; what it writes outside of its
product is memory: names in the ledger, histories below ops/history. A second run changes neither.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Alerts
from ztfpipe.model.keys import FieldQuadrantKey, QuadrantKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.pipelines.alerts.recipe import packaged
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.alerts import history
from ztfpipe.products.alerts.ledger import Sighting, give_names
from ztfpipe.products.catalogs.events import read_candidates
from ztfpipe.products.formats.plain import write_table
from ztfpipe.products.names import key_of, path_of

LEDGER = Path("../ledger/objects.sqlite")


def names(output: str, settings: Path, plan: Path) -> None:
    """Write the night's names by candid, after its detections have joined the histories of their places.

    Names are given in order of time, channel and candid, whichever difference was made first.
    """
    key_of(output, "objectnames")
    section, camera = read_settings(settings, Alerts)
    coverage: dict[FieldQuadrantKey, list[dict[str, object]]] = defaultdict(list)
    detections: dict[FieldQuadrantKey, list[pd.DataFrame]] = defaultdict(list)
    sightings: list[Sighting] = []
    for key in differenced(read_plan(plan)):
        row, found = _quadrant(key, camera)
        coverage[key.place].append(row)
        detections[key.place].append(found)
        sightings += _sightings(key, row, packaged(found))
    given = give_names(LEDGER, sightings, section.match_radius_arcsec)
    with history.writing():
        for place, rows in coverage.items():
            history.update_place(place, history.coverage_table(rows), history.joined(detections[place]))
    table = pd.DataFrame({"candid": np.array(sorted(given), np.int64)})
    write_table(output, table.assign(objectid=[given[candid] for candid in table["candid"].tolist()]))


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
