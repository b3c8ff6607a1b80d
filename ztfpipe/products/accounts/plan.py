"""The night's plan as JSON. Read at every start of Snakemake, so that reading is quick and keys are short strings."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path

from ztfpipe.model.keys import (
    CalibrationKey,
    ExposureKey,
    QuadrantKey,
    RawKey,
    ReferenceKey,
    ReferenceVersionKey,
)
from ztfpipe.model.plan import MasterChoice, NightPlan, TemplateChoice
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.formats.text import reading


def plan_to_json(plan: NightPlan) -> str:
    """The plan as JSON text: quadrants as `<filefracday>_<field6>_<filter>_c<CC>_<type>_q<Q>`, one master per line; raw
    files likewise without the quadrant."""
    head = [f"{json.dumps(name)}: {json.dumps(getattr(plan, name))}" for name in ("night", "camera", "incoming_digest")]
    science = [json.dumps(_text(key)) for key in plan.science]
    raws = [json.dumps(_raw_text(key)) for key in plan.raws]
    references = [json.dumps(_reference_text(one)) for one in plan.references]
    masters = [
        json.dumps(
            {
                **{name: getattr(choice, name) for name in ("kind", "filter", "ccdid", "qid")},
                "key": dataclasses.asdict(choice.key) if choice.key else None,
                "previous": dataclasses.asdict(choice.previous) if choice.previous else None,
                "made_tonight": choice.made_tonight,
                "note": choice.note,
                "frames": [_text(frame) for frame in choice.frames],
            }
        )
        for choice in plan.masters
    ]
    templates = [json.dumps(dataclasses.asdict(one)) for one in plan.templates]
    return (
        "{" + ",\n ".join(head) + ',\n "science": [\n' + ",\n".join(science) + '\n],\n "masters": [\n'
        + ",\n".join(masters) + '\n],\n "templates": [\n' + ",\n".join(templates)
        + '\n],\n "references": [\n' + ",\n".join(references)
        + '\n],\n "raws": [\n' + ",\n".join(raws) + "\n]}\n"
    )  # fmt: skip


def plan_from_json(text: str) -> NightPlan:
    """The plan of a JSON text. ValueError, KeyError, TypeError or BadKey when it is none."""
    content = json.loads(text)
    masters = tuple(
        MasterChoice(
            one["kind"],
            one["filter"],
            one["ccdid"],
            one["qid"],
            CalibrationKey(**one["key"]) if one["key"] else None,
            tuple(map(_key, one["frames"])),
            one["made_tonight"],
            one["note"],
            CalibrationKey(**one["previous"]) if one["previous"] else None,
        )
        for one in content["masters"]
    )
    science = tuple(map(_key, content["science"]))
    raws = tuple(map(_raw_key, content["raws"]))
    templates = tuple(TemplateChoice(**one) for one in content["templates"])
    references = tuple(map(_reference, content["references"]))
    head = (content[name] for name in ("night", "camera", "incoming_digest"))
    return NightPlan(*head, science, masters, raws, templates, references)


def write_plan(path: str | Path, plan: NightPlan) -> None:
    """Write the plan to `path`, atomically."""
    write_text(path, plan_to_json(plan))


def read_plan(path: str | Path) -> NightPlan:
    """Read a plan. BadFile when it is missing or holds something else."""
    with reading(path, "a night's plan") as text:
        return plan_from_json(text)


def _text(key: QuadrantKey) -> str:
    return f"{_raw_text(key.raw)}_q{key.qid}"


def _key(text: str) -> QuadrantKey:
    raw, quadrant = text.rsplit("_", 1)
    key = _raw_key(raw)
    return QuadrantKey(key.exposure, key.ccdid, int(quadrant[1:]))


def _reference_text(key: ReferenceVersionKey) -> str:
    one = key.reference
    return f"{one.field}_{one.filter}_{one.ccdid}_{one.qid}_v{key.version}"


def _reference(text: str) -> ReferenceVersionKey:
    field, code, ccdid, qid, version = text.split("_")
    return ReferenceVersionKey(ReferenceKey(int(field), code, int(ccdid), int(qid)), int(version[1:]))


def _raw_text(key: RawKey) -> str:
    one = key.exposure
    return f"{one.filefracday}_{one.field:06d}_{one.filter}_c{key.ccdid:02d}_{one.imgtype}"


@cache
def _raw_key(text: str) -> RawKey:
    filefracday, field, filter_code, ccd, imgtype = text.split("_")
    return RawKey(_exposure(filefracday, field, filter_code, imgtype), int(ccd[1:]))


@cache
def _exposure(filefracday: str, field: str, filter_code: str, imgtype: str) -> ExposureKey:
    return ExposureKey(filefracday, int(field), filter_code, imgtype)
