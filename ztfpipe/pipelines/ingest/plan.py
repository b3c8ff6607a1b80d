"""Freeze what the night's graph may know, from its accounts and the masters of earlier nights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from ztfpipe.camera import Camera
from ztfpipe.model.keys import (
    BIAS_FILTER_CAL,
    CalibrationKey,
    QuadrantKey,
    RawKey,
    ReferenceKey,
    ReferenceVersionKey,
)
from ztfpipe.model.manifest import ACCEPTED, Manifest
from ztfpipe.model.plan import MasterChoice, NightPlan, TemplateChoice

PinnedReference = Callable[[ReferenceKey], ReferenceVersionKey | None]
"""The usable version in force of a field, filter and quadrant, or None."""
PreviousMaster = Callable[[str, CalibrationKey], CalibrationKey | None]
"""Kind and tonight's key -> the most recent usable earlier master within the allowed nights, or None."""
_NOUNS = {"bias": "bias", "hifreqflat": "flat"}


@dataclass(frozen=True)
class _Rules:
    camera: Camera
    night: str
    frames_min: int
    frames_max: int
    previous_nights: int
    previous: PreviousMaster


def plan_night(
    manifest: Manifest,
    keys: dict[str, RawKey],
    camera: Camera,
    previous: PreviousMaster,
    pinned: PinnedReference = lambda reference: None,
    *,
    frames_min: int,
    frames_max: int,
    previous_master_nights: int,
    templates: tuple[TemplateChoice, ...] = (),
) -> NightPlan:
    """The accepted files and science quadrants of a night, and the masters each quadrant and filter uses.

    keys: raw key by name of each accepted file. A master is made tonight of at least `frames_min` frames, the first
    `frames_max` in order of time; else the most recent earlier one is used,
    if `previous` finds any. A flat needs a bias. templates: the versions the night uses, chosen before. The version of
    each reference is the one that `pinned` finds now.
    """
    rules = _Rules(camera, manifest.night, frames_min, frames_max, previous_master_nights, previous)
    by_type: dict[str, list[QuadrantKey]] = defaultdict(list)
    raws: set[RawKey] = set()
    for entry in manifest.entries:
        if entry.record.status == ACCEPTED:
            raw = keys[entry.record.name]
            raws.add(raw)
            by_type[raw.exposure.imgtype] += [QuadrantKey(raw.exposure, raw.ccdid, q) for q in entry.record.quadrants]
    science = tuple(sorted(set(by_type["o"])))
    biases = _frames_by_quadrant(by_type["b"])
    flats = _frames_by_quadrant(by_type["f"])
    masters: list[MasterChoice] = []
    for ccdid, qid in camera.quadrants():
        bias = _choose(rules, "bias", BIAS_FILTER_CAL, ccdid, qid, biases.get(("bi", ccdid, qid), []), lacks="")
        masters.append(bias)
        lacks = "no bias to subtract" if bias.key is None else ""
        for code in camera.filters:
            frames = flats.get((code, ccdid, qid), [])
            masters.append(_choose(rules, "hifreqflat", code, ccdid, qid, frames, lacks=lacks))
    places = {key.reference for key in science if key.exposure.field in camera.fields}
    references = tuple(pin for one in sorted(places) if (pin := pinned(one)) is not None)
    return NightPlan(
        manifest.night,
        camera.name,
        manifest.incoming_digest,
        science,
        tuple(masters),
        tuple(sorted(raws)),
        templates,
        references,
    )


def _choose(
    rules: _Rules, kind: str, filter_code: str, ccdid: int, qid: int, frames: list[QuadrantKey], *, lacks: str
) -> MasterChoice:
    tonight = CalibrationKey(rules.night, filter_code, ccdid, qid)
    used = tuple(frames[: rules.frames_max])
    earlier = rules.previous(kind, tonight)
    if len(frames) >= rules.frames_min and not lacks:
        return MasterChoice(kind, filter_code, ccdid, qid, tonight, used, True, "", earlier)
    reason = lacks or f"{len(frames)} {_NOUNS[kind]} frames of {rules.frames_min}"
    if earlier is None:
        note = f"{reason}; no earlier master within {rules.previous_nights} nights"
        return MasterChoice(kind, filter_code, ccdid, qid, None, used, False, note)
    return MasterChoice(
        kind, filter_code, ccdid, qid, earlier, used, False, f"{reason}; master of {earlier.night} used"
    )


def _frames_by_quadrant(keys: list[QuadrantKey]) -> dict[tuple[str, int, int], list[QuadrantKey]]:
    """Quadrants by filter, CCD and quadrant, each once, in order of time."""
    frames: dict[tuple[str, int, int], list[QuadrantKey]] = defaultdict(list)
    for key in sorted(set(keys), key=lambda key: (key.exposure.filefracday, key)):
        frames[key.exposure.filter, key.ccdid, key.qid].append(key)
    return frames
