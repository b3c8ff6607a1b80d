"""What `ztfpipe` can be asked to do: parse the call, run one step, turn what happened into an exit code.

The table of steps (table.py) is data, so that asking for help imports no science, and a call imports one step's module
only.
Exit codes: 0 done, 2 a call that cannot be done as asked (one sentence on stderr), 75 try again, 1 a bug (traceback).
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ztfpipe.cli.alerts import add_alert_commands
from ztfpipe.cli.campaigns import add_campaign_commands
from ztfpipe.cli.commands import add_command
from ztfpipe.cli.database import add_database_commands
from ztfpipe.cli.housekeeping import add_housekeeping_commands
from ztfpipe.cli.lightcurves import add_lightcurve_commands
from ztfpipe.cli.most import add_most
from ztfpipe.cli.moving import add_moving_commands
from ztfpipe.cli.operations import add_operations_commands
from ztfpipe.cli.references import add_reference_commands
from ztfpipe.cli.table import STEPS, Step
from ztfpipe.errors import EXIT_TRY_AGAIN, TryAgain, ZtfpipeError

EXIT_BAD_CALL = 2
RETRY_PAUSES_S = (1.0, 5.0, 20.0)
"""A full disk or an absent file server is waited for this long between tries; ZTFPIPE_RETRY_PAUSES_S overrides it."""
_NOT_NAMED = object()
"""Instead of an input that the call does not name, unlike one that it names without a file."""
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.EHOSTDOWN, errno.ETIMEDOUT}


def run(argv: list[str]) -> int:
    """Do one call and return its exit code."""
    if argv[:1] == ["snakemake"]:
        return _snakemake(argv[1:])
    try:
        call = parsed(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_BAD_CALL
    try:
        return call.run(call) or 0
    except KeyboardInterrupt:
        return 130
    except ZtfpipeError as error:
        print(f"ztfpipe: {error}", file=sys.stderr)
        return EXIT_TRY_AGAIN if isinstance(error, TryAgain) else EXIT_BAD_CALL


def parsed(argv: list[str]) -> argparse.Namespace:
    """The call. NAME=VALUE words of a query may stand on both sides of an option, which argparse alone refuses."""
    parser = command_parser()
    call, late = parser.parse_known_args(argv)
    if late and not (hasattr(call, "words") and all("=" in word and word[0] != "-" for word in late)):
        parser.error(f"unrecognized arguments: {' '.join(late)}")
    if late:
        call.words = [*call.words, *late]
    return call


def command_parser() -> argparse.ArgumentParser:
    """The parser of every call of `ztfpipe`."""
    parser = argparse.ArgumentParser(prog="ztfpipe", description=__doc__.splitlines()[0])
    pipelines = parser.add_subparsers(metavar="PIPELINE", required=True)
    actions = {}
    for step in STEPS:
        if step.pipeline not in actions:
            pipeline = pipelines.add_parser(step.pipeline, help=f"steps of {step.pipeline}")
            actions[step.pipeline] = pipeline.add_subparsers(metavar="ACTION", required=True)
        _add_step(actions[step.pipeline].add_parser(step.action, help=step.text, description=step.text), step)
    add_reference_commands(actions["reference"])
    add_moving_commands(actions["moving"])
    add_alert_commands(pipelines)
    add_lightcurve_commands(actions["lightcurve"])
    _add_simulate(pipelines)
    add_operations_commands(pipelines)
    add_most(pipelines)
    add_database_commands(pipelines)
    add_campaign_commands(pipelines)
    add_housekeeping_commands(pipelines)
    worker = pipelines.add_parser("worker", help="run a command beside a warm worker that does its steps")
    worker.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    worker.set_defaults(run=_worker)
    pipelines.add_parser("snakemake", help="Snakemake, which then starts warm where there is a worker", add_help=False)
    return parser


def _add_step(parser: argparse.ArgumentParser, step: Step) -> None:
    parser.add_argument("output", help=f"path of the {step.output} below the archive; its key is parsed from it")
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE", help="settings file of the section")
    for one in step.inputs:
        # A name without a value is an input that Snakemake has nothing for.
        count = ("*" if one.optional else "+") if one.many else "?" if one.optional else None
        kind = _archive_path if one.is_path else str
        required = not one.optional and not one.beside
        default = _NOT_NAMED if one.beside else None
        text = f"{one.text}; as --{one.beside[0]} says when not named" if one.beside else one.text
        parser.add_argument(
            f"--{one.name}", type=kind, required=required, default=default, nargs=count, metavar="FILE", help=text
        )
    parser.set_defaults(run=_run_step, step=step)


def _add_simulate(pipelines: Any) -> None:
    parser = add_command(pipelines, "simulate", "make a night of raw files that look like the camera's", _simulate)
    parser.add_argument("--night", metavar="YYYYMMDD", help="the night; that of the configuration when not given")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")


def _simulate(call: argparse.Namespace) -> int:
    from ztfpipe.steps.simulate import run_simulate

    return run_simulate(call.config, call.night, call.jobs, call.workspace)


def _archive_path(text: str) -> Path:
    """A path as steps take it: the workflow spells an earlier night's product from outside the archive."""
    return Path(text.removeprefix("../archive/"))


def _run_step(call: argparse.Namespace) -> int:
    step: Step = call.step
    function = getattr(importlib.import_module(f"ztfpipe.steps.{step.pipeline}"), step.action)
    inputs = _inputs(call, step)
    started = time.perf_counter()
    _patiently(lambda: function(call.output, call.settings, **inputs))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"ztfpipe {step.pipeline} {step.action}: {time.perf_counter() - started:.2f} s, "
        f"{used.ru_utime + used.ru_stime:.2f} CPU s, {used.ru_maxrss / 1024:.0f} MB",
        file=sys.stderr,
    )
    return 0


def _inputs(call: argparse.Namespace, step: Step) -> dict[str, Any]:
    """What the call names, and beside it what the same jobs have made."""
    from ztfpipe.products.names import beside

    inputs = {one.name: getattr(call, one.name) for one in step.inputs}
    for one in step.inputs:
        if one.beside and inputs[one.name] is _NOT_NAMED:
            other, product = one.beside
            inputs[one.name] = Path(beside(inputs[other], product)) if inputs[other] else None
    return inputs


def _patiently(work: Callable[[], object]) -> None:
    """Do `work`, again after growing pauses while it raises TryAgain or the system reports a fault that passes."""
    pauses = [float(text) for text in os.environ.get("ZTFPIPE_RETRY_PAUSES_S", "").split(",") if text]
    for pause in [*(pauses or RETRY_PAUSES_S), None]:
        try:
            work()
            return
        except TryAgain as error:
            fault = error
        except OSError as error:
            if error.errno not in _PASSING:
                raise
            fault = TryAgain(error.filename or "a file", error.strerror or str(error))
        if pause is None:
            raise fault
        print(f"ztfpipe: {fault}; trying again in {pause:g} s", file=sys.stderr, flush=True)
        time.sleep(pause)


def _snakemake(words: list[str]) -> int:
    """Snakemake with its own words, which no parser of ours touches."""
    from snakemake.cli import main

    sys.argv = ["snakemake", *words]  # the workflow reads it to refuse strange targets
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _worker(call: argparse.Namespace) -> int:
    from ztfpipe.cli.worker import serve

    command = call.command[1:] if call.command[:1] == ["--"] else call.command
    if not command:
        print("ztfpipe: worker needs a command to run: ztfpipe worker -- COMMAND", file=sys.stderr)
        return EXIT_BAD_CALL
    return serve(command, run)
