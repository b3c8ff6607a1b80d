"""What can be asked of data releases of light curves: `ztfpipe lightcurve query | export`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ztfpipe.cli.commands import add_command


def add_release_commands(actions: Any) -> None:
    """Add the commands to the actions of `lightcurve`."""
    text = "answer a query of the archive's light-curve service from a release"
    query = add_command(actions, "query", text, _query)
    parameters = (
        "ID, POS (CIRCLE ra dec r | RANGE ra1 ra2 dec1 dec2 | POLYGON ra dec ...), BANDNAME, NOBS_MIN, MAG, TIME,"
        " BAD_CATFLAGS_MASK, COLLECTION, FORMAT, and WHERE with conditions on statistics; or a whole query string"
    )
    query.add_argument("words", nargs="*", metavar="NAME=VALUE", help=parameters)
    query.add_argument("--positions", type=Path, metavar="FILE", help="CSV or Parquet with columns ra and dec")
    query.add_argument(
        "--radius",
        type=float,
        default=1.5,
        metavar="ARCSEC",
        help="of objects from those positions",
    )
    query.add_argument("--objects", action="store_true", help="objects with their statistics, not light curves")
    query.add_argument("--group", action="store_true", help="all objects of each star, under one number")
    query.add_argument("--out", type=Path, metavar="FILE", help="in place of standard output")

    text = "copy a release's light curves and objects, of all fields or some, or make a HATS catalog of them"
    export = add_command(actions, "export", text, _export)
    export.add_argument("number", type=int, metavar="N", help="number of the release")
    export.add_argument("folder", type=Path, metavar="FOLDER", help="where to")
    export.add_argument("--fields", type=int, nargs="+", default=[], metavar="ID", help="all when not given")
    export.add_argument("--hats", action="store_true", help="one catalog in the HATS layout, for LSDB")


def _query(call: argparse.Namespace) -> int:
    from ztfpipe.steps.lightcurve import querying

    wanted = querying.Wanted(call.objects, call.group, call.out)
    return querying.run_query(call.config, call.workspace, call.words, call.positions, call.radius, wanted)


def _export(call: argparse.Namespace) -> int:
    from ztfpipe.steps.lightcurve import exporting

    return exporting.run_export(call.config, call.workspace, call.number, call.folder, call.fields, call.hats)
