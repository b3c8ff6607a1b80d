"""The frozen list of a template's images, as JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from ztfpipe.model.keys import CalibrationKey
from ztfpipe.model.templates import TemplateFrame, TemplateFrames
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.formats.text import reading
from ztfpipe.products.names import key_of, path_of


def write_frames(path: str | Path, chosen: TemplateFrames) -> None:
    """Write a list, one image a line by its archive path, atomically."""
    lines = [
        json.dumps({"image": path_of("sciimg", one.science), "lofreqflat": one.lofreqflat, "fringe": one.fringe})
        for one in chosen.frames
    ]
    head = {"kind": chosen.kind, "key": dataclasses.asdict(chosen.key), "candidates": chosen.candidates}
    text = json.dumps(head)[:-1] + ', "frames": [\n' + ",\n".join(lines) + "\n]}\n"
    write_text(path, text)


def read_frames(path: str | Path) -> TemplateFrames:
    """Read a list. BadFile when it is missing or holds something else."""
    with reading(path, "a list of images") as text:
        content = json.loads(text)
        frames = tuple(
            TemplateFrame(key_of(one["image"], "sciimg"), one["lofreqflat"], one["fringe"]) for one in content["frames"]
        )
        return TemplateFrames(content["kind"], CalibrationKey(**content["key"]), frames, content["candidates"])
