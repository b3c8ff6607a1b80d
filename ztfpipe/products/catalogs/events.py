"""Tables of a difference's events: candidates, raw detections and streaks, one Parquet file each per quadrant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
from numpy.typing import NDArray

from ztfpipe.model import identifiers
from ztfpipe.model.candidates import CUTOUT_COLUMNS, RAW_TABLE, Cutouts
from ztfpipe.model.catalogs import POGSON
from ztfpipe.model.difference import CANDIDATE_TABLE, STREAK_COLUMNS, DifferenceProducts, Streaks
from ztfpipe.model.planted import PLANTED_COLUMNS, Recovered
from ztfpipe.products.formats.plain import read_contract, typed, write_measurements, write_table

_SKY_DIGITS = 7
"""Decimals of degrees in packets."""


def write_candidates(path: str | Path, made: DifferenceProducts, words: Mapping[str, Any]) -> None:
    """Write the candidates, with cutouts of those that pass the light filters; zero rows are a valid table.

    words: what all of them share, by column (`exposure_words`); its pid is the first part of their candid.
    """
    found = made.candidates
    columns: dict[str, Any] = {}
    if found is not None:
        # Numbered by row and column, apart for each sign.
        number = _numbered(found.positive)
        candid = _identifiers(words["pid"], found.positive, number, identifiers.candidate_id)
        shared = {name: np.full(len(found), value) for name, value in words.items()}
        columns = {
            "candid": candid, "ra": made.ra_deg, "dec": made.dec_deg, "tblid": number,
            **found.columns(), **made.more, **shared,
        }  # fmt: skip
    packed = np.asarray(columns.get("filterbits", np.zeros(0))) == 0
    write_table(path, typed(columns, CANDIDATE_TABLE).assign(**_packed(made.cutouts, packed)))


def read_candidates(path: str | Path) -> pd.DataFrame:
    """The candidates of a quadrant, columns as in CANDIDATE_TABLE. BadFile when one is missing."""
    return read_contract(path, CANDIDATE_TABLE)


def read_cutouts(path: str | Path) -> tuple[NDArray[np.int64], Cutouts]:
    """The candid (n,) and cutouts, in the table's order, of the candidates that pass the light filters.

    BadFile when a column is missing.
    """
    table = read_contract(path, (CANDIDATE_TABLE[0], *CUTOUT_COLUMNS))
    table = table[table[CUTOUT_COLUMNS[0].name].notna()]
    stacks = []
    for column in CUTOUT_COLUMNS:
        pixels = np.frombuffer(b"".join(table[column.name]), "<f4").astype(np.float32)
        side = int(np.sqrt(pixels.size // max(len(table), 1)))
        stacks.append(pixels.reshape(len(table), side, side))
    return table["candid"].to_numpy(), Cutouts(*stacks)


def write_raw_detections(path: str | Path, made: DifferenceProducts, pid: int, zero_point_mag: float) -> None:
    """Write the raw detections of the image with processing id `pid`; zero rows are a valid table."""
    found = made.raw
    columns: dict[str, Any] = {}
    if found is not None:
        candid = _identifiers(pid, found.positive, _numbered(found.positive), identifiers.raw_detection_id)
        columns = {
            "candid": candid, "isdiffpos": found.positive, "xpos": found.x_px + 1, "ypos": found.y_px + 1,
            "ra": made.raw_ra_deg.round(_SKY_DIGITS), "dec": made.raw_dec_deg.round(_SKY_DIGITS),
            "magpsf": zero_point_mag - 2.5 * np.log10(found.flux_adu),
            "sigmapsf": POGSON * found.sigma_flux_adu / found.flux_adu, "scorr": found.scorr,
        }  # fmt: skip
    write_measurements(path, typed(columns, RAW_TABLE))


def read_raw_detections(path: str | Path) -> pd.DataFrame:
    """The raw detections of a quadrant, columns as in RAW_TABLE. BadFile when one is missing."""
    return read_contract(path, RAW_TABLE)


def write_streaks(path: str | Path, found: Streaks | None) -> None:
    """Write the streaks of a difference; zero rows are a valid table."""
    write_table(path, typed({} if found is None else found.columns(), STREAK_COLUMNS))


def read_streaks(path: str | Path) -> pd.DataFrame:
    """The streaks of a quadrant, columns as in STREAK_COLUMNS. BadFile when one is missing."""
    return read_contract(path, STREAK_COLUMNS)


def write_planted(path: str | Path, recovered: Recovered) -> None:
    """Write what was planted into a quadrant and found; zero rows are a valid table."""
    write_table(path, pd.DataFrame(dict(recovered.table)))


def read_planted(path: str | Path) -> pd.DataFrame:
    """What was planted into a quadrant, columns as in PLANTED_COLUMNS. BadFile when one is missing."""
    return read_contract(path, PLANTED_COLUMNS)


def _numbered(positive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of each row among those of its sign, from 0."""
    return np.where(positive, np.cumsum(positive), np.cumsum(~positive)) - 1


def _identifiers(pid: int, positive: NDArray[np.bool_], number: NDArray[np.int64], scheme: Any) -> NDArray[np.int64]:
    """Identifiers by a scheme that counts up by one for each sign."""
    out = np.zeros(len(number), np.int64)
    for sign in (True, False):
        of_sign = positive == sign
        if of_sign.any():
            scheme(pid, sign, int(number[of_sign].max()))  # raises when there is no room for the last one
            out[of_sign] = scheme(pid, sign, 0) + number[of_sign]
    return out


def _packed(cutouts: Cutouts | None, kept: NDArray[np.bool_]) -> dict[str, pd.Series]:
    """Cutouts as bytes, null where they are not kept."""
    stacks = list(vars(cutouts).values()) if cutouts else [[]] * len(CUTOUT_COLUMNS)
    return {
        column.name: pd.Series(
            [one.astype("<f4").tobytes() if keep else None for one, keep in zip(stack, kept, strict=True)],
            dtype=pd.ArrowDtype(pyarrow.binary()),
        )
        for column, stack in zip(CUTOUT_COLUMNS, stacks, strict=True)
    }
