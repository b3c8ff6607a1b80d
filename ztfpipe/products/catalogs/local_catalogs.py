"""Local copies of catalogs: one Parquet file, a folder of them, or a HATS catalog; only what lies near is read.

HATS (Hierarchical Adaptive Tiling Scheme): `dataset/Norder=K/Dir=D/Npix=N.parquet`, one file or folder for each nested
HEALPix pixel of order K. Partitions are chosen by their pixels, row groups by the statistics of their positions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.methods.sky.healpix import pixels_near
from ztfpipe.model.skycatalogs import Cone
from ztfpipe.products.formats.atomic import machine_faults
from ztfpipe.products.formats.plain import parquet_faults

GAIA_COLUMNS = {
    name: name
    for name in (
        *("source_id", "ra", "dec", "ra_error", "dec_error", "pmra", "pmdec"),
        *("phot_g_mean_mag", "ruwe", "ref_epoch"),
    )
}
"""Our names of Gaia's columns, and those of its files."""
PS1_COLUMNS = {
    **{"objid": "objID", "ra": "raMean", "dec": "decMean", "n_detections": "nDetections", "star_score": "ps_score"},
    **{f"{band}_mag": f"{band}MeanPSFMag" for band in "griz"},
    **{f"{band}_mag_error": f"{band}MeanPSFMagErr" for band in "griz"},
    **{f"{band}_mag_std": f"{band}MeanPSFMagStd" for band in "griz"},
}
"""Our names of PS1's columns, and those of its mean-object tables with the score of HLSP PS1-PSC beside them."""
BRIGHT_COLUMNS = {"ra": "ra", "dec": "dec", "v_mag": "v_mag"}
OPTIONAL = frozenset({"ruwe", "ref_epoch", "star_score", *(f"{band}_mag_std" for band in "griz")})
"""Columns that a copy may lack."""

_PARTITION = re.compile(r"Norder=(\d+)/Dir=\d+/Npix=(\d+)(?:\.parquet|/.*\.parquet)$")


def read_local(
    path: str | Path, cone: Cone, columns: Mapping[str, str], optional: Collection[str] = OPTIONAL
) -> dict[str, NDArray[Any]]:
    """Columns of the rows near a cone, under our names.

    columns: our name of each column, `ra` and `dec` [deg] among them, and its name in the files. All rows of the cone
    are there, and some around it. Nulls become NaN. Raises BadFile when there is no such catalog, a file cannot be
    read, or a column that is not optional is missing; TryAgain when the machine fails.
    """
    path = Path(path)
    with machine_faults(path):
        parts = [_read_file(file, cone, columns, optional) for file in files_near(path, cone)]
    kept = [name for name in columns if all(name in part for part in parts)]
    empty = {name: np.zeros(0) for name in columns}
    return {name: np.concatenate([part[name] for part in parts]) for name in kept} if parts else empty


def files_near(path: Path, cone: Cone) -> list[Path]:
    """The files of a local copy that may hold rows of the cone, sorted. BadFile when there is no such catalog."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise BadFile(path, "no such catalog")
    files = sorted(path.rglob("*.parquet"))
    placed = [(file, match) for file in files if (match := _PARTITION.search(file.as_posix()))]
    if not placed:
        if not files:
            raise BadFile(path, "a catalog without Parquet files")
        return files
    orders = np.array([int(match[1]) for _, match in placed])
    pixels = np.array([int(match[2]) for _, match in placed])
    near = np.zeros(len(placed), bool)
    for order in np.unique(orders):
        here = orders == order
        near[here] = pixels_near(int(order), pixels[here], cone)
    return [file for (file, _), wanted in zip(placed, near, strict=True) if wanted]


def _read_file(
    path: Path, cone: Cone, columns: Mapping[str, str], optional: Collection[str]
) -> dict[str, NDArray[Any]]:
    with parquet_faults(path):
        with pq.ParquetFile(path) as file:
            stored = set(file.schema_arrow.names)
        missing = [theirs for ours, theirs in columns.items() if theirs not in stored and ours not in optional]
        if missing:
            raise BadFile(path, f"column {missing[0]} missing")
        wanted = {ours: theirs for ours, theirs in columns.items() if theirs in stored}
        # partitioning=None: the folders' names are not columns.
        table = pq.read_table(
            path,
            columns=list(dict.fromkeys(wanted.values())),
            filters=_near(cone, columns["ra"], columns["dec"]),
            partitioning=None,
        )
    return {ours: table[theirs].to_numpy() for ours, theirs in wanted.items()}


def _near(cone: Cone, ra: str, dec: str) -> pc.Expression:
    """A condition on the stored position that all of the cone fulfils, simple enough for row-group statistics."""
    south, north = cone.dec_deg - cone.radius_deg, cone.dec_deg + cone.radius_deg
    condition = (pc.field(dec) >= south) & (pc.field(dec) <= north)
    sine = math.sin(math.radians(cone.radius_deg)) / max(math.cos(math.radians(cone.dec_deg)), 1e-12)
    if north >= 90 or south <= -90 or sine >= 1:
        return condition
    # The widest reach in right ascension of a small circle away from the poles.
    half = math.degrees(math.asin(sine)) + 1e-9
    west, east = (cone.ra_deg - half) % 360, (cone.ra_deg + half) % 360
    if west <= east:
        return condition & (pc.field(ra) >= west) & (pc.field(ra) <= east)
    return condition & ((pc.field(ra) >= west) | (pc.field(ra) <= east))
