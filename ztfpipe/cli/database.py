"""`ztfpipe database update | rebuild | query | snapshot`, the operations database, and `ztfpipe status`."""

from __future__ import annotations

import argparse
import math
from typing import Any

from ztfpipe.cli.commands import add_command, add_nights, add_place, nights_of, place_of


def add_database_commands(pipelines: Any) -> None:
    """Add the commands beside the pipelines."""
    text = "the operations database of exposures, quadrants, masters, failures and run times"
    database = pipelines.add_parser("database", help=text, description=text)
    actions = database.add_subparsers(metavar="ACTION", required=True)
    update = add_command(actions, "update", "bring the rows of a night up to date", _update)
    update.add_argument("--night", required=True, metavar="YYYYMMDD", help="the night")
    add_command(actions, "rebuild", "make it anew from the files of all nights", _rebuild)
    add_command(actions, "snapshot", "make a dated copy in database/snapshots", _snapshot)
    query = add_command(actions, "query", "list rows by place, time and any column", _query)
    tables = "nights, exposures, quadrants, differences, calibration, failures, runs, trends; or images, the default:"
    query.add_argument("--table", default="images", metavar="NAME", help=f"{tables} quadrants beside their differences")
    add_place(query)
    add_nights(query)
    query.add_argument("--since", type=float, default=-math.inf, metavar="JD", help="exposures from this date on")
    query.add_argument("--until", type=float, default=math.inf, metavar="JD", help="exposures up to it")
    condition = "COLUMN and one of < <= > >= = != and a value, such as 'seeing<2'; all of them, if several"
    query.add_argument("--where", action="append", default=[], metavar="CONDITION", help=condition)
    query.add_argument("--columns", default="", metavar="A,B", help="columns to show; all when not given")
    query.add_argument("--limit", type=int, default=0, metavar="N", help="rows at most; all when not given")
    query.add_argument("--csv", action="store_true", help="comma-separated values instead of a table")

    status = add_command(pipelines, "status", "how far a night is: done, failed, left, pace, and when it ends", _status)
    status.add_argument("--night", required=True, metavar="YYYYMMDD", help="the night")


def _update(call: argparse.Namespace) -> int:
    from ztfpipe.steps.operations import database

    return database.run_update(call.config, call.workspace, call.night)


def _rebuild(call: argparse.Namespace) -> int:
    from ztfpipe.steps.operations import database

    return database.run_rebuild(call.config, call.workspace)


def _snapshot(call: argparse.Namespace) -> int:
    from ztfpipe.steps.operations import database

    return database.run_snapshot(call.config, call.workspace)


def _query(call: argparse.Namespace) -> int:
    from ztfpipe.products.database.query import Question
    from ztfpipe.steps.operations import database

    columns = tuple(name.strip() for name in call.columns.split(",") if name.strip())
    question = Question(
        call.table, None, nights_of(call), (call.since, call.until), tuple(call.where), columns, call.limit
    )
    return database.run_query(call.config, call.workspace, question, place_of(call), call.csv)


def _status(call: argparse.Namespace) -> int:
    from ztfpipe.steps.operations.status import run_status

    return run_status(call.config, call.workspace, call.night)
