"""Lists of positions that people ask about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.products.formats.plain import read_table


def read_positions(path: str | Path) -> NDArray[np.float64]:
    """Right ascensions and declinations [deg] of a list, (n, 2): columns ra and dec of a Parquet file or a CSV.

    BadFile when it cannot be read, has no such columns, or holds what is no position.
    """
    path = Path(path)
    try:
        table = read_table(path) if path.suffix == ".parquet" else pd.read_csv(path)
        found = table[["ra", "dec"]].to_numpy(np.float64)
    except FileNotFoundError as error:
        raise BadFile(path, "no such file") from error
    except KeyError as error:
        raise BadFile(path, "columns ra and dec missing") from error
    except ValueError as error:
        raise BadFile(path, f"no list of positions: {error}") from error
    wrong = ~((found[:, 0] >= 0) & (found[:, 0] <= 360) & (np.abs(found[:, 1]) <= 90))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadFile(path, f"row {row}: ra {found[row, 0]}, dec {found[row, 1]} is no position in degrees")
    return found
