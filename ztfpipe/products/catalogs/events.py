"""Tables of a difference's events: candidates and streaks, one Parquet file each per quadrant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.errors import BadFile
from ztfpipe.model import identifiers
from ztfpipe.model.columns import Column
from ztfpipe.model.difference import CANDIDATE_TABLE, STREAK_COLUMNS, DifferenceProducts, Streaks
from ztfpipe.model.orbits import NearestKnown
from ztfpipe.products.formats.plain import read_table, write_table


def write_candidates(path: str | Path, made: DifferenceProducts, pid: int) -> None:
    """Write the candidates of the image with processing id `pid`; zero rows are a valid table."""
    found = made.candidates
    columns = {column.name: np.zeros(0, column.dtype) for column in CANDIDATE_TABLE}
    if found is not None:
        # Numbered by row and column, apart for each sign.
        tblid = np.where(found.positive, np.cumsum(found.positive), np.cumsum(~found.positive)) - 1
        candid = [
            identifiers.candidate_id(pid, bool(sign), int(one)) for sign, one in zip(found.positive, tblid, strict=True)
        ]
        columns |= {"candid": np.array(candid, np.int64), "ra": made.ra_deg, "dec": made.dec_deg, **found.columns()}
        columns |= (made.known or NearestKnown.none(len(found))).columns()
    write_table(path, pd.DataFrame(columns))


def read_candidates(path: str | Path) -> pd.DataFrame:
    """The candidates of a quadrant, columns as in CANDIDATE_TABLE. BadFile when one is missing."""
    return _read(path, CANDIDATE_TABLE)


def write_streaks(path: str | Path, found: Streaks | None) -> None:
    """Write the streaks of a difference; zero rows are a valid table."""
    columns = {column.name: np.zeros(0, column.dtype) for column in STREAK_COLUMNS}
    if found is not None:
        columns |= found.columns()
    write_table(path, pd.DataFrame(columns))


def read_streaks(path: str | Path) -> pd.DataFrame:
    """The streaks of a quadrant, columns as in STREAK_COLUMNS. BadFile when one is missing."""
    return _read(path, STREAK_COLUMNS)


def _read(path: str | Path, contract: tuple[Column, ...]) -> pd.DataFrame:
    if not Path(path).exists():
        raise BadFile(path, "no such file")
    table = read_table(path)
    missing = [column.name for column in contract if column.name not in table]
    if missing:
        raise BadFile(path, f"column {missing[0]} missing")
    return table
