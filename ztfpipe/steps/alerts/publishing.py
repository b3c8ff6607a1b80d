"""Step of `alerts`: all packets of a night's observing program in one archive. Paths are relative to the archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ztfpipe.config import Alerts
from ztfpipe.model.dates import DAY_S, JD_OF_UNIX_ZERO
from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.keys import ProgramKey, QuadrantKey
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.alerts import packets
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.alerts.naming import differenced


def night(output: str, settings: Path, plan: Path) -> None:
    """Write all packets of a program's exposures of a night, in order of exposure and channel; none is a valid number.

    Which program a quadrant was observed for, its packets say. An archive of a quadrant that
    is not there is left out: the exposure's record tells why.
    """
    key: ProgramKey = key_of(output, "nightalerts")
    read_settings(settings, Alerts)
    moment = int((night_jd(key.night) - JD_OF_UNIX_ZERO) * DAY_S)
    quadrants = differenced(read_plan(plan))
    packets.write_archive(output, _of_program(quadrants, key.programid), moment)


def _of_program(quadrants: list[QuadrantKey], programid: int) -> Iterator[tuple[int, bytes]]:
    for one in sorted(quadrants):
        path = Path(path_of("alerts", one))
        if not path.exists():
            continue
        for number, (candid, content) in enumerate(packets.read_archive(path)):
            if number == 0 and packets.read_packet(content)["candidate"]["programid"] != programid:
                break
            yield candid, content
