"""What the parts of a path are: how each may be spelt, and how a key becomes parts and parts a key."""

from __future__ import annotations

from collections.abc import Callable

from ztfpipe.model.keys import (
    PROGRAMS,
    CalibrationKey,
    CutoffKey,
    DataReleaseKey,
    ExposureKey,
    FieldQuadrantKey,
    IncomingKey,
    Key,
    NightKey,
    ProgramKey,
    QuadrantKey,
    RawKey,
    ReferenceKey,
    ReferenceVersionKey,
    ReleaseKey,
)

Parts = dict[str, str]

# What each part of a pattern may be, and nothing else: the same expressions constrain Snakemake's wildcards.
PART_PATTERNS = {
    "year": "[0-9]{4}",
    "monthday": "[0-9]{4}",
    "night": "[0-9]{8}",
    "fracday": "[0-9]{6}",
    "cutoff": "[0-2][0-9][0-5][0-9]",
    "field": "[0-9]{6}",
    "field3": "[0-9]{3}",
    "field4": "[0-9]{4}",
    "block": "[0-9]{6}-[0-9]{6}",
    "thousand": "[0-9]",
    "filter": "zg|zr|zi|bi|00",
    "ccd": "0[1-9]|1[0-6]",
    "imgtype": "[ofbd]",
    "qid": "[1-4]",
    "rcid": "[0-5][0-9]|6[0-3]",
    "release": "[1-9][0-9]*",
    "version": "[0-9]{3}",
    "program": "engineering|public|partnership|caltech",
    "name": "[A-Za-z0-9][A-Za-z0-9._+-]*",
}


def _night_parts(night: str) -> Parts:
    return {"year": night[:4], "monthday": night[4:]}


def _exposure_parts(key: ExposureKey) -> Parts:
    return {
        **_night_parts(key.night),
        "fracday": key.fracday,
        "field": f"{key.field:06d}",
        "filter": key.filter,
        "imgtype": key.imgtype,
    }


def _exposure(parts: Parts) -> ExposureKey:
    filefracday = parts["year"] + parts["monthday"] + parts["fracday"]
    return ExposureKey(filefracday, int(parts["field"]), parts["filter"], parts["imgtype"])


def _reference(parts: Parts) -> ReferenceKey:
    return ReferenceKey(int(parts["field"]), parts["filter"], int(parts["ccd"]), int(parts["qid"]))


def _reference_parts(key: ReferenceKey) -> Parts:
    first = 50 * ((key.field - 1) // 50) + 1
    return {
        "field": f"{key.field:06d}",
        "field3": f"{key.field:06d}"[:3],
        "field4": f"{key.field:04d}",
        "thousand": f"{key.field // 1000}",
        "block": f"{first:06d}-{first + 49:06d}",
        "filter": key.filter,
        "ccd": f"{key.ccdid:02d}",
        "qid": str(key.qid),
        "rcid": f"{key.rcid:02d}",
    }


def _field_quadrant_parts(key: FieldQuadrantKey) -> Parts:
    return {"field": f"{key.field:06d}", "ccd": f"{key.ccdid:02d}", "qid": str(key.qid), "rcid": f"{key.rcid:02d}"}


# Key type -> (its parts, and the key from its parts).
CODECS: dict[type, tuple[Callable[..., Parts], Callable[[Parts], Key]]] = {
    NightKey: (lambda k: _night_parts(k.night), lambda p: NightKey(p["year"] + p["monthday"])),
    CutoffKey: (
        lambda k: {**_night_parts(k.night), "cutoff": k.cutoff},
        lambda p: CutoffKey(p["year"] + p["monthday"], p["cutoff"]),
    ),
    IncomingKey: (
        lambda k: {**_night_parts(k.night), "name": k.name},
        lambda p: IncomingKey(p["year"] + p["monthday"], p["name"]),
    ),
    ExposureKey: (_exposure_parts, _exposure),
    RawKey: (
        lambda k: {**_exposure_parts(k.exposure), "ccd": f"{k.ccdid:02d}"},
        lambda p: RawKey(_exposure(p), int(p["ccd"])),
    ),
    QuadrantKey: (
        lambda k: {**_exposure_parts(k.exposure), "ccd": f"{k.ccdid:02d}", "qid": str(k.qid)},
        lambda p: QuadrantKey(_exposure(p), int(p["ccd"]), int(p["qid"])),
    ),
    CalibrationKey: (
        lambda k: {
            **_night_parts(k.night),
            "filter": k.filter,
            "ccd": f"{k.ccdid:02d}",
            "qid": str(k.qid),
        },
        lambda p: CalibrationKey(p["year"] + p["monthday"], p["filter"], int(p["ccd"]), int(p["qid"])),
    ),
    ReferenceKey: (_reference_parts, _reference),
    ReferenceVersionKey: (
        lambda k: {**_reference_parts(k.reference), "version": f"{k.version:03d}"},
        lambda p: ReferenceVersionKey(_reference(p), int(p["version"])),
    ),
    FieldQuadrantKey: (
        _field_quadrant_parts,
        lambda p: FieldQuadrantKey(int(p["field"]), int(p["ccd"]), int(p["qid"])),
    ),
    ReleaseKey: (
        lambda k: {**_reference_parts(k.reference), "release": str(k.release)},
        lambda p: ReleaseKey(int(p["release"]), _reference(p)),
    ),
    DataReleaseKey: (lambda k: {"release": str(k.release)}, lambda p: DataReleaseKey(int(p["release"]))),
    ProgramKey: (
        lambda k: {**_night_parts(k.night), "program": PROGRAMS[k.programid]},
        lambda p: ProgramKey(p["year"] + p["monthday"], PROGRAMS.index(p["program"])),
    ),
}
