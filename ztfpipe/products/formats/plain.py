"""Tables and arrays that are no products of the archive: synthetic catalogs and the truth of a simulated night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
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


def write_measurements(path: str | Path, table: pd.DataFrame) -> None:
    """Write a long table of measured numbers as Parquet: real ones byte by byte, whole ones as steps.

    Numbers with noise in their last digits do not repeat, so the dictionaries of `write_table` only add to the file:
    this one has little more than half its size, and any reader of Parquet reads it.
    """
    encodings = {"f": "BYTE_STREAM_SPLIT", "i": "DELTA_BINARY_PACKED", "b": "RLE"}
    chosen = {str(name): encodings[dtype.kind] for name, dtype in table.dtypes.items()}
    with atomic_write(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd", use_dictionary=False, column_encoding=chosen)


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a Parquet table, all of it or some columns."""
    return pd.read_parquet(path, columns=columns)


def column_names(path: str | Path) -> list[str]:
    """Names of the columns of a Parquet table, in its order."""
    return pq.read_schema(path).names
