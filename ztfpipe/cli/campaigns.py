"""What an operator can ask of campaigns: `ztfpipe campaign KIND [plan | run | compare | adopt] --filter ...`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from ztfpipe.cli.commands import add_command

ACTIONS = {
    "plan": "say what it takes, and do nothing",
    "run": "make what is not made yet, in batches",
    "compare": "set the new products beside the old ones",
    "adopt": "put the new products in the place of the old ones",
}
_NARROWED = ("field", "ccd", "quadrant")


def add_campaign_commands(pipelines: Any) -> None:
    """Add `campaign` beside the pipelines."""
    from ztfpipe.model.campaign import CAMPAIGN_KINDS

    text = "bulk work on many nights: plan, run, compare, adopt"
    kinds = pipelines.add_parser("campaign", help=text, description=text).add_subparsers(metavar="KIND", required=True)
    for kind, what in CAMPAIGN_KINDS.items():
        parser = add_command(kinds, kind, what, _campaign)
        words = "; ".join(f"{name}: {said}" for name, said in ACTIONS.items())
        parser.add_argument("action", nargs="?", choices=ACTIONS, default="plan", metavar="ACTION", help=words)
        parser.add_argument(
            "--filter", required=True, metavar="FILTER", choices=("zg", "zr", "zi"), help="zg, zr or zi"
        )
        parser.add_argument("--from", dest="first", required=True, metavar="YYYYMMDD", help="the first night")
        parser.add_argument("--to", dest="last", required=True, metavar="YYYYMMDD", help="the last night")
        for name in _NARROWED:
            parser.add_argument(f"--{name}", type=int, metavar="N", help=f"of this {name} only")
        parser.add_argument("--name", metavar="NAME", help="in place of a name made of the above")
        if kind == "fringe":
            version = "version of the fringe templates; the newest usable one of each quadrant when not given"
            parser.add_argument("--templates", metavar="YYYYMMDD", help=version)
        parser.add_argument("--batch", type=int, default=2000, metavar="N", help="units in one run of Snakemake")
        parser.add_argument("--project", type=Path, default=Path.cwd(), metavar="FOLDER", help="where the Snakefile is")
        parser.add_argument("--profile", default="profiles/local", metavar="FOLDER", help="profiles/bulk on a cluster")
        parser.add_argument("--cores", type=int, metavar="N", help="in place of the profile's")
        parser.add_argument("--incomplete", action="store_true", help="adopt though units are missing")
        parser.add_argument("--discard", action="store_true", help="adopt, and remove the old products")
        parser.set_defaults(kind=kind, templates=None)


def _campaign(call: argparse.Namespace) -> int:
    from ztfpipe.cli.worker import held_worker
    from ztfpipe.steps.operations.campaigns import adopting, comparing, running

    config, workspace = running.workspace_of(call.config, call.workspace, call.project)
    narrowed = {name: value for name in _NARROWED if (value := getattr(call, name)) is not None}
    asked = running.asked_for(call.kind, call.name, call.filter, call.first, call.last, narrowed)
    campaign = running.campaign_of(asked, config, workspace, call.templates)
    if call.action == "plan":
        return running.run_plan(campaign, config, workspace, call.cores or 1)
    if call.action == "compare":
        return comparing.run_compare(campaign, config, workspace)
    if call.action == "adopt":
        return adopting.run_adopt(campaign, config, workspace, incomplete=call.incomplete, discard=call.discard)
    options = ["--profile", call.profile, *(["--cores", str(call.cores)] if call.cores else [])]
    options += ["--configfile", str(call.config.resolve())]
    # Told to end, a campaign ends as by Ctrl-C: its run first.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with held_worker() as environment:
        return running.run_run(campaign, config, workspace, call.project, options, call.batch, environment)
