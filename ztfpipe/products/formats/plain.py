"""Tables as Parquet, typed and checked by their column contracts, and named arrays as npz."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.model.columns import Column
from ztfpipe.products.formats.atomic import atomic_write, machine_faults


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
        table.to_parquet(temporary, index=False, compression="zstd", write_page_checksum=True, **size)


def write_measurements(path: str | Path, table: pd.DataFrame) -> None:
    """Write a long table of measured numbers as Parquet: real ones byte by byte, whole ones as steps.

    Numbers with noise in their last digits do not repeat, so the dictionaries of `write_table` only add to the file:
    this one has little more than half its size, and any reader of Parquet reads it.
    """
    encodings = {"f": "BYTE_STREAM_SPLIT", "i": "DELTA_BINARY_PACKED", "b": "RLE"}
    chosen = {str(name): encodings[dtype.kind] for name, dtype in table.dtypes.items()}
    with atomic_write(path) as temporary:
        table.to_parquet(
            temporary,
            index=False,
            compression="zstd",
            write_page_checksum=True,
            use_dictionary=False,
            column_encoding=chosen,
        )


@contextlib.contextmanager
def parquet_faults(path: str | Path) -> Iterator[None]:
    """Turn what Arrow says of a file that is missing, no Parquet or damaged into BadFile naming `path`.

    TryAgain for a full disk or a file server that is away.
    """
    try:
        with machine_faults(path):
            yield
    except FileNotFoundError as error:
        raise BadFile(path, "no such file") from error
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError) as error:
        raise BadFile(path, f"not readable as Parquet: {' '.join(str(error).split())}") from error
    except OSError as error:
        # Arrow's own complaints about damaged pages come without an error number.
        if error.errno is None:
            raise BadFile(path, f"not readable as Parquet: {' '.join(str(error).split())}") from error
        raise


def read_table(
    path: str | Path, columns: Sequence[str] | None = None, filters: list[Any] | None = None
) -> pd.DataFrame:
    """Read a Parquet table, all of it, some columns or the rows that pass Arrow's `filters`.

    BadFile when it is missing or damaged.
    """
    with parquet_faults(path):
        return pd.read_parquet(path, columns=columns, filters=filters, page_checksum_verification=True)


def read_contract(path: str | Path, contract: Sequence[Column], filters: list[Any] | None = None) -> pd.DataFrame:
    """The columns of a contract, in its order, of all rows or those that pass Arrow's `filters`.

    BadFile when the file is missing or damaged, or lacks a column.
    """
    with parquet_faults(path):
        stored = pq.read_schema(path).names
        if missing := [one.name for one in contract if one.name not in stored]:
            raise BadFile(path, f"column {missing[0]} missing")
        # partitioning=None: the folders' names are not columns.
        return pd.read_parquet(
            path,
            columns=[one.name for one in contract],
            filters=filters,
            partitioning=None,
            page_checksum_verification=True,
        )


def typed(columns: Mapping[str, Any], contract: Sequence[Column]) -> pd.DataFrame:
    """Columns in a contract's order and types; no rows when there are no columns. KeyError for a missing one."""
    return pd.DataFrame(
        {
            one.name: pd.array([str(value) for value in columns[one.name]] if columns else [], dtype="str")
            if one.dtype == "str"
            else np.asarray(columns[one.name] if columns else [], one.dtype)
            for one in contract
        }
    )
