"""The operations database: brought up to date by night, rebuilt from files, asked, and copied. No job writes to it but
the end of a night; it can be thrown away at any time."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Config
from ztfpipe.model.keys import NightKey
from ztfpipe.model.operations import Rows
from ztfpipe.pipelines.quality.database import ZONE_DEG, night_rows
from ztfpipe.products.database.engine import database_url
from ztfpipe.products.database.query import Place, Question, ask
from ztfpipe.products.database.snapshot import take_snapshot
from ztfpipe.products.database.store import rebuild, update_night
from ztfpipe.products.names import key_of
from ztfpipe.steps.operations.records import paths_of, read_night
from ztfpipe.steps.workspace import archive_of, configured

SNAPSHOTS = Path("database", "snapshots")
_OUTSIDE = 1.05
"""A quadrant reaches this much farther than half its nominal diagonal: distortion, rotation."""


def run_update(config_path: Path, workspace: Path | None, night: str) -> int:
    """`ztfpipe database update`: put what is on record of a night into the database, in place of what it had of it."""
    config = configured(config_path, workspace)
    with contextlib.chdir(archive_of(config)):
        update_night(url_of(config), night, night_rows(read_night(*paths_of(NightKey(night).night))))
    return 0


def run_rebuild(config_path: Path, workspace: Path | None) -> int:
    """`ztfpipe database rebuild`: make the database anew from the files of all nights."""
    config = configured(config_path, workspace)
    with contextlib.chdir(archive_of(config)):
        count = rebuild(url_of(config), _all_nights())
    print(f"{count} nights in {url_of(config)}", file=sys.stderr)
    return 0


def _all_nights() -> Iterator[tuple[str, Rows]]:
    """Rows of every night that has accounts and a plan, in order; how far it is goes to the terminal."""
    manifests = sorted(Path().glob("ops/night/[0-9]*/[0-9]*/*_manifest.json"))
    nights = [key_of(path, "manifest").night for path in manifests]
    planned = [night for night in nights if paths_of(night)[1].exists()]
    for number, night in enumerate(planned, 1):
        yield night, night_rows(read_night(*paths_of(night)))
        print(f"{night}: {number} of {len(planned)} nights", file=sys.stderr)


def run_query(config_path: Path, workspace: Path | None, question: Question, place: tuple | None, as_csv: bool) -> int:
    """`ztfpipe database query`: print the rows that answer a question; their number goes to the other stream."""
    config = configured(config_path, workspace)
    if place is not None:
        question = replace(question, place=Place(*place, reach_deg(Camera.load(config.camera))))
    found = ask(url_of(config), question, ZONE_DEG)
    if as_csv:
        found.to_csv(sys.stdout, index=False)
    elif len(found):
        print(pd.DataFrame({name: found[name].map(_shown) for name in found}).to_string(index=False))
    print(f"{len(found)} rows", file=sys.stderr)
    return 0


def _shown(value: object) -> str:
    """A value for people: nothing for an unknown one, and no more digits than tell a place or a time apart."""
    if pd.isna(value):
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.7g}" if abs(value) < 1e4 else f"{value:.6f}".rstrip("0").rstrip(".")


def run_snapshot(config_path: Path, workspace: Path | None) -> int:
    """`ztfpipe database snapshot`: make a dated copy, and print where it is."""
    config = configured(config_path, workspace)
    kept = config.quality.database.snapshots_kept
    print(take_snapshot(url_of(config), Path(config.workspace) / SNAPSHOTS, datetime.now(UTC), kept))
    return 0


def reach_deg(camera: Camera) -> float:
    """Farthest that a corner of a quadrant is from its centre [deg]."""
    return _OUTSIDE * 0.5 * math.hypot(*camera.quadrant_shape) * camera.pixel_scale_arcsec / 3600.0


def url_of(config: Config) -> str:
    """Where the operations database of a configuration's workspace is."""
    return database_url(config.quality.database.url, Path(config.workspace))
