"""A night's usual zero points as JSON: read by each job that makes a science image, so that it is small."""

from __future__ import annotations

import json
from pathlib import Path

from ztfpipe.errors import BadFile
from ztfpipe.model.zero_points import UsualZeroPoint, UsualZeroPoints
from ztfpipe.products.formats.atomic import write_text


def write_zero_points(path: str | Path, usual: UsualZeroPoints) -> None:
    """Write them to `path`, atomically; the same numbers give the same bytes."""
    lines = [
        json.dumps([code, rcid, round(one.median_mag, 5), round(one.scatter_mag, 5), one.images])
        for (code, rcid), one in sorted(usual.channels.items())
    ]
    head = f'"night": {json.dumps(usual.night)},\n "nights": {json.dumps(usual.nights)}'
    columns = '"columns": ["filter", "rcid", "median_mag", "scatter_mag", "images"]'
    write_text(path, f'{{{head},\n {columns},\n "channels": [\n' + ",\n".join(lines) + "\n]}\n")


def read_zero_points(path: str | Path) -> UsualZeroPoints:
    """Read them. BadFile when the file is missing or holds something else."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        channels = {
            (str(code), int(rcid)): UsualZeroPoint(float(median), float(scatter), int(images))
            for code, rcid, median, scatter, images in content["channels"]
        }
        return UsualZeroPoints(content["night"], tuple(content["nights"]), channels)
    except FileNotFoundError as error:
        raise BadFile(path, "no such file") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(path, f"no table of usual zero points: {error}") from error
