"""Tables of moving objects: a night's detections, streaks to vet, tracks and their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.model.columns import Column
from ztfpipe.model.tracks import DETECTION_TABLE, LOOK_TABLE, MEMBER_TABLE, STREAK_TABLE, TRACK_TABLE, Sightings
from ztfpipe.products.formats.plain import read_contract, typed, write_table

Columns = Mapping[str, NDArray[Any]]


def write_detections(path: str | Path, parts: Sequence[Columns]) -> None:
    """Write the detections of a night, from one set of columns a quadrant. No parts are a valid table."""
    _write(path, DETECTION_TABLE, parts)


def read_sightings(paths: Sequence[str | Path]) -> Sightings:
    """The detections of several nights, one after another. BadFile when a file is missing or of another kind."""
    tables = [read_contract(path, DETECTION_TABLE) for path in paths]
    together = pd.concat(tables, ignore_index=True) if tables else typed({}, DETECTION_TABLE)
    types = {one.name: one.dtype for one in DETECTION_TABLE}
    wide = {"f4": np.float64, "f8": np.float64, "str": object}
    return Sightings(
        *(together[one.name].to_numpy().astype(wide.get(types[one.name], types[one.name])) for one in fields(Sightings))
    )


def write_looks(path: str | Path, parts: Sequence[Columns]) -> None:
    """Write the quadrants of a night that would have shown a moving object."""
    _write(path, LOOK_TABLE, parts)


def read_looks(paths: Sequence[str | Path]) -> Columns:
    """Columns of LOOK_TABLE of several nights, one after another. BadFile when a file is of another kind."""
    tables = [read_contract(path, LOOK_TABLE) for path in paths]
    together = pd.concat(tables, ignore_index=True) if tables else typed({}, LOOK_TABLE)
    return {one.name: together[one.name].to_numpy() for one in LOOK_TABLE}


def write_streaklist(path: str | Path, parts: Sequence[Columns]) -> None:
    """Write the streaks of a night that a person is asked about."""
    _write(path, STREAK_TABLE, parts)


def read_streaklist(path: str | Path) -> pd.DataFrame:
    """The streaks of a night, columns as in STREAK_TABLE."""
    return read_contract(path, STREAK_TABLE)


def write_tracks(path: str | Path, tracks: Columns) -> None:
    """Write the tracks of a night."""
    _write(path, TRACK_TABLE, [tracks])


def read_tracks(path: str | Path) -> pd.DataFrame:
    """The tracks of a night, columns as in TRACK_TABLE."""
    return read_contract(path, TRACK_TABLE)


def write_members(path: str | Path, members: Columns) -> None:
    """Write the detections of the night's tracks."""
    _write(path, MEMBER_TABLE, [members])


def read_members(path: str | Path) -> pd.DataFrame:
    """The detections of the night's tracks, columns as in MEMBER_TABLE."""
    return read_contract(path, MEMBER_TABLE)


def _write(path: str | Path, contract: tuple[Column, ...], parts: Sequence[Columns]) -> None:
    whole = {one.name: np.concatenate([np.asarray(part[one.name]) for part in parts]) for one in contract if parts}
    write_table(path, typed(whole, contract))
