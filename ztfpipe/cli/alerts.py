"""What anyone can ask of alerts: `ztfpipe candidates`, `ztfpipe forced`, `ztfpipe publish`, `ztfpipe rolloff`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from ztfpipe.cli.commands import add_command, add_place, on_the_sky, place_of
from ztfpipe.errors import BadFile, BadKey


def add_alert_commands(pipelines: Any) -> None:
    """Add the commands beside the pipelines."""
    text = "list candidates by place, object, field, time or score"
    parser = _command(pipelines, "candidates", text, _candidates)
    add_place(parser)
    parser.add_argument("--radius", type=float, default=1.5, metavar="ARCSEC", help="about the place")
    parser.add_argument("--object", metavar="NAME", help="the detections of an object")
    parser.add_argument("--field", type=int, metavar="N", help="of one field")
    parser.add_argument("--score", metavar="NAME>=VALUE", help="a column and its least value, such as drb>=0.65")
    parser = _command(pipelines, "forced", "measure the flux at places on all their difference images", _forced)
    add_place(parser)
    parser.add_argument(
        "--list", type=Path, metavar="FILE", help="places instead: lines of right ascension, declination"
    )
    where = "where the answers go"
    parser.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help=where)
    parser.add_argument("--plot", action="store_true", help="a picture beside each answer")
    _add_publish(pipelines)
    text = "move old candidates out of the histories that grow each night"
    parser = add_command(pipelines, "rolloff", text, _rolloff)
    parser.add_argument("--before", required=True, metavar="YYYYMMDD", help="candidates of nights before this one")


def _add_publish(pipelines: Any) -> None:
    text = "send packets to the topics of a Kafka cluster, each confirmed"
    parser = add_command(pipelines, "publish", text, _publish)
    parser.add_argument("--night", metavar="YYYYMMDD", help="all packets of a night")
    parser.add_argument(
        "--quadrant",
        nargs="+",
        default=[],
        metavar="FILE",
        help="only those of quadrants: ..._alerts.tar.gz below the archive",
    )
    parser.add_argument("--dry-run", type=Path, metavar="FOLDER", help="write TOPIC/CANDID.avro there instead")


def _command(pipelines: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser = add_command(pipelines, name, text, run)
    parser.add_argument(
        "--since", type=float, default=-math.inf, metavar="JD", help="exposures from this Julian date on"
    )
    parser.add_argument("--until", type=float, default=math.inf, metavar="JD", help="exposures up to it")
    return parser


def _candidates(call: argparse.Namespace) -> int:
    from ztfpipe.steps.alerts import asking

    score = None
    if call.score is not None:
        name, _, least = call.score.partition(">=")
        score = name.strip(), _number("score", least)
    question = asking.Question(place_of(call), call.radius, call.object, call.field, (call.since, call.until), score)
    return asking.run_candidates(call.config, call.workspace, question)


def _forced(call: argparse.Namespace) -> int:
    from ztfpipe.steps.alerts import asking

    places = _listed(call.list) if call.list else [on_the_sky(call.ra, call.dec)]
    return asking.run_forced(call.config, call.workspace, places, (call.since, call.until), call.out, call.plot)


def _publish(call: argparse.Namespace) -> int:
    from ztfpipe.steps.alerts import streaming

    return streaming.run_publish(call.config, call.workspace, call.night, call.quadrant, call.dry_run)


def _rolloff(call: argparse.Namespace) -> int:
    from ztfpipe.steps.alerts import rolling

    return rolling.run_rolloff(call.config, call.workspace, call.before)


def _listed(path: Path) -> list[tuple[float, float]]:
    """Places of a text file, separated by a comma or white space; lines that begin with # are comments."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(path, str(error)) from error
    rows = [line.replace(",", " ").split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not rows or any(len(row) < 2 for row in rows):
        raise BadFile(path, "not a list of places: two numbers on each line")
    return [on_the_sky(_number("right ascension", row[0]), _number("declination", row[1])) for row in rows]


def _number(what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadKey(what, text, "a number") from error
