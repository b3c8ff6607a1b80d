"""Accounts of references: frozen lists of inputs, the night's lists, and which version is in force.

A frozen list is written once, in the folder of its version, and never changed. The version in force is memory, not a
product: one small file per reference in the ledger, and without one it is the first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ztfpipe.errors import BadFile
from ztfpipe.model.keys import ReferenceKey, ReferenceVersionKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.reference import EPOCH_NUMBERS, Candidate, Epoch, FrozenInputs, Rejection, Selection
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.formats.atomic import write_once, write_text
from ztfpipe.products.formats.text import reading
from ztfpipe.products.names import key_of, path_of

LEDGER = Path("../ledger/references")


def write_frozen_inputs(archive: Path, frozen: FrozenInputs) -> bool:
    """Freeze the inputs of a version; whether they were written. A list that is there already stays as it is."""
    head = {
        "product": path_of("vrefimg", frozen.key),
        "version": frozen.key.version,
        "night": frozen.night,
        "why": frozen.why,
        "epochs_min": frozen.selection.epochs_min,
        "settings": dict(frozen.settings),
    }
    chosen = [json.dumps(_epoch_json(one)) for one in frozen.selection.chosen]
    rejected = [
        json.dumps({**_epoch_json(one.epoch), "criteria": one.criteria, "reasons": one.reasons})
        for one in frozen.selection.rejected
    ]
    text = (
        "{" + ",\n ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in head.items())
        + ',\n "chosen": [\n' + ",\n".join(chosen) + '\n],\n "rejected": [\n' + ",\n".join(rejected) + "\n]}\n"
    )  # fmt: skip
    return write_once(archive / path_of("refinputs", frozen.key), text)


def read_frozen_inputs(path: str | Path) -> FrozenInputs:
    """Read a frozen list. BadFile when it is missing or holds something else."""
    with reading(path, "a list of a reference's inputs") as text:
        content = json.loads(text)
        key = key_of(content["product"], "vrefimg")
        rejected = tuple(
            Rejection(_epoch(one), tuple(one["criteria"]), tuple(one["reasons"])) for one in content["rejected"]
        )
        selection = Selection(tuple(map(_epoch, content["chosen"])), rejected, int(content["epochs_min"]))
        return FrozenInputs(key, content["night"], content["why"], selection, content["settings"])


def newest_version(archive: Path, reference: ReferenceKey) -> int | None:
    """Number of the newest version whose inputs are frozen; None when there is none."""
    folder = archive / Path(path_of("refimg", reference)).parent
    versions = [int(path.name[1:]) for path in folder.glob("v[0-9][0-9][0-9]") if _listed(archive, reference, path)]
    return max(versions, default=None)


def _listed(archive: Path, reference: ReferenceKey, folder: Path) -> bool:
    return (archive / path_of("refinputs", ReferenceVersionKey(reference, int(folder.name[1:])))).exists()


def version_in_force(archive: Path, reference: ReferenceKey) -> int | None:
    """The version that has the archive's name: that of the ledger, else the first; None before its inputs are frozen.

    Raises BadFile when the ledger's entry cannot be read.
    """
    pin = archive / pin_path(reference)
    try:
        return int(json.loads(pin.read_text(encoding="utf-8"))["version"])
    except FileNotFoundError:
        first = ReferenceVersionKey(reference, 1)
        return 1 if (archive / path_of("refinputs", first)).exists() else None
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(pin, f"not the version in force: {error}") from error


def usable(archive: Path, key: ReferenceVersionKey) -> bool:
    """Whether a version was made and has STATUS 1."""
    path = archive / path_of("vrefqa", key)
    return path.exists() and read_record(QaRecord, path).status == 1


def usable_in_force(archive: Path, reference: ReferenceKey) -> ReferenceVersionKey | None:
    """The version in force, if it is usable."""
    version = version_in_force(archive, reference)
    key = None if version is None else ReferenceVersionKey(reference, version)
    return key if key is not None and usable(archive, key) else None


def put_in_force(archive: Path, key: ReferenceVersionKey, why: str) -> None:
    """Make a version the one that has the archive's name and that new plans use."""
    write_text(archive / pin_path(key.reference), json.dumps({"version": key.version, "why": why}) + "\n")


def pin_path(reference: ReferenceKey) -> Path:
    """The ledger's entry of a reference, from the archive."""
    return LEDGER / Path(path_of("refimg", reference)).with_suffix(".json").name


def write_candidates(path: str | Path, night: str, candidates: Sequence[Candidate]) -> None:
    """Write the night's list: one line per field, quadrant and filter observed."""
    lines = [
        json.dumps(
            {
                "reference": asdict(one.reference),
                "state": one.state,
                "version": one.version,
                "good": one.good,
                "seen": one.seen,
                "counts": dict(one.counts),
            }
        )
        for one in candidates
    ]
    write_text(path, f'{{"night": "{night}",\n "references": [\n' + ",\n".join(lines) + "\n]}\n")


def read_candidates(path: str | Path) -> tuple[Candidate, ...]:
    """Read the night's list. BadFile when it is missing or holds something else."""
    with reading(path, "a night's list of references") as text:
        content = json.loads(text)
        return tuple(Candidate(ReferenceKey(**one.pop("reference")), **one) for one in content["references"])


def _epoch_json(epoch: Epoch) -> dict[str, Any]:
    numbers = {name: value if math.isfinite(value := getattr(epoch, name)) else None for name in EPOCH_NUMBERS}
    return {"image": path_of("sciimg", epoch.key), "status": epoch.status, **numbers}


def _epoch(content: dict[str, Any]) -> Epoch:
    # Lists are frozen for good: those from before a number was known lack it.
    known = {name: content.get(name) for name in EPOCH_NUMBERS}
    numbers = {name: math.nan if value is None else float(value) for name, value in known.items()}
    return Epoch(key_of(content["image"], "sciimg"), int(content["status"]), **numbers)
