"""Step of `alerts`: the packets of an exposure, or of one of its quadrants. Paths are relative to the archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Alerts
from ztfpipe.errors import BadFile
from ztfpipe.model.alerts import Row
from ztfpipe.model.candidates import Cutouts
from ztfpipe.model.dates import DAY_S, JD_OF_UNIX_ZERO
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey
from ztfpipe.pipelines.alerts.forced import forced_entries
from ztfpipe.pipelines.alerts.recipe import make_alerts, packaged, readable_with
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.alerts import history, packets
from ztfpipe.products.catalogs.events import read_candidates, read_cutouts
from ztfpipe.products.formats.plain import read_table
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.alerts.measuring import measure_images
from ztfpipe.steps.alerts.naming import differenced
from ztfpipe.steps.alerts.remembering import past_of
from ztfpipe.steps.recording import Stopwatch, qa_record

_PARTS = ("candidate", "prv_candidate", "fp_hist")


def exposure(output: str, settings: Path, plan: Path, names: Path) -> None:
    """Make the packets of all differenced quadrants of an exposure, and the record of them.

    A quadrant whose files cannot be read has no archive and its reason in the record; the others have theirs.
    """
    watch = Stopwatch()
    key: ExposureKey = key_of(output, "alertsqa")
    section, camera = read_settings(settings, Alerts)
    given = _names(names)
    counts: dict[str, int] = {}
    reasons: list[str] = []
    for one in (one for one in differenced(read_plan(plan)) if one.exposure == key):
        try:
            counts[f"c{one.ccdid:02d}_q{one.qid}"] = package(one, section, camera, given, watch)
        except BadFile as error:
            reasons.append(str(error))
    metrics = {"npackets": sum(counts.values()), "nquadrants": len(counts), **counts}
    status = int(not reasons)
    write_record(output, qa_record("alerts exposure", output, status, "; ".join(reasons), metrics, section, watch, {}))


def quadrant(output: str, settings: Path, names: Path) -> None:
    """Make the packets of one quadrant. BadFile when a file cannot be read, or a candidate was never given a name."""
    section, camera = read_settings(settings, Alerts)
    package(key_of(output, "alerts"), section, camera, _names(names), Stopwatch())


def package(key: QuadrantKey, settings: Alerts, camera: Camera, names: dict[int, str], watch: Stopwatch) -> int:
    """Write the archive of a quadrant's packets, none is a valid number; how many there are."""
    with watch.part("read"):
        candidates = packaged(read_candidates(path_of("candidates", key)))
        cutouts = _cutouts(key, candidates)
        image = history.coverage_table([history.coverage_row(key, camera.quadrant_shape)]).iloc[0]
        unnamed = sorted(set(candidates["candid"].tolist()) - set(names))
        if unnamed:
            raise BadFile(path_of("objectnames", NightKey(key.night)), f"candidate {unnamed[0]} has no name")
        places = (candidates[axis].to_numpy(np.float64) for axis in ("ra", "dec"))
        past = past_of(*places, float(image["jd"]), camera, settings)
    with watch.part("forced"):
        forced = _forced(key, image, candidates, settings)
    with watch.part("recipe"):
        fields = {part: packets.fields_of(part) for part in _PARTS}
        alerts = make_alerts(candidates, cutouts, names, image, past, forced, settings, fields)
    with watch.part("write"):
        moment = int((float(image["jd"]) - JD_OF_UNIX_ZERO) * DAY_S)
        made = ((alert.candid, packets.packet_bytes(alert)) for alert in alerts)
        return packets.write_archive(path_of("alerts", key), made, moment)


def _cutouts(key: QuadrantKey, candidates: pd.DataFrame) -> Cutouts:
    """The cutouts of candidates, in their order."""
    path = path_of("candidates", key)
    candid, stored = read_cutouts(path)
    order = np.argsort(candid, kind="stable")
    if not np.array_equal(candid[order], candidates["candid"]):
        raise BadFile(path, "cutouts are not those of the candidates that passed the light filters")
    return Cutouts(stored.science[order], stored.template[order], stored.difference[order])


def _names(path: Path) -> dict[int, str]:
    table = read_table(path)
    return dict(zip(table["candid"].tolist(), table["objectid"].tolist(), strict=True))


def _forced(key: QuadrantKey, image: pd.Series, candidates: pd.DataFrame, settings: Alerts) -> list[list[Row]]:
    """Entries of forced photometry on earlier images of the same field and channel."""
    if not settings.forced_days or not len(candidates):
        return [[] for _ in range(len(candidates))]
    known = history.read_coverage(key.place)
    jd = float(image["jd"])
    earlier = known[(known["jd"] < jd) & (known["jd"] >= jd - settings.forced_days) & (known["status"] == 1)]
    earlier = earlier[earlier["programid"].isin(readable_with(int(image["programid"]), settings))]
    ra, dec = candidates["ra"].to_numpy(np.float64), candidates["dec"].to_numpy(np.float64)
    table = measure_images(earlier.sort_values("jd"), ra, dec, settings)
    return forced_entries(table, len(candidates), packets.fields_of("fp_hist"))
