"""`ztfpipe most`: the exposures, quadrants and pixel positions where a known object falls."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ztfpipe.cli.commands import add_command, add_nights


def add_most(pipelines: Any) -> None:
    """Add the command to the pipelines."""
    text = "list where a known object falls on the archive's exposures, with cutouts, an orbit plot and region files"
    parser = add_command(pipelines, "most", text, _most)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--object", metavar="NAME", help="number, name or designation in the site's catalog of orbits")
    what.add_argument(
        "--elements", metavar="TEXT",
        help="a line of MPCORB.DAT, a file of one, or 'epoch_mjd=.. a_au=.. e=.. i_deg=.. node_deg=.. peri_deg=..'"
        " 'mean_anomaly_deg=..' (or q_au=.. and perihelion_mjd=..), h_mag=.. g=.. name=.. when known",
    )  # fmt: skip
    add_nights(parser)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where files go; most_NAME when not given")
    parser.add_argument("--brief", action="store_true", help="print the table, and write no files")
    parser.add_argument("--margin", type=float, default=60.0, metavar="ARCSEC", help="how far off an image counts")
    parser.add_argument("--cutout", type=int, default=63, metavar="PX", help="side of the cutouts; 0 for none")


def _most(call: argparse.Namespace) -> int:
    from ztfpipe.steps.moving.precovery import Request, run_most

    asked = Request(call.object, call.elements, call.first, call.last, call.out, call.brief, call.margin, call.cutout)
    return run_most(call.config, call.workspace, asked)
