"""Records as JSON: the verdicts on files sent, QA records, and the night's accounts. Same record, same bytes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from ztfpipe.model.manifest import Manifest, ManifestEntry
from ztfpipe.model.records import IngestRecord, QaRecord
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.formats.text import reading

Record = IngestRecord | QaRecord
_R = TypeVar("_R", IngestRecord, QaRecord)


def to_json(record: Record) -> str:
    """The record as JSON text, keys in the order of its fields."""
    return json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False) + "\n"


def from_json(kind: type[_R], text: str) -> _R:
    """The record of a JSON text. ValueError, KeyError or TypeError when it is not one."""
    content = json.loads(text)
    if "quadrants" in content:
        content["quadrants"] = tuple(content["quadrants"])
    return kind(**content)


def write_record(path: str | Path, record: Record) -> None:
    """Write a record to `path`, atomically."""
    write_text(path, to_json(record))


def read_record(kind: type[_R], path: str | Path) -> _R:
    """Read a record. BadFile when it is missing or not a record of this kind."""
    with reading(path, "a record") as text:
        return from_json(kind, text)


def write_manifest(path: str | Path, manifest: Manifest) -> None:
    """Write the accounts: the first line is the summary, then one line per file."""
    write_text(path, manifest_to_json(manifest))


def manifest_to_json(manifest: Manifest) -> str:
    """The accounts as JSON text: summary on the first line, one file per line, made for reading and comparing."""
    head = [
        f"{json.dumps(name)}: {json.dumps(getattr(manifest, name))}"
        for name in ("summary", "night", "complete", "incoming_digest", "counts")
    ]
    files = [json.dumps(dataclasses.asdict(entry), allow_nan=False) for entry in manifest.entries]
    return "{" + ",\n ".join(head) + ',\n "files": [\n' + ",\n".join(files) + "\n]}\n"


def read_manifest(path: str | Path) -> Manifest:
    """Read the accounts. BadFile when the file is missing or holds something else."""
    with reading(path, "a night's accounts") as text:
        content = json.loads(text)
        entries = tuple(ManifestEntry(one["announced"], _record(one["record"])) for one in content.pop("files"))
        return Manifest(entries=entries, **content)


def _record(content: dict[str, Any]) -> IngestRecord:
    return IngestRecord(**{**content, "quadrants": tuple(content["quadrants"])})
