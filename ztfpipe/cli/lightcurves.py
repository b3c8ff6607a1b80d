"""What can be asked of light curves beside their steps: `ztfpipe lightcurve extend | release | show | query`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ztfpipe.cli.commands import add_command, add_place, on_the_sky
from ztfpipe.cli.releases import add_release_commands


def add_lightcurve_commands(actions: Any) -> None:
    """Add the commands to the actions of `lightcurve`."""
    text = "let the lists of matchfiles grow by the epochs known now, and print whose lists have grown"
    extend = add_command(actions, "extend", text, _extend)
    extend.add_argument("products", nargs="*", metavar="MATCHFILE", help="archive paths; of all fields when not given")
    extend.add_argument("--least", type=int, default=1, metavar="N", help="grow by so many new epochs or not at all")
    again = "begin the lists anew, with the reference and the settings in force"
    extend.add_argument("--again", action="store_true", help=again)

    text = "write the light curves of a data release from the matchfiles that are there"
    release = add_command(actions, "release", text, _release)
    release.add_argument("number", type=int, metavar="N", help="number of the release: lc_drN/")
    for name, what in (("from", "the first night"), ("to", "the last night"), ("on", "the night of the release")):
        release.add_argument(f"--{name}", dest=f"night_{name}", required=True, metavar="YYYYMMDD", help=what)
    release.add_argument("--programs", type=int, nargs="+", default=[1], metavar="ID", help="program ids")
    text = "print the light curves at a place as CSV, and draw them"
    show = add_command(actions, "show", text, _show)
    add_place(show)
    show.add_argument("--radius", type=float, default=1.5, metavar="ARCSEC", help="of sources from the place")
    show.add_argument("--picture", type=Path, metavar="FILE", help="draw them as PNG")
    add_release_commands(actions)


def _release(call: argparse.Namespace) -> int:
    from ztfpipe.steps.lightcurve import releasing

    nights = (call.night_from, call.night_to, call.night_on)
    return releasing.run_release(call.config, call.workspace, call.number, *nights, call.programs)


def _extend(call: argparse.Namespace) -> int:
    from ztfpipe.steps.lightcurve import extending

    return extending.run_extend(call.config, call.workspace, call.products, new_min=call.least, again=call.again)


def _show(call: argparse.Namespace) -> int:
    from ztfpipe.steps.lightcurve import showing

    return showing.run_show(call.config, call.workspace, on_the_sky(call.ra, call.dec), call.radius, call.picture)
