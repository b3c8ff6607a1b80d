"""Step `moving detections`: what of a night's differences may be moving objects. Paths are relative to the archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Moving
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.records import QaRecord
from ztfpipe.pipelines.moving.detections import Columns, ExposureFacts, look, moving_candidates, streaks_to_vet
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.records import read_record, write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs.events import read_candidates, read_streaks
from ztfpipe.products.catalogs.tracks import write_detections, write_looks, write_streaklist
from ztfpipe.products.formats.fits import read_header, read_shape
from ztfpipe.products.images.headers import known, needed
from ztfpipe.products.images.wcs import wcs_of
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.recording import Stopwatch, qa_record


@dataclass
class Gathered:
    """What some quadrants of a night have that moves: columns a quadrant, exposures, and candidates looked at."""

    detections: list[Columns] = field(default_factory=list)
    streaks: list[Columns] = field(default_factory=list)
    looks: list[Columns] = field(default_factory=list)
    exposures: dict[ExposureKey, ExposureFacts] = field(default_factory=dict)
    seen: int = 0

    def counts(self) -> dict[str, int]:
        """For the record."""
        return {
            "n_quadrants": len(self.detections),
            "n_exposures": len(self.exposures),
            "n_candidates": self.seen,
            "n_detections": sum(len(one["candid"]) for one in self.detections),
            "n_streaks": sum(len(one["streak"]) for one in self.streaks),
        }


def detections(output: str, settings: Path, plan: Path) -> None:
    """Make the night's tables of candidates that may be moving objects, of streaks to be vetted, and of images.

    The tables of the quadrants are found by the plan; those of a difference with STATUS 0 are left out.
    """
    watch = Stopwatch()
    key: NightKey = key_of(output, "detections")
    section, camera = read_settings(settings, Moving)
    with watch.part("read"):
        planned = read_plan(plan)
        found = gather(planned.science, planned, section, camera)
    with watch.part("write"):
        write_streaklist(path_of("streaklist", key), found.streaks)
        write_looks(path_of("looks", key), found.looks)
        write_detections(output, found.detections)
    record = qa_record("moving detections", output, 1, "", {**found.counts()}, section.tracks.sources, watch)
    write_record(path_of("detectionsqa", key), record)


def gather(quadrants: Iterable[QuadrantKey], plan: NightPlan, section: Moving, camera: Camera) -> Gathered:
    """What moves on those of some quadrants of a plan that have a usable difference."""
    result = Gathered()
    for quadrant, limit_mag in _usable(quadrants, plan):
        if quadrant.exposure not in result.exposures:
            result.exposures[quadrant.exposure] = _facts(quadrant, camera)
        own = result.exposures[quadrant.exposure]
        table = read_candidates(path_of("candidates", quadrant))
        result.seen += len(table)
        columns = {name: table[name].to_numpy() for name in table}
        result.detections.append(moving_candidates(columns, quadrant, own, section.tracks.sources))
        result.streaks += _streaks(quadrant, own, section)
        result.looks.append(_look(quadrant, own, limit_mag))
    return result


def _usable(quadrants: Iterable[QuadrantKey], plan: NightPlan) -> Iterator[tuple[QuadrantKey, float]]:
    """Those of some quadrants with a usable difference, and its 5-sigma limit [mag], NaN where it has none."""
    pinned = {one.reference for one in plan.references}
    for quadrant in quadrants:
        if quadrant.reference in pinned:
            path = Path(path_of("diffqa", quadrant))
            record = read_record(QaRecord, path) if path.exists() else None
            if record and record.status == 1:
                yield quadrant, float(record.metrics.get("diffmaglim") or np.nan)


def _facts(quadrant: QuadrantKey, camera: Camera) -> ExposureFacts:
    """Of an exposure, by the header of one of its quadrants: times are the same in all, and seeing nearly so."""
    path = path_of("sciimg", quadrant)
    header = read_header(path)
    numbers = (needed(path, header, name) for name in ("OBSJD", "EXPTIME", "SEEING"))
    obsjd, exptime_s, seeing_px = numbers
    return ExposureFacts(obsjd, exptime_s, seeing_px * camera.pixel_scale_arcsec, camera.pixel_scale_arcsec)


def _look(quadrant: QuadrantKey, facts: ExposureFacts, limit_mag: float) -> Columns:
    path = path_of("sciimg", quadrant)
    return look(wcs_of(path, read_header(path)), read_shape(path), limit_mag, quadrant, facts)


def _streaks(quadrant: QuadrantKey, facts: ExposureFacts, section: Moving) -> list[Columns]:
    table = read_streaks(path_of("streaks", quadrant))
    if table.empty:
        return []
    path = path_of("sciimg", quadrant)
    header = read_header(path)
    columns = {name: table[name].to_numpy() for name in table}
    wcs, zero_point = wcs_of(path, header), known(header, "MAGZP")
    return [streaks_to_vet(columns, wcs, zero_point, quadrant, facts, section.tracks.report)]
