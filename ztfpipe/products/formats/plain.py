"""Tables and arrays that are no products of the archive: synthetic catalogs and the truth of a simulated night."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.products.formats.atomic import atomic_write


def write_arrays(path: str | Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as compressed npz; the same arrays give the same bytes. TryAgain when the machine fails."""
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npz file."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_table(path: str | Path, table: pd.DataFrame, row_group_size: int | None = None) -> None:
    """Write a table as Parquet, without its index. TryAgain when the machine fails.

    row_group_size: rows that are read together, for a sorted table of which readers need small parts.
    """
    size = {} if row_group_size is None else {"row_group_size": row_group_size}
    with atomic_write(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd", **size)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a Parquet table."""
    return pd.read_parquet(path)
