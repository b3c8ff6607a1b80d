"""What people and the Minor Planet Center have said of tracks: the decisions of a night, and designations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ztfpipe.errors import BadFile
from ztfpipe.products.formats.atomic import write_text

ACCEPT, REJECT = "accept", "reject"
DESIGNATIONS = Path("../ledger/designations.json")
"""From the archive. Memory, not a product: no rule makes it."""


def read_decisions(path: str | Path, night: str) -> dict[str, str]:
    """What a person decided, by the name of a track or streak. BadFile where the file is none, or another night's."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        decisions = dict(content["decisions"])
        own = content["night"]
    except FileNotFoundError as error:
        raise BadFile(path, "no such file") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(path, f"not decisions on tracks: {error}") from error
    if own != night:
        raise BadFile(path, f"decisions of night {own}, not of {night}")
    odd = {value for value in decisions.values() if value not in (ACCEPT, REJECT)}
    if odd:
        raise BadFile(path, f"{min(map(str, odd))!r} is neither {ACCEPT} nor {REJECT}")
    return decisions


def read_designations(path: str | Path = DESIGNATIONS) -> dict[str, str]:
    """Designations that came back, by the name of the track; none where nothing was recorded."""
    if not Path(path).exists():
        return {}
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise BadFile(path, f"not designations: {error}") from error


def record_designations(answer: str | Path, path: str | Path = DESIGNATIONS) -> Mapping[str, str]:
    """Add the Minor Planet Center's answer to what is recorded; returns what it said.

    answer: a text with a line an object, its name in our report, then its designation: `Zk3Q0aB 2018 FA29`, an equals
    sign between them or not. BadFile for a line of another form, and nothing is recorded.
    """
    said = {}
    try:
        lines = Path(answer).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadFile(answer, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadFile(answer, f"cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        name, _, designation = line.replace("=", " ").strip().partition(" ")
        if name.startswith("#") or not name:
            continue
        if not designation.strip():
            raise BadFile(answer, f"line {number}: a name and a designation are expected")
        said[name] = " ".join(designation.split())
    write_text(path, json.dumps({**read_designations(path), **said}, indent=1, sort_keys=True) + "\n")
    return said
