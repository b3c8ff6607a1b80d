"""`ztfpipe moving designations`: what the Minor Planet Center calls our objects."""

from __future__ import annotations

from pathlib import Path

from ztfpipe.products.reports.decisions import DESIGNATIONS, record_designations
from ztfpipe.steps.workspace import configured


def run_designations(config_path: Path, workspace: Path | None, answer: Path) -> int:
    """Record the designations of an answer in the workspace's ledger, and say so. BadFile for what is no answer.

    Reports of nights made from then on name the objects by them.
    """
    root = workspace or Path(configured(config_path, None).workspace)
    path = root / "ledger" / DESIGNATIONS.name
    said = record_designations(answer, path)
    for name, designation in sorted(said.items()):
        print(f"{name}  {designation}")
    print(f"{len(said)} designations recorded in {path}")
    return 0
