"""Light curves of a data release: Parquet in the archive's layout, one row per source."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ztfpipe.methods.sky.regions import spread
from ztfpipe.model.dates import JD_OF_MJD_ZERO
from ztfpipe.model.identifiers import light_curve_id
from ztfpipe.model.keys import ReferenceKey
from ztfpipe.model.release import Released
from ztfpipe.products.formats.atomic import atomic_write, write_text

SCHEMA = pa.schema(
    [
        ("objectid", pa.int64()),
        ("filterid", pa.int8()),
        ("fieldid", pa.int16()),
        ("rcid", pa.int8()),
        ("objra", pa.float32()),
        ("objdec", pa.float32()),
        ("nepochs", pa.int64()),
        ("hmjd", pa.list_(pa.field("item", pa.float64()))),
        ("mag", pa.list_(pa.field("item", pa.float32()))),
        ("magerr", pa.list_(pa.field("item", pa.float32()))),
        ("clrcoeff", pa.list_(pa.field("item", pa.float32()))),
        ("catflags", pa.list_(pa.field("item", pa.int32()))),
        ("__index_level_0__", pa.int64()),
    ]
)
"""Of the archive's files since release 12."""
_INDEX = "__index_level_0__"
_PANDAS_TYPES = {"float": "float32", "double": "float64"}


def write_light_curves(path: str | Path, key: ReferenceKey, fid: int, found: Released) -> int:
    """Write the light curves of a field, quadrant and filter; snappy, one row group, the match id as pandas' index.

    Objects without a measurement are none; light curves are in order of the match id. Their number.
    """
    table = light_curve_table(key, fid, found)
    with atomic_write(path) as temporary:
        pq.write_table(
            table, temporary, compression="snappy", row_group_size=max(len(table), 1), use_compliant_nested_type=False
        )  # fmt: skip
    return len(table)


def light_curve_table(key: ReferenceKey, fid: int, found: Released) -> pa.Table:
    """The light curves of a file as its table."""
    seen = np.flatnonzero(np.diff(found.start))
    seen = seen[np.argsort(found.sources["matchid"][seen], kind="stable")]
    sources, n = found.sources[seen], len(seen)
    count = found.start[seen + 1] - found.start[seen]
    _, rows = spread(found.start[seen], count)
    data = found.data[rows]
    offsets = pa.array(np.concatenate([[0], np.cumsum(count)]).astype(np.int32))

    def curve(name: str, values: NDArray) -> pa.Array:
        kind = SCHEMA.field(name).type
        return pa.ListArray.from_arrays(offsets, pa.array(values, kind.value_type), type=kind)

    matchid = sources["matchid"].astype(np.int64)
    oid = light_curve_id(key.field, fid, key.ccdid, key.qid, 0) + matchid
    scalars = {
        "objectid": oid,
        "filterid": np.full(n, fid),
        "fieldid": np.full(n, key.field),
        "rcid": np.full(n, key.rcid),
        "objra": sources["ra"].astype(np.float32),
        "objdec": sources["dec"].astype(np.float32),
        "nepochs": count,
        _INDEX: matchid,
    }
    columns = {name: pa.array(values, SCHEMA.field(name).type) for name, values in scalars.items()}
    # Five decimals, a second, as in the archive's files; single precision would give five minutes.
    columns["hmjd"] = curve("hmjd", np.round(data["hjd"] - JD_OF_MJD_ZERO, 5))
    columns |= {name: curve(name, data[name]) for name in ("mag", "magerr", "catflags")}
    columns["clrcoeff"] = curve("clrcoeff", found.exposures["clrcoeff"][found.epoch[rows]])
    table = pa.Table.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)
    return table.replace_schema_metadata({"pandas": _pandas_metadata()})


def write_checksums(folder: Path) -> None:
    """Write checksum.md5 of the Parquet files of a folder, as md5sum has it."""
    lines = []
    for path in sorted(folder.glob("*.parquet")):
        with path.open("rb") as stream:
            lines.append(f"{hashlib.file_digest(stream, 'md5').hexdigest()}  {path.name}\n")
    write_text(folder / "checksum.md5", "".join(lines))


def _pandas_metadata() -> str:
    """What makes pandas take the last column as the index."""

    def column(field: pa.Field) -> dict[str, str | None]:
        kind = _PANDAS_TYPES.get(str(field.type), str(field.type))
        listed = pa.types.is_list(field.type)
        return {
            "name": None if field.name == _INDEX else field.name,
            "field_name": field.name,
            "pandas_type": "list" if listed else kind,
            "numpy_type": "object" if listed else kind,
            "metadata": None,
        }

    head = {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    columns = [column(field) for field in SCHEMA]
    content = {"index_columns": [_INDEX], "column_indexes": [head], "columns": columns, "pandas_version": "2.0"}
    return json.dumps(content)
