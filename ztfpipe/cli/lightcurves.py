"""What can be asked of light curves beside their steps: `ztfpipe lightcurve extend | release | show | query`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ztfpipe.cli.releases import add_release_commands


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

    text = "write the light curves of a data release from the matchfiles that are there"
    release = actions.add_parser("release", help=text, description=text)
    release.add_argument("number", type=int, metavar="N", help="number of the release: lc_drN/")
    release.add_argument("--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="configuration")
    release.add_argument("--workspace", type=Path, metavar="FOLDER", help="in place of the configuration's")
    for name, what in (("from", "first night"), ("to", "last night"), ("on", "night of the release")):
        release.add_argument(f"--{name}", dest=f"night_{name}", required=True, metavar="YYYYMMDD", help=what)
    release.add_argument("--programs", type=int, nargs="+", default=[1], metavar="ID", help="program ids; 1 by default")
    release.set_defaults(run=_release)
    text = "print the light curves at a position as CSV, and draw them"
    show = actions.add_parser("show", help=text, description=text)
    show.add_argument("--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="configuration")
    show.add_argument("--workspace", type=Path, metavar="FOLDER", help="in place of the configuration's")
    show.add_argument("--ra", type=float, required=True, metavar="DEG", help="right ascension, ICRS")
    show.add_argument("--dec", type=float, required=True, metavar="DEG", help="declination")
    show.add_argument("--radius", type=float, default=1.5, metavar="ARCSEC", help="of sources from the position")
    show.add_argument("--picture", type=Path, metavar="FILE", help="draw them as PNG")
    show.set_defaults(run=_show)
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

    return showing.run_show(call.config, call.workspace, call.ra, call.dec, call.radius, call.picture)
