"""Catalogs in the HATS layout: Parquet in partitions of the sky, as LSDB and others read them.

Source: the documentation of HATS (hierarchical adaptive tiling scheme): properties, partition_info.csv and
dataset/Norder=/Dir=/Npix=, with rows in order of the column _healpix_29.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ztfpipe.methods.sky.healpix import partitions, pixels_of
from ztfpipe.products.catalogs.light_curves import SCHEMA
from ztfpipe.products.formats.atomic import atomic_write, write_text
from ztfpipe.products.formats.plain import parquet_faults

DEEPEST = 29
SPATIAL = f"_healpix_{DEEPEST}"
_COLUMNS = [field for field in SCHEMA if field.name != "__index_level_0__"]
HATS_SCHEMA = pa.schema([pa.field(SPATIAL, pa.int64()), *_COLUMNS])
_FOLDER_PIXELS = 10_000


class HatsCatalog:
    """A catalog of light curves being written to a folder, from files of a release.

    files: Parquet files of light curves; pixels: of each file the partitions' finest pixels that it touches, which
    `finest` counts.
    """

    def __init__(self, folder: Path, name: str, files: Sequence[Path], *, rows_max: int, order_max: int) -> None:
        self.folder, self.name, self.files = folder, name, files
        self._rows_max, self._order_max = rows_max, order_max
        self._pixels = [self._finest(path) for path in files]
        every = np.concatenate(self._pixels) if self._pixels else np.zeros(0, np.int64)
        pixel, count = np.unique(every, return_counts=True)
        self.rows = int(count.sum())
        self.partitions = partitions(order_max, dict(zip(pixel.tolist(), count.tolist(), strict=True)), rows_max)
        self._touched = [np.unique(one) for one in self._pixels]

    def write(self) -> int:
        """Write the whole catalog, the properties last: with them it exists. Its number of rows."""
        collected: list[pq.FileMetaData] = []
        for order, pixel in self.partitions:
            collected.append(self._write_partition(order, pixel))
        dataset = self.folder / "dataset"
        with atomic_write(dataset / "_common_metadata") as temporary:
            pq.write_metadata(HATS_SCHEMA, temporary)
        with atomic_write(dataset / "_metadata") as temporary:
            pq.write_metadata(HATS_SCHEMA, temporary, metadata_collector=collected)
        lines = [f"{order},{pixel}\n" for order, pixel in self.partitions]
        write_text(self.folder / "partition_info.csv", "".join(["Norder,Npix\n", *lines]))
        size = sum(path.stat().st_size for path in dataset.rglob("*.parquet"))
        properties = "".join(f"{name}={value}\n" for name, value in self._properties(size).items())
        for name in ("properties", "hats.properties"):
            write_text(self.folder / name, f"#HATS catalog\n{properties}")
        return self.rows

    def _finest(self, path: Path) -> NDArray[np.int64]:
        with parquet_faults(path):
            table = pq.read_table(path, columns=["objra", "objdec"], partitioning=None)
        return pixels_of(self._order_max, table["objra"].to_numpy(), table["objdec"].to_numpy())

    def _write_partition(self, order: int, pixel: int) -> pq.FileMetaData:
        """Write one partition; its metadata, as the catalog's _metadata has it."""
        shift = 2 * (self._order_max - order)
        chosen = [path for path, one in zip(self.files, self._touched, strict=True) if (one >> shift == pixel).any()]
        table = pa.concat_tables(_rows_of(chosen, order, pixel)).sort_by(SPATIAL)
        inner = f"Norder={order}/Dir={pixel // _FOLDER_PIXELS * _FOLDER_PIXELS}/Npix={pixel}.parquet"
        collected: list[pq.FileMetaData] = []
        with atomic_write(self.folder / "dataset" / inner) as temporary:
            pq.write_table(table, temporary, compression="zstd", metadata_collector=collected)
        collected[0].set_file_path(inner)
        return collected[0]

    def _properties(self, size: int) -> dict[str, object]:
        area = sum(1.0 / (12 * 4.0**order) for order, _ in self.partitions)
        return {
            "obs_collection": self.name,
            "dataproduct_type": "object",
            "hats_nrows": self.rows,
            "hats_col_ra": "objra",
            "hats_col_dec": "objdec",
            "hats_col_healpix": SPATIAL,
            "hats_col_healpix_order": DEEPEST,
            "hats_npix_suffix": ".parquet",
            "hats_max_rows": self._rows_max,
            "hats_order": max((order for order, _ in self.partitions), default=0),
            "moc_sky_fraction": f"{area:.8f}",
            "hats_estsize": size // 1024,
            "hats_builder": "ztfpipe",
            "hats_creation_date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MUTC"),
            "hats_version": "v1.0",
        }


def _rows_of(files: Iterable[Path], order: int, pixel: int) -> list[pa.Table]:
    """Light curves of files that a pixel holds, with the column _healpix_29. BadFile for one that cannot be read."""
    parts = []
    for path in files:
        with parquet_faults(path):
            table = pq.read_table(path, columns=[field.name for field in _COLUMNS], partitioning=None)
        place = pixels_of(DEEPEST, table["objra"].to_numpy(), table["objdec"].to_numpy())
        inside = pa.array(place >> 2 * (DEEPEST - order) == pixel)
        table = table.add_column(0, HATS_SCHEMA.field(0), pa.array(place)).filter(inside)
        parts.append(table.replace_schema_metadata(None).cast(HATS_SCHEMA))
    return parts
