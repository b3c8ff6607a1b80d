"""What can be asked of the whole archive: `ztfpipe tidy` and `disk` of its files, `coverage` of the sky it holds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ztfpipe.cli.commands import add_command, add_nights


def add_housekeeping_commands(pipelines: Any) -> None:
    """Add the commands beside the pipelines."""
    tidy = add_command(pipelines, "tidy", "list what can be made again and is old, and remove it when told to", _tidy)
    tidy.add_argument("--older", type=float, metavar="DAYS", help="in place of the configuration's ages")
    kinds = "split, uncertainty, planted, logs, replaced, temporary; all when not given"
    tidy.add_argument("--kind", nargs="+", default=[], metavar="KIND", help=kinds)
    what = tidy.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="remove nothing, as without --remove")
    what.add_argument("--remove", action="store_true", help="remove it")
    disk = add_command(pipelines, "disk", "what nights take, what is free, and what the next night needs", _disk)
    text = "map and pictures of the sky seen in many nights, and a movie a filter"
    coverage = add_command(pipelines, "coverage", text, _coverage)
    coverage.add_argument(
        "--out",
        type=Path,
        default=Path("coverage"),
        metavar="FOLDER",
        help="where to write them",
    )
    for parser in (disk, coverage):
        add_nights(parser)


def _tidy(call: argparse.Namespace) -> int:
    from ztfpipe.steps.operations.tidying import run_tidy

    return run_tidy(call.config, call.workspace, call.kind, call.older, remove=call.remove)


def _disk(call: argparse.Namespace) -> int:
    from ztfpipe.steps.operations.disk import run_disk

    return run_disk(call.config, call.workspace, call.first, call.last)


def _coverage(call: argparse.Namespace) -> int:
    from ztfpipe.steps.sky_coverage import run_coverage

    return run_coverage(call.config, call.workspace, call.first, call.last, call.out)
