"""`ztfpipe rolloff`: old candidates leave the histories that every night rewrites. Nothing that is asked changes."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from ztfpipe.model.identifiers import night_jd
from ztfpipe.model.keys import NightKey
from ztfpipe.products.alerts import history
from ztfpipe.steps.workspace import archive_of, configured


def run_rolloff(config_path: Path, workspace: Path | None, before: str) -> int:
    """Move candidates of nights before one to the long-term histories of their places; print how many.

    May be stopped at any time and given again. BadKey for what is no night.
    """
    config = configured(config_path, workspace)
    date = night_jd(NightKey(before).night)
    with contextlib.chdir(archive_of(config)):
        count = 0
        places = history.known_places()
        for place in places:
            # The lock is given back after each, so that a night that ends need not wait.
            with history.writing():
                count += history.roll_off(place, date)
    print(f"{count} candidates of {len(places)} fields' quadrants moved", file=sys.stderr)
    return 0
