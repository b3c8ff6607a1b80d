"""What an upgrade or a changed setting would make again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ztfpipe.config import RECIPE_VERSIONS, Config
from ztfpipe.model.records import QaRecord
from ztfpipe.products.accounts.records import read_record
from ztfpipe.steps.workspace import archive_of, configured

LOCKED_STEPS = ("reference coadd", "lightcurve match")
"""No upgrade and no setting makes a reference or a matchfile again: `reference renew` and `lightcurve extend` do."""


@dataclass(frozen=True)
class Stale:
    """A product made by another version of its recipe or with other settings than those of now, and what differs."""

    product: str
    step: str
    reason: str


def run_stale(config_path: Path = Path("config.yaml"), workspace: Path | None = None) -> int:
    """`ztfpipe stale [--config FILE] [--workspace FOLDER]`: list the products that an upgrade would touch.

    One line a product, what differs, and the number by step. Nothing is made or removed. Returns 0. Raises BadSettings
    for a bad configuration and BadFile for a record that cannot be read.
    """
    config = configured(config_path, workspace)
    count: Counter[str] = Counter()
    for one in stale(config):
        count[one.step] += 1
        print(f"{one.product}: {one.reason}")
    for step, number in sorted(count.items()):
        print(f"{number} products of {step} would be made again")
    if not count:
        print("every product on record was made by the recipes and settings of now")
    return 0


def stale(config: Config) -> Iterator[Stale]:
    """Products whose record names another recipe version or other settings than the present ones, by path."""
    for path in sorted(archive_of(config).glob("**/*qa.json")):
        record = read_record(QaRecord, path)
        section = record.step.split()[0]
        if record.step in LOCKED_STEPS:
            continue
        reasons = list(_differences(record, section, config)) if section in RECIPE_VERSIONS else []
        if reasons:
            yield Stale(record.product, record.step, "; ".join(reasons))


def _differences(record: QaRecord, section: str, config: Config) -> Iterator[str]:
    made_by = record.versions.get("recipe", "unknown")
    if made_by != str(RECIPE_VERSIONS[section]):
        yield f"recipe {made_by}, now {RECIPE_VERSIONS[section]}"
    present = _same_part(record.settings, getattr(config, section).model_dump(mode="json"))
    for name in sorted(present.keys() | record.settings.keys()):
        before, now = record.settings.get(name), present.get(name)
        if before != now:
            yield f"{name} {before}, now {now}"


def _same_part(recorded: Mapping[str, object], section: dict[str, Any]) -> dict[str, Any]:
    """The part of a section that a record's settings are of: the section itself, or one that it holds."""
    parts = [section, *(value for value in section.values() if isinstance(value, dict))]
    return max(parts, key=lambda part: len(part.keys() & recorded.keys()))
