"""What can be asked of light curves beside their steps: `ztfpipe lightcurve extend`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_lightcurve_commands(actions: Any) -> None:
    """Add the commands to the actions of `lightcurve`."""
    text = "let the lists of matchfiles grow by the epochs known now, and print whose lists have grown"
    extend = actions.add_parser("extend", help=text, description=text)
    extend.add_argument("--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="configuration")
    extend.add_argument("--workspace", type=Path, metavar="FOLDER", help="in place of the configuration's")
    extend.add_argument("products", nargs="*", metavar="MATCHFILE", help="archive paths; of all fields when not given")
    extend.add_argument("--least", type=int, default=1, metavar="N", help="grow by so many new epochs or not at all")
    again = "begin the lists anew, with the reference and the settings in force"
    extend.add_argument("--again", action="store_true", help=again)
    extend.set_defaults(run=_extend)


def _extend(call: argparse.Namespace) -> int:
    from ztfpipe.steps.lightcurve import extending

    return extending.run_extend(call.config, call.workspace, call.products, new_min=call.least, again=call.again)
