"""Which science images a version of a template is made of."""

from __future__ import annotations

from collections.abc import Iterable

from ztfpipe.errors import Unusable
from ztfpipe.model.keys import CalibrationKey
from ztfpipe.model.templates import TemplateCandidate, TemplateFrames


def choose_frames(
    kind: str, key: CalibrationKey, candidates: Iterable[TemplateCandidate], *, fewest: int, most: int
) -> TemplateFrames:
    """The usable images under a clear sky, all of them or `most` spread evenly over their order of time.

    Raises Unusable when there are fewer than `fewest`: there is nothing to make yet, and no list is frozen.
    """
    good = sorted(one.frame for one in candidates if one.status == 1 and one.clear)
    if len(good) < fewest:
        what = f"{kind} of {key.filter}, CCD {key.ccdid}, quadrant {key.qid}, night {key.night}"
        raise Unusable(what, "too few usable images under a clear sky", images=len(good), needed=fewest)
    count = min(len(good), most)
    chosen = tuple(good[i * len(good) // count] for i in range(count))
    return TemplateFrames(kind, key, chosen, len(good))
