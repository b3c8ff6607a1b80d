"""Step `moving sofar`: tracks of what a night has before a time of it. Paths are relative to the archive.

Provisional: under names of their own, read by nothing else. The night's own tracks are made from all of it, whether
these were or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ztfpipe.config import Moving
from ztfpipe.model.keys import CutoffKey
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs.tracks import write_detections, write_looks, write_streaklist
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.moving.gathering import gather
from ztfpipe.steps.moving.tracking import SO_FAR, Linked, link_nights
from ztfpipe.steps.recording import Stopwatch


def sofar(
    output: str,
    settings: Path,
    plan: Path,
    known: Path,
    detections: Sequence[Path] | None = None,
    looks: Sequence[Path] | None = None,
) -> None:
    """Link the differences made so far of exposures before the output's cut-off with the nights before.

    plan: of this night; known: its known bodies; detections, looks: tables of nights before.
    """
    watch = Stopwatch()
    key: CutoffKey = key_of(output, "sofartracks")
    section, camera = read_settings(settings, Moving)
    planned = read_plan(plan)
    with watch.part("gather"):
        found = gather(
            (one for one in planned.science if key.holds(one.exposure.filefracday)), planned, section, camera
        )
        paths = [Path(path_of(name, key)) for name in ("sofardetections", "sofarlooks", "sofarstreaklist")]
        write_detections(paths[0], found.detections)
        write_looks(paths[1], found.looks)
        write_streaklist(paths[2], found.streaks)
    made = Linked(output, key, SO_FAR)
    tables, images = [*(detections or ()), paths[0]], [*(looks or ()), paths[1]]
    link_nights(made, tables, images, paths[2], known, section, camera, watch)
