"""The night's accounts: what was sent, and what became of each file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ztfpipe.model.incoming import Announcement
from ztfpipe.model.manifest import ACCEPTED, NO_RECORD, NOT_RECEIVED, SET_ASIDE, Manifest, ManifestEntry
from ztfpipe.model.records import IngestRecord
from ztfpipe.pipelines.ingest.verdict import FILE, duplicate, set_aside


def unnameable(night: str, name: str, size: int) -> IngestRecord:
    """The record of a file whose name cannot be a unit of work; it stays where it came in."""
    blank = IngestRecord(night, name, SET_ASIDE, "", size, {}, "", None, (), {}, {})
    return set_aside(blank, ["its name has characters that no file of the archive has"])


def accounts(
    night: str,
    announced: Mapping[str, Announcement] | None,
    sizes: Mapping[str, int],
    records: Iterable[IngestRecord],
    incoming_digest: str,
) -> Manifest:
    """The night's accounts: what was sent, and what became of each file.

    announced: the list of files sent, None where there is none (then the folder is the list); sizes: of the files
    received; records: the verdicts. Two things show only here and set a file aside: it is not as announced, or another
    accepted file is the same exposure and CCD with other content. A file without a verdict, or whose size is no longer
    that of its verdict, or that was still being written, leaves the accounts incomplete.
    """
    verdicts = {record.name: record for record in records}
    announced = dict.fromkeys(sizes) if announced is None else announced
    accounted = [
        _account(night, name, sizes, verdicts.get(name), announced.get(name))
        for name in sorted({*announced, *sizes}, key=_compressed_first)
    ]
    entries = [ManifestEntry(record.name in announced, record) for record in _without_duplicates(accounted)]
    counts = {"sent": len(announced), "received": len(sizes)}
    for status in (ACCEPTED, SET_ASIDE, NOT_RECEIVED, NO_RECORD):
        counts[status] = sum(entry.announced and entry.record.status == status for entry in entries)
    counts["unannounced"] = sum(not entry.announced for entry in entries)
    settled = not any("still being written" in entry.record.reasons.get(FILE, "") for entry in entries)
    complete = settled and all(entry.record.status != NO_RECORD for entry in entries)
    summary = _summary(night, counts, entries)
    return Manifest(night, summary, complete, incoming_digest if complete else "", counts, tuple(entries))


def _account(
    night: str, name: str, sizes: Mapping[str, int], record: IngestRecord | None, announced: Announcement | None
) -> IngestRecord:
    if name not in sizes:
        reason = f"{name}: listed as sent, but not received"
        return IngestRecord(night, name, NOT_RECEIVED, "", 0, {FILE: reason}, "", None, (), {}, {})
    if record is None:
        reason = f"{name}: received, but not yet verified"
        return IngestRecord(night, name, NO_RECORD, "", sizes[name], {FILE: reason}, "", None, (), {}, {})
    if record.size != sizes[name]:
        reason = f"{name}: has changed since it was verified ({record.size} bytes then, {sizes[name]} now)"
        return IngestRecord(night, name, NO_RECORD, "", sizes[name], {FILE: reason}, "", None, (), {}, {})
    if record.status == ACCEPTED and announced is not None and (fault := _delivery_fault(record, announced)):
        return set_aside(replace(record, archive_path="", quadrants=()), [fault])
    return record


def _compressed_first(name: str) -> tuple[str, bool]:
    return name.removesuffix(".fz"), not name.endswith(".fz")


def _without_duplicates(records: list[IngestRecord]) -> list[IngestRecord]:
    """Verified side by side, two files may both have been accepted as one exposure and CCD: the first stays."""
    first: dict[tuple[object, int | None], IngestRecord] = {}
    kept = []
    for record in records:
        holder = record
        if record.status == ACCEPTED:
            holder = first.setdefault((record.facts.get("filefracday"), record.ccdid), record)
        kept.append(record if holder.md5 == record.md5 else duplicate(record, holder.name))
    return kept


def _delivery_fault(record: IngestRecord, announced: Announcement) -> str:
    if announced.size is not None and announced.size != record.size:
        return f"{record.size} bytes were received, but {announced.size} were sent"
    if announced.md5 is not None and announced.md5 != record.md5:
        return f"md5 is {record.md5}, but {announced.md5} was sent"
    return ""


def _summary(night: str, counts: Mapping[str, int], entries: list[ManifestEntry]) -> str:
    parts = f"{counts[ACCEPTED]} accepted + {counts[SET_ASIDE]} set aside + {counts[NOT_RECEIVED]} not received"
    extra = f", and {counts['unannounced']} that were not announced" if counts["unannounced"] else ""
    left_out = sum(len(entry.record.reasons) for entry in entries if entry.record.status == ACCEPTED)
    left_out_text = f"; {left_out} quadrant{'s' * (left_out > 1)} of accepted files left out" if left_out else ""
    unseen = sum(entry.record.status == NO_RECORD for entry in entries)
    if unseen:
        start = f"The accounts do not add up, {unseen} received without a verdict. Night {night}: {counts['sent']} sent"
        return f"{start}, {parts}{extra}{left_out_text}"
    return f"Night {night}: {counts['sent']} sent = {parts}{extra}{left_out_text}"
