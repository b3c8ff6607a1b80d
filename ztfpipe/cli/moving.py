"""What an operator can say of moving objects: `ztfpipe moving designations`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ztfpipe.cli.commands import add_command


def add_moving_commands(actions: Any) -> None:
    """Add the commands to the actions of `moving`."""
    text = "record designations that came back from the Minor Planet Center"
    parser = add_command(actions, "designations", text, _designations)
    parser.add_argument("answer", type=Path, metavar="FILE", help="a line an object: its name, its designation")


def _designations(call: argparse.Namespace) -> int:
    from ztfpipe.steps.moving.designating import run_designations

    return run_designations(call.config, call.workspace, call.answer)
