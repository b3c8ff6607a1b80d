"""What the commands beside the steps share: a name, a sentence, and where configuration and workspace are."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_command(commands: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    """A command that reads a configuration and works in its workspace, or in another; its parser."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="configuration")
    parser.add_argument("--workspace", type=Path, metavar="FOLDER", help="in place of the configuration's")
    parser.set_defaults(run=run)
    return parser
