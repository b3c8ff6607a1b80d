"""What the archive knows of references: their epochs by the tables of all nights, and how those made stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ztfpipe.config import Reference
from ztfpipe.model.keys import ReferenceKey, ReferenceVersionKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.reference import Epoch, Selection
from ztfpipe.pipelines.reference.renewal import Standing, standing, suspicions
from ztfpipe.pipelines.reference.selection import select
from ztfpipe.products.accounts import references as accounts
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.catalogs import epochs as tables
from ztfpipe.products.names import key_of, path_of

ARCHIVE = Path()
ALL_NIGHTS = "99999999"


@dataclass(frozen=True)
class Known:
    """A reference that was made: the version in force, its record, what it was made of and what would be now."""

    key: ReferenceVersionKey
    standing: Standing
    selection: Selection
    newest: int


def look(settings: Reference, references: Iterable[ReferenceKey]) -> Iterator[Known]:
    """How each reference stands, by its record and all epochs known now; those not made yet are passed over."""
    wanted = set(references)
    history = epochs_by_reference(earlier_epochs(ARCHIVE, ALL_NIGHTS, wanted))
    for reference in sorted(wanted):
        version = accounts.version_in_force(ARCHIVE, reference)
        newest = accounts.newest_version(ARCHIVE, reference)
        if version is None or newest is None:
            continue
        key = ReferenceVersionKey(reference, version)
        record = ARCHIVE / path_of("vrefqa", key)
        if record.exists():
            made_of = accounts.read_frozen_inputs(ARCHIVE / path_of("refinputs", key)).selection
            selection = select(history[reference], settings)
            yield Known(key, standing(read_record(QaRecord, record), made_of, selection, settings), selection, newest)


def suspects(settings: Reference, references: Iterable[ReferenceKey]) -> Iterator[ReferenceKey]:
    """Those of the references made whose own record makes them suspect, whatever other epochs there are."""
    for reference in references:
        version = accounts.version_in_force(ARCHIVE, reference)
        path = None if version is None else ARCHIVE / path_of("vrefqa", ReferenceVersionKey(reference, version))
        if path is None or not path.exists():
            continue
        if any(suspicions(read_record(QaRecord, path), reference.filter, settings)):
            yield reference


def earlier_epochs(archive: Path, night: str, wanted: set[ReferenceKey]) -> list[Epoch]:
    """Epochs of `wanted` from the tables of nights before `night`."""
    epochs: list[Epoch] = []
    for path in sorted(archive.glob("ops/night/[0-9][0-9][0-9][0-9]/[0-9][0-9][0-9][0-9]/ztf_*_epochs.parquet")):
        if wanted and key_of(path.relative_to(archive), "epochs").night < night:
            epochs += tables.read_epochs(path, wanted)
    return epochs


def epochs_by_reference(epochs: Iterable[Epoch]) -> dict[ReferenceKey, list[Epoch]]:
    """Epochs by what they are an epoch of; an empty list for what has none."""
    grouped: dict[ReferenceKey, list[Epoch]] = defaultdict(list)
    for one in epochs:
        grouped[one.reference].append(one)
    return grouped
