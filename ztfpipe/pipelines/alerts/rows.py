"""Tables as records: values in the order of a schema's fields, as plain Python, None where there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.model.alerts import Row

_INTEGERS = ("int", "long")


def records(table: pd.DataFrame, fields: Mapping[str, str], fillers: Mapping[str, Any] | None = None) -> list[Row]:
    """One record for each row of a table. fields: names in order, each with its Avro type.

    A column that is not there, and what is not a number, is None, or the filler of that name.
    """
    fillers = fillers or {}
    columns = [_values(table, name, kind, fillers.get(name)) for name, kind in fields.items()]
    return list(zip(*columns, strict=True))


def _values(table: pd.DataFrame, name: str, kind: str, filler: Any) -> list[Any]:
    if name not in table:
        return [filler] * len(table)
    column = table[name].to_numpy()
    if name == "isdiffpos":
        return [None if sign is None or sign != sign else "t" if sign else "f" for sign in column.tolist()]
    values = column.tolist()
    if column.dtype.kind == "f":
        absent: NDArray[np.bool_] = ~np.isfinite(column)
    elif column.dtype.kind == "O":
        absent = pd.isna(column)
    else:
        return values
    if column.dtype.kind == "f" and kind in _INTEGERS:
        # A column of whole numbers that some rows lack.
        values = [int(value) if value == value else None for value in values]
    for place in np.flatnonzero(absent):
        values[place] = filler
    return values
