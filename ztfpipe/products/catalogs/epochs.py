"""Tables of epochs: what a night's science images are as candidate inputs of references, and why they are none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ztfpipe.model.keys import ExposureKey, QuadrantKey, ReferenceKey
from ztfpipe.model.reference import EPOCH_NUMBERS, Epoch, Selection
from ztfpipe.products.formats.plain import read_table, write_table

_KEY_COLUMNS = ("filefracday", "field", "filter", "imgtype", "ccdid", "qid")


def write_epochs(path: str | Path, epochs: Iterable[Epoch]) -> None:
    """Write what a night's science images are as candidates: one row each."""
    write_table(path, _table(epochs))


def read_epochs(path: str | Path, wanted: set[ReferenceKey] | None = None) -> list[Epoch]:
    """Read the epochs of a night, all or those of `wanted` fields, quadrants and filters."""
    table = read_table(path)
    if wanted is not None:
        places = {(key.field, key.filter, key.ccdid, key.qid) for key in wanted}
        index = pd.MultiIndex.from_frame(table[["field", "filter", "ccdid", "qid"]])
        table = table[index.isin(places)]
    rows = table.to_dict("records")
    return [
        # A table from before a number was known lacks it.
        Epoch(_quadrant(row), int(row["status"]), **{name: float(row.get(name, np.nan)) for name in EPOCH_NUMBERS})
        for row in rows
    ]


def read_standard_zero_points(path: str | Path) -> pd.DataFrame:
    """Of a night's epochs filter, rcid, status and standard_zero_point_mag: one row each, no rows from a table that was
    made before they were known."""
    table = read_table(path)
    if "standard_zero_point_mag" not in table:
        table = table.iloc[:0].assign(standard_zero_point_mag=np.float32(np.nan))
    rcid = 4 * (table["ccdid"].astype(int) - 1) + table["qid"].astype(int) - 1
    return table[["filter", "status", "standard_zero_point_mag"]].assign(rcid=rcid)


def write_verdicts(path: str | Path, selections: Iterable[Selection]) -> None:
    """Write why each epoch of fields that have no reference yet is no input: one row per epoch and criterion; good
    epochs have one row without a criterion."""
    rows: list[dict[str, Any]] = []
    for selection in selections:
        rows += [{**_key_row(one.key), "criterion": "", "reason": ""} for one in selection.chosen]
        for one in selection.rejected:
            pairs = zip(one.criteria, one.reasons, strict=True)
            rows += [{**_key_row(one.epoch.key), "criterion": name, "reason": text} for name, text in pairs]
    write_table(path, pd.DataFrame(rows, columns=[*_KEY_COLUMNS, "criterion", "reason"]))


def _table(epochs: Iterable[Epoch]) -> pd.DataFrame:
    rows = [{**_key_row(one.key), "status": one.status, **_numbers(one)} for one in epochs]
    table = pd.DataFrame(rows, columns=[*_KEY_COLUMNS, "status", *EPOCH_NUMBERS])
    return table.astype(
        {**dict.fromkeys(EPOCH_NUMBERS, np.float32), "field": np.int32, "ccdid": np.int16, "qid": np.int16}
    )


def _numbers(epoch: Epoch) -> dict[str, float]:
    return {name: getattr(epoch, name) for name in EPOCH_NUMBERS}


def _key_row(key: QuadrantKey) -> dict[str, Any]:
    return {**asdict(key.exposure), "ccdid": key.ccdid, "qid": key.qid}


def _quadrant(row: dict[str, Any]) -> QuadrantKey:
    exposure = ExposureKey(*(row[name] if name != "field" else int(row[name]) for name in _KEY_COLUMNS[:4]))
    return QuadrantKey(exposure, int(row["ccdid"]), int(row["qid"]))
