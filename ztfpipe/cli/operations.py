"""What an operator can ask: `ztfpipe operate` runs a night while it arrives, `ztfpipe stale` lists what is outdated."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ztfpipe.cli.commands import add_command


def add_operations_commands(pipelines: Any) -> None:
    """Add the commands beside the pipelines."""
    operate = add_command(pipelines, "operate", "run a night while it arrives, and end it", _operate)
    operate.add_argument("--night", required=True, metavar="YYYYMMDD", help="the night")
    operate.add_argument("--project", type=Path, default=Path.cwd(), metavar="FOLDER", help="where the Snakefile is")
    operate.add_argument("--profile", default="profiles/local", metavar="FOLDER", help="Snakemake's profile")
    operate.add_argument("--cores", metavar="N", help="in place of the profile's")
    place = "give each run an allocation of --cores processors on one node of this SLURM partition"
    operate.add_argument("--partition", metavar="NAME", help=place)
    srun = "more words for srun, in one quoted string: '--account=ztf --time=60'"
    operate.add_argument("--srun", default="", metavar="WORDS", help=srun)
    operate.add_argument(
        "--until",
        default="15:00",
        metavar="HH:MM",
        help="UT when no more will come, of the night's date or with a date of its own; or now",
    )
    operate.add_argument("--batch", type=int, default=4, metavar="N", help="exposures in one run of Snakemake")
    operate.add_argument("--pause", type=float, default=5.0, metavar="S", help="seconds between looks at the folder")
    due = "new epochs that make a matchfile due at the end of the night"
    operate.add_argument("--due", type=int, default=10, metavar="N", help=due)
    add_command(pipelines, "stale", "list the products that an upgrade or a changed setting would touch", _stale)


def _operate(call: argparse.Namespace) -> int:
    from ztfpipe.cli.worker import held_worker
    from ztfpipe.steps.operations.night import run_operate

    options = ["--profile", call.profile, *(["--cores", call.cores] if call.cores else [])]
    until = _time(call.night, call.until)
    # Told to end, an operator ends as by Ctrl-C: its run first.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    asked = (call.night, call.config, call.workspace, call.project, options, until, call.batch, call.pause, call.due)
    if call.partition:
        return run_operate(*asked, allocation=_allocation(call))
    with held_worker() as environment:
        return run_operate(*asked, environment)


def _allocation(call: argparse.Namespace) -> tuple[str, ...]:
    """Words for srun, as --partition, --cores and --srun say."""
    from ztfpipe.errors import BadKey
    from ztfpipe.steps.operations.allocations import asked_of_slurm

    if not (call.cores or "").isdigit() or int(call.cores) < 1:
        raise BadKey("--cores", call.cores, "a number of processors, which --partition needs")
    return asked_of_slurm(call.partition, int(call.cores), shlex.split(call.srun))


def _time(night: str, text: str) -> datetime:
    """A time of a night's UT date, or of another date when it says so."""
    from ztfpipe.errors import BadKey

    if text == "now":
        return datetime.now(UTC)
    try:
        if "T" in text:
            asked = datetime.fromisoformat(text)
            return asked if asked.tzinfo else asked.replace(tzinfo=UTC)
        return datetime.strptime(f"{night} {text}", "%Y%m%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise BadKey("time", text, "HH:MM of a night YYYYMMDD, YYYY-MM-DDTHH:MM, or now") from None


def _stale(call: argparse.Namespace) -> int:
    from ztfpipe.steps.operations.stale import run_stale

    return run_stale(call.config, call.workspace)
