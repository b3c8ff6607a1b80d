"""`ztfpipe lightcurve query`: what the archive's light-curve service answers, from a release below the archive."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ztfpipe.errors import BadKey
from ztfpipe.model.release import Query
from ztfpipe.model.release_query import FORMATS, parameters_of, query_of, release_of
from ztfpipe.products.catalogs.answers import send_answer, write_answer
from ztfpipe.products.catalogs.positions import read_positions
from ztfpipe.steps.lightcurve.searching import OpenRelease
from ztfpipe.steps.workspace import archive_of, configured


@dataclass(frozen=True)
class Wanted:
    """What of a query's answer is wanted: objects in place of light curves, objects of one star grouped, and where to
    write; standard output when there is no path."""

    objects: bool = False
    group: bool = False
    out: Path | None = None


def run_query(
    config_path: Path, workspace: Path | None, words: Sequence[str], positions: Path | None, radius_arcsec: float,
    wanted: Wanted,
) -> int:  # fmt: skip
    """`ztfpipe lightcurve query NAME=VALUE ...`: answer a query of the archive's light-curve service. Returns 0.

    positions: a table with columns ra and dec [deg], whose objects within radius_arcsec are asked for. Raises BadKey
    for a query that cannot be answered, BadFile for a release or a list that cannot be read.
    """
    config = configured(config_path, workspace)
    query, other = query_of(parameters_of(words))
    if positions:
        if query.oids or query.regions:
            raise BadKey("query", "a list of positions", "asked without ID and POS")
        if not 0 < radius_arcsec <= 3600:
            raise BadKey("radius", radius_arcsec, "more than 0 and at most 3600 arcsec")
        query = replace(query, positions=read_positions(positions), radius_deg=radius_arcsec / 3600)
    out = wanted.out.resolve() if wanted.out else None
    with contextlib.chdir(archive_of(config)):
        opened = OpenRelease(release_of(other.get("COLLECTION", "ztf"), releases()))
        table = answer(opened, query, objects=wanted.objects, star_deg=config.release.same_star_arcsec / 3600
                       if wanted.group else None)  # fmt: skip
        form = other.get("FORMAT", FORMATS[0])
        if out:
            write_answer(out, table, form)
        else:
            send_answer(sys.stdout.buffer, table, form)
            sys.stdout.buffer.flush()
    return 0


def releases() -> list[int]:
    """Numbers of the releases below the present archive."""
    found = (re.fullmatch(r"ztf_dr([0-9]+)_files\.parquet", path.name) for path in Path().glob("ops/release/dr*/*"))
    return sorted(int(match[1]) for match in found if match)


def answer(opened: OpenRelease, query: Query, *, objects: bool = False, star_deg: float | None = None) -> pd.DataFrame:
    """Objects or light curves that a query asks for; with star_deg, all objects within this angle of each other have
    one number `star`, by which they are ordered."""
    found, star = opened.find(query), None
    if star_deg is not None and len(found):
        found, star = opened.grouped(found, query, star_deg)
    table = opened.objects(found) if objects else opened.light_curves(found, query)
    if star is not None:
        table["star"] = table["oid"].map(dict(zip(opened.oids(found).tolist(), star.tolist(), strict=True)))
        table = table.sort_values("star", kind="stable", ignore_index=True)
    return table
