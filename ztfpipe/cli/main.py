"""What `ztfpipe` can be asked to do: parse the call, run one step, turn what happened into an exit code.

The table of steps is data, so that asking for help imports no science, and a call imports one step's module only.
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
from dataclasses import dataclass
from pathlib import Path

from ztfpipe.cli.alerts import add_alert_commands
from ztfpipe.cli.campaigns import add_campaign_commands
from ztfpipe.cli.database import add_database_commands
from ztfpipe.cli.housekeeping import add_housekeeping_commands
from ztfpipe.cli.lightcurves import add_lightcurve_commands
from ztfpipe.cli.most import add_most
from ztfpipe.cli.moving import add_moving_commands
from ztfpipe.cli.operations import add_operations_commands
from ztfpipe.cli.references import add_reference_commands
from ztfpipe.errors import EXIT_TRY_AGAIN, TryAgain, ZtfpipeError

EXIT_BAD_CALL = 2
RETRY_PAUSES_S = (1.0, 5.0, 20.0)
"""A full disk or an absent file server is waited for this long between tries; ZTFPIPE_RETRY_PAUSES_S overrides it."""
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.EHOSTDOWN, errno.ETIMEDOUT}


@dataclass(frozen=True)
class Input:
    """A named input of a step: one path, or `many`; `optional` when the step can do without; or a text."""

    name: str
    text: str
    many: bool = False
    optional: bool = False
    is_path: bool = True


@dataclass(frozen=True)
class Step:
    """A function of steps/PIPELINE.py, called as function(output, settings, **inputs)."""

    pipeline: str
    action: str
    text: str
    output: str
    inputs: tuple[Input, ...] = ()


_FRAMES = Input("frames", "raw files of the frames to stack, in order of time", many=True)
_PREVIOUS = Input("previous", "the most recent earlier master, to compare with", optional=True)
_PLAN = Input("plan", "the night's plan")
_NAMES = Input("names", "the night's names of objects")
_NOTE = Input("note", "sentence for header and log", optional=True, is_path=False)
_LISTED = (Input("frames", "the frozen list of images, which are read by their names in it"),)
STEPS = (
    Step("ingest", "verify", "check one file sent, archive it", "ingestrecord", (Input("incoming", "the file sent"),)),
    Step(
        "ingest",
        "archive",
        "copy an accepted file to its archive path again",
        "raw",
        (Input("incoming", "the file sent"), Input("record", "its record")),
    ),
    Step("ingest", "arrived", "say what has been verified of the incoming folder", "arrived"),
    Step("ingest", "manifest", "make the night's accounts", "manifest"),
    Step("ingest", "plan", "freeze what the graph may know", "plan", (Input("manifest", "the night's accounts"),)),
    Step("calibration", "split", "correct one quadrant for its overscan", "split", (Input("raw", "the raw file"),)),
    Step("calibration", "bias", "stack a bias master", "bias", (_FRAMES, _PREVIOUS, _NOTE)),
    Step(
        "calibration",
        "flat",
        "stack a flat master",
        "hifreqflat",
        (_FRAMES, Input("bias", "the bias master to subtract"), _PREVIOUS, _NOTE),
    ),
    Step("science", "calibrators", "make a quadrant's calibrator and context catalogs", "gaiacalibrators"),
    Step("science", "covered", "say that the catalogs of a night's fields have been made", "covered"),
    Step(
        "science",
        "image",
        "make a quadrant's science image and its companions",
        "sciimg",
        (
            Input("raw", "the raw file"),
            Input("bias", "the bias master", optional=True),
            Input("flat", "the flat master", optional=True),
            Input("gaia", "astrometric calibrators", optional=True),
            Input("ps1", "photometric calibrators", optional=True),
            Input("bright", "bright stars around", optional=True),
            Input("lofreqflat", "the low-frequency responsivity", optional=True),
            Input("fringe", "the fringe template", optional=True),
        ),
    ),
    Step("templates", "fringe_frames", "freeze the list of images of a fringe template", "fringeframes"),
    Step("templates", "fringe", "learn the fringes of a quadrant", "fringe", _LISTED),
    Step("templates", "lofreqflat_frames", "freeze the list of images of a low-frequency map", "lofreqflatframes"),
    Step("templates", "lofreqflat", "map the response of a quadrant to stars", "lofreqflat", _LISTED),
    Step(
        "science",
        "uncertainty",
        "make the uncertainty image of a science image",
        "sciunc",
        (Input("image", "the science image"), Input("mask", "its mask")),
    ),
    Step(
        "science",
        "measure",
        "measure a science image of the public archive",
        "measuredsciimg",
        (
            Input("sciimg", "the archive's image"),
            Input("mskimg", "its mask", optional=True),
            Input("gaia", "astrometric calibrators", optional=True),
            Input("ps1", "photometric calibrators", optional=True),
            Input("bright", "bright stars around", optional=True),
        ),
    ),
    Step("reference", "check", "find the fields that have become ready", "references", (_PLAN,)),
    Step(
        "reference",
        "coadd",
        "make one version of a reference",
        "vrefimg",
        (Input("inputs", "the version's frozen list of inputs"),),
    ),
    Step("reference", "publish", "give a version the archive's names", "refimg", (Input("version", "its image"),)),
    Step(
        "difference",
        "image",
        "subtract the reference from a science image and extract events",
        "scimrefdiffimg",
        (
            Input("image", "the science image"),
            Input("mask", "its mask"),
            Input("psfcat", "its PSF catalog"),
            Input("refimg", "the reference"),
            Input("refmsk", "its mask"),
            Input("refunc", "its uncertainty"),
            Input("refpsfcat", "its PSF catalog"),
            Input("ps1", "all PS1 objects around", optional=True),
            Input("gaia", "all Gaia sources around", optional=True),
            Input("bodies", "the night's table of known solar-system bodies", optional=True),
        ),
    ),
    Step(
        "lightcurve",
        "match",
        "bring a matchfile to its frozen list of epochs",
        "matchfile",
        (Input("epochs", "the frozen list"),),
    ),
    Step(
        "difference",
        "planted",
        "plant sources of known flux into a quadrant and look for them in its difference",
        "planted",
        (
            Input("planting", "settings of what to plant"),
            Input("image", "the science image"),
            Input("mask", "its mask"),
            Input("psfcat", "its PSF catalog"),
            Input("refimg", "the reference"),
            Input("refmsk", "its mask"),
            Input("refunc", "its uncertainty"),
            Input("refpsfcat", "its PSF catalog"),
            Input("candidates", "candidates of the difference as it is"),
            Input("diffqa", "record of the difference as it is"),
        ),
    ),
    Step(
        "difference",
        "efficiency",
        "make a night's efficiency against magnitude",
        "efficiency",
        (Input("tables", "tables of planted sources", many=True),),
    ),
    Step(
        "moving",
        "known",
        "make the night's table of known solar-system bodies",
        "known",
        (Input("orbits", "the site's catalog of orbits", optional=True),),
    ),
    Step("moving", "detections", "gather a night's candidates that may be moving objects", "detections", (_PLAN,)),
    Step(
        "moving",
        "tracks",
        "link the detections of up to four nights and fit orbits",
        "tracks",
        (
            Input("detections", "detections of this night and of nights before", many=True),
            Input("looks", "images of these nights", many=True),
            Input("streaks", "the night's streaks to be vetted"),
            Input("known", "the night's table of known solar-system bodies"),
        ),
    ),
    Step(
        "moving",
        "sofar",
        "link what a night has before a time of it, provisionally",
        "sofartracks",
        (
            _PLAN,
            Input("known", "the night's table of known solar-system bodies"),
            Input("detections", "detections of nights before", many=True, optional=True),
            Input("looks", "images of nights before", many=True, optional=True),
        ),
    ),
    Step(
        "moving",
        "report",
        "write what goes to the Minor Planet Center",
        "adespsv",
        (
            Input("tracks", "the night's tracks"),
            Input("members", "their detections"),
            Input("streaks", "the night's streaks to be vetted"),
            Input("decisions", "what a person decided on the page", optional=True),
        ),
    ),
    Step("alerts", "names", "give names to objects and bring histories up to date", "objectnames", (_PLAN,)),
    Step("alerts", "exposure", "make the packets of an exposure", "alertsqa", (_PLAN, _NAMES)),
    Step("alerts", "quadrant", "make the packets of one quadrant", "alerts", (_NAMES,)),
    Step("alerts", "night", "gather a program's packets of a night", "nightalerts", (_PLAN,)),
    Step("quality", "coverage", "map the sky seen", "skymap", (Input("epochs", "the night's science images"),)),
    Step(
        "quality",
        "report",
        "write the night's report",
        "nightreport",
        (
            Input("manifest", "the night's accounts"),
            _PLAN,
            Input("references", "the night's list of references", optional=True),
            Input("masters", "masters made tonight", many=True, optional=True),
            Input("raw", "raw files of one exposure to show", many=True, optional=True),
            Input("sky", "pictures of the sky seen", many=True, optional=True),
        ),
    ),
)


def run(argv: list[str]) -> int:
    """Do one call and return its exit code."""
    if argv[:1] == ["snakemake"]:
        return _snakemake(argv[1:])
    try:
        call = _parser().parse_args(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_BAD_CALL
    try:
        return call.run(call) or 0
    except KeyboardInterrupt:
        return 130
    except ZtfpipeError as error:
        print(f"ztfpipe: {error}", file=sys.stderr)
        return EXIT_TRY_AGAIN if isinstance(error, TryAgain) else EXIT_BAD_CALL


def _parser() -> argparse.ArgumentParser:
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
    _add_simulate(pipelines.add_parser("simulate", help="make a night of raw files that look like the camera's"))
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
        required = not one.optional
        parser.add_argument(f"--{one.name}", type=kind, required=required, nargs=count, metavar="FILE", help=one.text)
    parser.set_defaults(run=_run_step, step=step)


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--night", metavar="YYYYMMDD", help="the night; that of the configuration when not given")
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="configuration")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="number of processes")
    parser.add_argument("--workspace", type=Path, metavar="FOLDER", help="in place of the configuration's")
    parser.set_defaults(run=_simulate)


def _simulate(call: argparse.Namespace) -> int:
    from ztfpipe.steps.simulate import run_simulate

    return run_simulate(call.config, call.night, call.jobs, call.workspace)


def _archive_path(text: str) -> Path:
    """A path as steps take it: the workflow spells an earlier night's product from outside the archive."""
    return Path(text.removeprefix("../archive/"))


def _run_step(call: argparse.Namespace) -> int:
    step: Step = call.step
    function = getattr(importlib.import_module(f"ztfpipe.steps.{step.pipeline}"), step.action)
    inputs = {one.name: getattr(call, one.name) for one in step.inputs}
    started = time.perf_counter()
    _patiently(lambda: function(call.output, call.settings, **inputs))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"ztfpipe {step.pipeline} {step.action}: {time.perf_counter() - started:.2f} s, "
        f"{used.ru_utime + used.ru_stime:.2f} CPU s, {used.ru_maxrss / 1024:.0f} MB",
        file=sys.stderr,
    )
    return 0


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
