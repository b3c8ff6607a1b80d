"""When an operator has moving objects linked within the night: by the time of what is done, not by the clock."""

from __future__ import annotations

from pathlib import Path

from ztfpipe.model.keys import CutoffKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.products.names import path_of

SO_FAR = "tracks_sofar"
"""Named target of tracks of what came before a cut-off."""


def cutoff_due(plan: NightPlan, archive: Path, every_h: float) -> CutoffKey | None:
    """The last multiple of `every_h` hours that the night's work has passed, None where its tracks are there already.

    Passed when an exposure taken after it has a record: exposures are worked on in their order. A night that is run
    again, or long after, has the same cut-offs.
    """
    if every_h <= 0:
        return None
    done = [key.exposure for key in plan.science if (archive / path_of("sciqa", key)).exists()]
    if not done:
        return None
    latest_h = 24e-6 * max(int(one.filefracday[8:]) for one in done)
    minutes = round(60 * every_h * int(latest_h / every_h))
    key = CutoffKey(plan.night, f"{minutes // 60:02d}{minutes % 60:02d}")
    before = any(key.holds(one.filefracday) for one in done)
    return key if before and not (archive / path_of("sofartracks", key)).exists() else None
