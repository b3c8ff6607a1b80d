"""Which topics of the stream a packet goes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ztfpipe.config import stream as settings_of_stream
from ztfpipe.config.stream import Cut, ExtraTopic, Stream
from ztfpipe.methods.sky.regions import inside
from ztfpipe.model.regions import Polygon, Region
from ztfpipe.model.skycatalogs import Cone


def topics_of(candidate: Mapping[str, Any], night: str, settings: Stream, public: Collection[int]) -> tuple[str, ...]:
    """The topics of a candidate (fields of the packet's record): its program's, and the extra ones that choose it.

    None when its program is not streamed. What is not public goes to its program's topic only.
    """
    program = candidate["programid"]
    if program not in settings.programs:
        return ()
    own = settings.topic.format(night=night, program=program)
    if program not in public:
        return (own,)
    return (
        own,
        *(name.format(night=night, program=program) for name, e in settings.extra.items() if _is_for(candidate, e)),
    )


def columns_of(settings: Stream) -> set[str]:
    """Fields of the candidate that the extra topics ask for."""
    return {cut.column for one in settings.extra.values() for cut in one.cuts}


def region_of(part: settings_of_stream.Cone | settings_of_stream.Polygon) -> Region:
    """The part of the sky that a part of a footprint is. BadKey when it is none."""
    if isinstance(part, settings_of_stream.Cone):
        return Cone(part.ra_deg, part.dec_deg, part.radius_deg)
    ra_deg, dec_deg = zip(*part.corners_deg, strict=True)
    return Polygon(ra_deg, dec_deg)


def _is_for(candidate: Mapping[str, Any], topic: ExtraTopic) -> bool:
    return all(_meets(candidate.get(cut.column), cut) for cut in topic.cuts) and (
        not topic.footprint or any(_within(candidate, region_of(part)) for part in topic.footprint)
    )


def _meets(value: Any, cut: Cut) -> bool:
    if value is None or (cut.equals is not None and value != cut.equals):
        return False
    if cut.at_least is None and cut.at_most is None:
        return True
    if isinstance(value, str) or value != value:
        return False
    return (cut.at_least is None or value >= cut.at_least) and (cut.at_most is None or value <= cut.at_most)


def _within(candidate: Mapping[str, Any], region: Region) -> bool:
    return bool(inside(region, np.array([candidate["ra"]]), np.array([candidate["dec"]]))[0])
