"""Recipe `quality`: a night's rows of the operations database, from what is on record of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ztfpipe.model import operations
from ztfpipe.model.columns import Column
from ztfpipe.model.identifiers import processing_id
from ztfpipe.model.keys import IMAGE_TYPES, ExposureKey, QuadrantKey, RawKey
from ztfpipe.model.manifest import ACCEPTED
from ztfpipe.model.operations import NightRecords, Row, Rows
from ztfpipe.model.records import IngestRecord, QaRecord
from ztfpipe.model.stages import Stage
from ztfpipe.pipelines.quality.stages import record_name, stages_of

ZONE_DEG = 0.5
"""Step of declination by which places are indexed: about the radius of a quadrant."""
_TYPES = {text: letter for letter, text in IMAGE_TYPES.items()}
_RUN = ("wall_s", "cpu_s", "peak_memory_mb", "ended_unix")
_FACTS = {
    "expid": "expid", "obsjd": "obsjd", "exptime": "exptime_s", "programid": "programid", "telra": "ra_deg",
    "teldec": "dec_deg", "airmass": "airmass", "moonillf": "moon_illuminated_fraction", "moonalt": "moon_altitude_deg",
}  # fmt: skip
"""Columns of an exposure, and the facts of its raw files that they are."""


def night_rows(records: NightRecords) -> Rows:
    """The rows of a night, by table; the same records give the same rows."""
    exposures = _exposures(records)
    images = [
        _image_row(key, records.science[key], exposures.get(int(key.exposure.filefracday), {}), records.arrived_unix)
        for key in sorted(records.science)
    ]
    versions = {one.reference: one.version for one in records.plan.references}
    differences = [
        _difference_row(key, records.differences[key], versions.get(key.reference))
        for key in sorted(records.differences)
    ]
    stages = stages_of(records.manifest, records.plan, records.masters, records.science, records.differences)
    return {
        "nights": [_night_row(records, images, differences, exposures.values())],
        "exposures": list(exposures.values()),
        "quadrants": images,
        "differences": differences,
        "calibration": _masters(records),
        "failures": list(_failures(records, stages)),
        "runs": _runs(records),
        "trends": _trends(images, differences),
    }


def _exposures(records: NightRecords) -> dict[int, Row]:
    """One row for each exposure with an accepted file, by filefracday; facts are those of its first CCD."""
    files: dict[int, list[IngestRecord]] = defaultdict(list)
    for entry in records.manifest.entries:
        if entry.record.status == ACCEPTED and entry.record.facts.get("filefracday"):
            files[int(str(entry.record.facts["filefracday"]))].append(entry.record)
    keys = {int(key.exposure.filefracday): key.exposure for key in records.plan.raws}
    rows = {}
    for filefracday, group in sorted(files.items()):
        first = min(group, key=lambda one: one.ccdid or 0)
        key = keys.get(filefracday)
        alerts = records.alerts.get(key) if key else None
        row = {
            "filefracday": filefracday,
            "night": records.manifest.night,
            "field": first.facts.get("field"),
            "filter": key.filter if key else None,
            "imgtype": _TYPES.get(str(first.facts.get("imgtype"))),
            **{name: first.facts.get(fact) for name, fact in _FACTS.items()},
            "ccds": len(group),
            "quadrants": sum(len(one.quadrants) for one in group),
            "npackets": alerts.metrics.get("npackets") if alerts else None,
            "alerts_wall_s": alerts.timings_s.get("wall") if alerts else None,
            "alerts_ended_unix": alerts.ended_unix if alerts else None,
        }
        rows[filefracday] = _typed(row, operations.EXPOSURES)
    return rows


def _image_row(key: QuadrantKey, record: QaRecord, exposure: Row, arrived: Mapping[RawKey, float]) -> Row:
    expid, dec = exposure.get("expid"), record.metrics.get("dec")
    own = {
        "filefracday": int(key.exposure.filefracday),
        "rcid": key.rcid,
        "night": key.night,
        "field": key.exposure.field,
        "filter": key.exposure.filter,
        "pid": processing_id(expid, key.rcid) if expid is not None else None,
        "ccdid": key.ccdid,
        "qid": key.qid,
        **{name: exposure.get(name) for name in ("obsjd", "exptime", "programid", "airmass")},
        "status": record.status,
        "reason": record.reason,
        "seeing": record.metrics.get("fwhm_arcsec"),
        "zone": zone_of(float(dec)) if dec is not None else None,
        "arrived_unix": arrived.get(key.raw),
    }
    return _typed({**record.metrics, **run_of(record), **own}, operations.QUADRANTS)


def zone_of(dec_deg: float) -> int:
    """Number of the zone that a declination [deg] lies in."""
    return math.floor(dec_deg / ZONE_DEG)


def _difference_row(key: QuadrantKey, record: QaRecord, version: int | None) -> Row:
    own = {
        "filefracday": int(key.exposure.filefracday),
        "rcid": key.rcid,
        "night": key.night,
        "diffreason": record.reason,
        "refversion": version,
        **{f"diff{name}": value for name, value in run_of(record).items()},
    }
    return _typed({"statusdif": record.status, **record.metrics, **own}, operations.DIFFERENCES)


def run_of(record: QaRecord) -> Row:
    """What a step took, by the names of RUN_COLUMNS."""
    times = record.timings_s
    return {
        "wall_s": times.get("wall"), "cpu_s": times.get("cpu"),
        "peak_memory_mb": record.metrics.get("peak_memory_mb"), "ended_unix": record.ended_unix,
    }  # fmt: skip


def _masters(records: NightRecords) -> list[Row]:
    rows = []
    for choice in records.plan.masters:
        record = records.masters.get(record_name(choice)) if choice.made_tonight else None
        if record is not None and choice.key is not None:
            key = choice.key
            own = {
                "kind": choice.kind, "night": key.night, "filter": key.filter, "rcid": key.rcid, "ccdid": key.ccdid,
                "qid": key.qid, "status": record.status, "reason": record.reason,
            }  # fmt: skip
            rows.append(_typed({**record.metrics, **run_of(record), **own}, operations.CALIBRATION))
    return rows


def _failures(records: NightRecords, stages: Sequence[Stage]) -> Iterator[Row]:
    """What was set aside, what has no record, and what has STATUS 0, with the reasons."""
    night = records.manifest.night

    def row(stage: str, unit: str, state: str, reason: str) -> Row:
        return {"night": night, "stage": stage, "unit": unit, "state": state, "reason": reason}

    for entry in records.manifest.entries:
        record = entry.record
        for which, reason in record.reasons.items():
            state = "set aside" if record.status == ACCEPTED else record.status
            yield row("Files", f"{record.name} quadrant {which}" if which else record.name, state, reason)
    for stage in stages:
        for unit in stage.missing:
            yield row(stage.name, unit, "without a record", "")
    for path, reason in sorted(records.unreadable.items()):
        yield row("Records", path, "unreadable", reason)
    made: tuple[tuple[str, Iterable[QaRecord]], ...] = (
        ("Masters", records.masters.values()),
        ("Science images", (records.science[key] for key in sorted(records.science))),
        ("Differences", (records.differences[key] for key in sorted(records.differences))),
        ("Alerts", (records.alerts[key] for key in sorted(records.alerts))),
    )
    for name, group in made:
        for record in group:
            if record.status != 1:
                yield row(name, record.product, "STATUS 0", record.reason)


def _runs(records: NightRecords) -> list[Row]:
    groups = (records.masters, records.science, records.differences, records.alerts, records.moving)
    made = {record.product: record for group in groups for record in group.values()}
    return [
        _typed(
            {
                **run_of(record), "product": product, "step": record.step, "night": records.manifest.night,
                "status": record.status, "recipe": record.versions.get("recipe"),
            },
            operations.RUNS,
        )
        for product, record in sorted(made.items())
    ]  # fmt: skip


def _night_row(records: NightRecords, images: list[Row], differences: list[Row], exposures: Iterable[Row]) -> Row:
    counts = records.manifest.counts
    row = {
        "night": records.manifest.night,
        "sent": counts.get("sent"),
        "accepted": counts.get("accepted"),
        "set_aside": counts.get("set aside"),
        "not_received": counts.get("not received"),
        "exposures": sum(one["imgtype"] == "o" for one in exposures),
        "quadrants": len(records.plan.science),
        "images": len(images),
        "images_usable": sum(one["status"] == 1 for one in images),
        "differences": len(differences),
        "differences_usable": sum(one["statusdif"] == 1 for one in differences),
        "candidates": sum(candidates_of(one) or 0 for one in differences),
        "packets": sum(int(record.metrics.get("npackets") or 0) for record in records.alerts.values()),
    }
    return _typed(row, operations.NIGHTS)


def candidates_of(difference: Row) -> int | None:
    """Candidates of both signs of a row of `differences`; None when they were not looked for."""
    counts = difference["ncandscimref"], difference["ncandrefmsci"]
    return None if None in counts else sum(counts)


def _trends(images: list[Row], differences: list[Row]) -> list[Row]:
    """Medians by filter and channel over usable images, those of differences over usable differences."""
    subtracted = {(one["filefracday"], one["rcid"]): one for one in differences if one["statusdif"] == 1}
    groups: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for one in images:
        if one["status"] == 1:
            other = subtracted.get((one["filefracday"], one["rcid"]), {})
            times = [one["wall_s"], other.get("diffwall_s")]
            more = {
                "candidates": candidates_of(other) if other else None,
                "run_s": sum(filter(None, times)) if one["wall_s"] is not None else None,
            }
            groups[one["filter"], one["rcid"]].append({**other, **one, **more})
    rows = []
    for (code, rcid), group in sorted(groups.items()):
        row = {name: _median(one.get(name) for one in group) for name in operations.TREND_METRICS}
        own = {"night": group[0]["night"], "filter": code, "rcid": rcid, "images": len(group)}
        rows.append(_typed({**row, **own}, operations.TRENDS))
    return rows


def _median(values: Iterable[Any]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return float(np.median(known)) if known else None


def _typed(row: Mapping[str, Any], contract: Sequence[Column]) -> Row:
    """The columns of a contract in its types; None where the row has none, or a number that is none."""
    return {one.name: _value(row.get(one.name), one.dtype) for one in contract}


def _value(value: Any, dtype: str) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return str(value) if dtype == "str" else int(value) if dtype == "i8" else float(value)


def exposures_of(records: NightRecords) -> list[ExposureKey]:
    """The exposures of the sky of a night, in order of time."""
    return sorted({key.exposure for key in records.plan.science})
