"""What is remembered of each unit: small, plain records that become JSON beside the products."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class QaRecord:
    """What one step did to one unit.

    status: 1 usable, 0 bad (the products exist all the same); reason: why not, or empty. inputs: checksum by path.
    Timings [s] and versions are for people; nothing decides by them. ended_unix: when the step was done [s since 1970].
    """

    step: str
    product: str
    status: int
    reason: str
    metrics: dict[str, float | int | str | None]
    inputs: dict[str, str] = field(default_factory=dict)
    timings_s: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    ended_unix: float | None = None


@dataclass(frozen=True)
class IngestRecord:
    """The verdict on one file sent. It holds no timings: the same file gives the same bytes.

    status: accepted (perhaps without some quadrants), set aside, or not received. reasons: sentences, the file's own
    under "" and a quadrant's under its number. archive_path is empty unless accepted. quadrants: those fit for use.
    facts: header values the plan and the accounts need (imgtype, filter, field, exptime, obsjd, programid, ...).
    metrics: raw QA per quadrant and overscan (level, scatter, saturated fraction) and telemetry.
    """

    night: str
    name: str
    status: str
    md5: str
    size: int
    reasons: dict[str, str]
    archive_path: str
    ccdid: int | None
    quadrants: tuple[int, ...]
    facts: dict[str, float | int | str | None]
    metrics: dict[str, float | int | str | None]
