"""What an operator is told before a new version of a reference comes in force: what changes, and what it touches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from numpy.typing import NDArray

from ztfpipe.model.keys import NightKey, QuadrantKey, ReferenceVersionKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.summary import NightSummary
from ztfpipe.pipelines.reference.renewal import Version, changes, touched
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.records import read_record
from ztfpipe.products.accounts.report import text_tables
from ztfpipe.products.catalogs.catalogs import read_psfcat
from ztfpipe.products.catalogs.events import read_candidates
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.reference.backfilling import planned_nights
from ztfpipe.steps.reference.looking import ARCHIVE
from ztfpipe.steps.reference.renewal import in_force_and_newest
from ztfpipe.steps.workspace import archive_of, configured


def run_compare(config_path: Path, workspace: Path | None, product: str) -> int:
    """Print what changes from the version in force to the newest one made, and what was made with the former."""
    config = configured(config_path, workspace)
    with contextlib.chdir(archive_of(config)):
        reference = key_of(product, "refimg")
        old, new = (ReferenceVersionKey(reference, number) for number in in_force_and_newest(reference))
        tables = changes(_made(old), _made(new)), touched(candidates_with(old), config.difference.candidate_scorr_min)
        print(text_tables(NightSummary("", path_of("refimg", reference), tables)), end="")
    return 0


def differenced_with(version: ReferenceVersionKey) -> Iterator[QuadrantKey]:
    """Science quadrants whose night's plan pins a version, and whose difference was made."""
    for night in planned_nights():
        plan = read_plan(ARCHIVE / path_of("plan", NightKey(night)))
        if version in plan.references:
            for key in plan.science:
                if key.reference == version.reference and (ARCHIVE / path_of("candidates", key)).exists():
                    yield key


def candidates_with(version: ReferenceVersionKey) -> dict[QuadrantKey, dict[str, NDArray]]:
    """The candidates of every difference made with a version: columns by name."""
    tables = {key: read_candidates(ARCHIVE / path_of("candidates", key)) for key in differenced_with(version)}
    return {key: {name: table[name].to_numpy() for name in table} for key, table in tables.items()}


def _made(key: ReferenceVersionKey) -> Version:
    record = read_record(QaRecord, ARCHIVE / path_of("vrefqa", key))
    catalog, _ = read_psfcat(ARCHIVE / path_of("vrefpsfcat", key))
    return Version(key.version, record, catalog)
