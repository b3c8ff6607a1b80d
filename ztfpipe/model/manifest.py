"""The accounts of a night's files: what was sent, what became of each."""

from __future__ import annotations

from dataclasses import dataclass

from ztfpipe.model.records import IngestRecord

ACCEPTED = "accepted"
SET_ASIDE = "set aside"
NOT_RECEIVED = "not received"
NO_RECORD = "without record"
"""A file in the incoming folder that nobody has looked at, or that has changed since: the accounts are not complete."""


@dataclass(frozen=True)
class ManifestEntry:
    """One file: whether the list of files sent names it, and its record (for a file not received, one that says so)."""

    announced: bool
    record: IngestRecord


@dataclass(frozen=True)
class Manifest:
    """The accounts of one night. counts: files by status among those announced, `sent`, `received` and `unannounced`.

    summary: one sentence; it says so first when the accounts do not add up. incoming_digest: of the folder the accounts
    speak of; empty when they are not complete, so that no plan made from them counts as current.
    """

    night: str
    summary: str
    complete: bool
    incoming_digest: str
    counts: dict[str, int]
    entries: tuple[ManifestEntry, ...]
