"""Which topics of the stream a packet goes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ztfpipe.config.stream import Cone, Cut, ExtraTopic, Polygon, Stream
from ztfpipe.methods.sky.footprints import in_cone, in_polygon


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


def _is_for(candidate: Mapping[str, Any], topic: ExtraTopic) -> bool:
    return all(_meets(candidate.get(cut.column), cut) for cut in topic.cuts) and (
        not topic.footprint or any(_within(candidate["ra"], candidate["dec"], part) for part in topic.footprint)
    )


def _meets(value: Any, cut: Cut) -> bool:
    if value is None or (cut.equals is not None and value != cut.equals):
        return False
    if cut.at_least is None and cut.at_most is None:
        return True
    if isinstance(value, str) or value != value:
        return False
    return (cut.at_least is None or value >= cut.at_least) and (cut.at_most is None or value <= cut.at_most)


def _within(ra_deg: float, dec_deg: float, part: Cone | Polygon) -> bool:
    if isinstance(part, Cone):
        return bool(in_cone([ra_deg], [dec_deg], (part.ra_deg, part.dec_deg), part.radius_deg)[0])
    return bool(in_polygon([ra_deg], [dec_deg], part.corners_deg)[0])
