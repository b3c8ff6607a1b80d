"""What an operator can say of moving objects: `ztfpipe moving designations`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_moving_commands(actions: Any) -> None:
    """Add the commands to the actions of `moving`."""
    text = "record designations that came back from the Minor Planet Center"
    parser = actions.add_parser("designations", help=text, description=text)
    parser.add_argument("answer", type=Path, metavar="FILE", help="a line an object: its name, its designation")
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="configuration")
    parser.add_argument("--workspace", type=Path, metavar="FOLDER", help="in place of the configuration's")
    parser.set_defaults(run=_designations)


def _designations(call: argparse.Namespace) -> int:
    from ztfpipe.steps.moving.designating import run_designations

    return run_designations(call.config, call.workspace, call.answer)
