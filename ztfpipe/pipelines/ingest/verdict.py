"""The verdict on a file sent, from facts alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ztfpipe.camera import Camera
from ztfpipe.config import Ingest
from ztfpipe.methods.detector.raw_quality import raw_quality
from ztfpipe.model.identifiers import exposure_id, night_id
from ztfpipe.model.incoming import QuadrantFacts, RawFacts
from ztfpipe.model.keys import RawKey
from ztfpipe.model.manifest import ACCEPTED, SET_ASIDE
from ztfpipe.model.records import IngestRecord
from ztfpipe.pipelines.ingest.header import contradictions, header_facts, quadrant_faults, range_faults

FILE = ""
"""The key of a file's own sentence among the reasons of a record; a quadrant's is its number."""


def verdict(
    facts: RawFacts,
    key: RawKey | None,
    name_fault: str,
    *,
    night: str,
    archive_path: str,
    camera: Camera,
    settings: Ingest,
) -> IngestRecord:
    """Decide on a file sent, from facts alone.

    key: from the file's name, None with `name_fault` saying why not. night: whose folder it came in. archive_path:
    where it goes if accepted. A fault of the file sets it aside; a fault of one quadrant leaves that quadrant out, and
    sets the file aside when none is left.
    """
    blank = IngestRecord(night, facts.name, SET_ASIDE, facts.md5, facts.size, {}, "", None, (), {}, {})
    faults = [*_name_faults(key, name_fault, night, camera), *facts.faults]
    if key is None or not facts.quadrants:
        return set_aside(blank, faults)
    blank = replace(blank, ccdid=key.ccdid, facts=_facts(facts, key))
    faults += range_faults(facts, key, camera, settings)
    faults += contradictions(facts, key, camera, settings)
    if faults:
        return set_aside(blank, faults)
    return _quadrant_verdicts(blank, facts, key, archive_path, camera, settings)


def duplicate(record: IngestRecord, other: str) -> IngestRecord:
    """The record of a file that would have been accepted, were its exposure and CCD not taken by file `other`."""
    fault = f"its exposure and CCD came already, with other content, as {other}"
    return set_aside(replace(record, archive_path="", quadrants=(), reasons={}), [fault])


def _name_faults(key: RawKey | None, name_fault: str, night: str, camera: Camera) -> list[str]:
    if key is None:
        return [name_fault]
    faults = []
    if key.night != night:
        faults.append(f"its name says night {key.night}, it came with {night}")
    if key.ccdid not in camera.ccds:
        faults.append(f"camera {camera.name} has no CCD {key.ccdid}")
    if key.exposure.imgtype in "of" and key.exposure.filter not in camera.filters:
        faults.append(f"camera {camera.name} has no filter {key.exposure.filter}")
    return faults


def _facts(facts: RawFacts, key: RawKey) -> dict[str, float | int | str | None]:
    known = {"filefracday": key.exposure.filefracday, **header_facts(facts)}
    if isinstance(known["obsjd"], float):
        known["nid"], known["expid"] = night_id(known["obsjd"]), exposure_id(known["obsjd"])
    return known


def _quadrant_verdicts(
    blank: IngestRecord, facts: RawFacts, key: RawKey, archive_path: str, camera: Camera, settings: Ingest
) -> IngestRecord:
    reasons: dict[str, str] = {}
    metrics: dict[str, float | int | str | None] = {}
    for qid, quadrant in facts.quadrants.items():
        faults = [*quadrant.faults, *quadrant_faults(facts.header, quadrant, key, qid)]
        measured = _quality(quadrant, camera, qid)
        metrics |= {f"q{qid}_{name}": value for name, value in measured.items()}
        faults += _pixel_faults(measured, settings)
        if faults:
            reasons[str(qid)] = f"{facts.name} quadrant {qid}: {'; '.join(faults)}"
    good = tuple(qid for qid in facts.quadrants if str(qid) not in reasons)
    record = replace(blank, reasons=reasons, metrics=metrics)
    if not good:
        return set_aside(record, ["no quadrant is fit for use"])
    return replace(record, status=ACCEPTED, archive_path=archive_path, quadrants=good)


def _quality(quadrant: QuadrantFacts, camera: Camera, qid: int) -> dict[str, float]:
    if quadrant.pixels is None:
        return {}
    columns = camera.raw.overscan_columns_used(qid)
    return raw_quality(quadrant.pixels.image, quadrant.pixels.overscan, columns=columns)


def _pixel_faults(measured: Mapping[str, float], settings: Ingest) -> list[str]:
    faults = []
    if measured and measured["overscan_max_adu"] == 0:
        faults.append("overscan is all zero")
    if measured and measured["saturated_fraction"] > settings.saturated_fraction_max:
        faults.append(
            f"{100 * measured['saturated_fraction']:.1f} % of its pixels are at the top of the digitiser's range, "
            f"more than {100 * settings.saturated_fraction_max:g} %"
        )
    return faults


def set_aside(record: IngestRecord, faults: list[str]) -> IngestRecord:
    """The record with the verdict `set aside` and one sentence that names the file and all its faults."""
    reasons = {FILE: f"{record.name}: {'; '.join(faults)}", **record.reasons}
    return replace(record, status=SET_ASIDE, reasons=reasons)
