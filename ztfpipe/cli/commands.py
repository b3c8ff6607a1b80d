"""What the commands beside the steps share: a name, a sentence, where configuration and workspace are; places."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from ztfpipe.errors import BadKey


class _Help(argparse.HelpFormatter):
    """Help that ends with what holds when an option is not given."""

    def _get_help_string(self, action: argparse.Action) -> str:
        # As argparse's own ArgumentDefaultsHelpFormatter, but without defaults that mean nothing or everything.
        given, meaningless = action.default, (None, False, [], "", argparse.SUPPRESS, math.inf, -math.inf)
        return action.help if given in meaningless else f"{action.help} [{given}]"


def add_command(commands: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    """A command that reads a configuration and works in its workspace, or in another; its parser."""
    parser = commands.add_parser(name, help=text, description=text, formatter_class=_Help)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="configuration")
    parser.add_argument("--workspace", type=Path, metavar="FOLDER", help="in place of the configuration's")
    parser.set_defaults(run=run)
    return parser


def add_place(parser: argparse.ArgumentParser) -> None:
    """A place on the sky, which `place_of` reads."""
    parser.add_argument("--ra", type=float, metavar="DEG", help="right ascension of a place, ICRS")
    parser.add_argument("--dec", type=float, metavar="DEG", help="its declination")


def place_of(call: argparse.Namespace) -> tuple[float, float] | None:
    """Right ascension and declination [deg] that a call names, or None. Raises BadKey for one alone or off the sky."""
    if call.ra is None and call.dec is None:
        return None
    return on_the_sky(call.ra, call.dec)


def add_nights(parser: argparse.ArgumentParser) -> None:
    """The first and the last of many nights, which `nights_of` reads."""
    parser.add_argument("--from", dest="first", metavar="YYYYMMDD", help="the first night; all before when not given")
    parser.add_argument("--to", dest="last", metavar="YYYYMMDD", help="the last night; all after when not given")


def nights_of(call: argparse.Namespace) -> tuple[str, str]:
    """First and last night that a call names, or ones that no night is before or after. Raises BadKey for no night."""
    from ztfpipe.model.keys import NightKey

    first, last = (NightKey(one).night if one else one for one in (call.first, call.last))
    if first and last and first > last:
        raise BadKey("last night", last, f"{first} or later")
    return first or "00000000", last or "99999999"


def on_the_sky(ra_deg: float | None, dec_deg: float | None) -> tuple[float, float]:
    """The two numbers [deg], if they are a place; else raises BadKey."""
    if ra_deg is None or dec_deg is None or not (0 <= ra_deg <= 360 and -90 <= dec_deg <= 90):
        expected = "a right ascension of 0 to 360 and a declination of -90 to 90 degrees"
        raise BadKey("place", (ra_deg, dec_deg), expected)
    return ra_deg, dec_deg
