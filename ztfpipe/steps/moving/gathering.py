"""Step `moving detections`: what of a night's differences may be moving objects. Paths are relative to the archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ztfpipe.camera import Camera
from ztfpipe.config import Moving
from ztfpipe.model.keys import ExposureKey, NightKey, QuadrantKey
from ztfpipe.model.plan import NightPlan
from ztfpipe.model.records import QaRecord
from ztfpipe.pipelines.moving.detections import Columns, ExposureFacts, moving_candidates, streaks_to_vet
from ztfpipe.products.accounts.plan import read_plan
from ztfpipe.products.accounts.records import read_record, write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.catalogs.events import read_candidates, read_streaks
from ztfpipe.products.catalogs.tracks import write_detections, write_streaklist
from ztfpipe.products.formats.fits import read_header
from ztfpipe.products.images.headers import known, needed
from ztfpipe.products.images.wcs import wcs_of
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.recording import Stopwatch, qa_record


def detections(output: str, settings: Path, plan: Path) -> None:
    """Make the night's table of candidates that may be moving objects, and that of streaks to be vetted.

    The tables of the quadrants are found by the plan; those of a difference with STATUS 0 are left out.
    """
    watch = Stopwatch()
    key: NightKey = key_of(output, "detections")
    section, camera = read_settings(settings, Moving)
    found: list[Columns] = []
    streaks: list[Columns] = []
    facts: dict[ExposureKey, ExposureFacts] = {}
    seen = 0
    with watch.part("read"):
        for quadrant in _usable(read_plan(plan)):
            if quadrant.exposure not in facts:
                facts[quadrant.exposure] = _facts(quadrant, camera)
            own = facts[quadrant.exposure]
            table = read_candidates(path_of("candidates", quadrant))
            seen += len(table)
            columns = {name: table[name].to_numpy() for name in table}
            found.append(moving_candidates(columns, quadrant, own, section.tracks.sources))
            streaks += _streaks(quadrant, own, section)
    with watch.part("write"):
        write_streaklist(path_of("streaklist", key), streaks)
        write_detections(output, found)
    metrics = {
        "n_quadrants": len(found),
        "n_exposures": len(facts),
        "n_candidates": seen,
        "n_detections": sum(len(one["candid"]) for one in found),
        "n_streaks": sum(len(one["streak"]) for one in streaks),
    }
    record = qa_record("moving detections", output, 1, "", metrics, section.tracks.sources, watch)
    write_record(path_of("detectionsqa", key), record)


def _usable(plan: NightPlan) -> Iterator[QuadrantKey]:
    """Quadrants of the night with a usable difference."""
    pinned = {one.reference for one in plan.references}
    for quadrant in plan.science:
        if quadrant.reference in pinned:
            record = Path(path_of("diffqa", quadrant))
            if record.exists() and read_record(QaRecord, record).status == 1:
                yield quadrant


def _facts(quadrant: QuadrantKey, camera: Camera) -> ExposureFacts:
    """Of an exposure, by the header of one of its quadrants: times are the same in all, and seeing nearly so."""
    path = path_of("sciimg", quadrant)
    header = read_header(path)
    numbers = (needed(path, header, name) for name in ("OBSJD", "EXPTIME", "SEEING"))
    obsjd, exptime_s, seeing_px = numbers
    return ExposureFacts(obsjd, exptime_s, seeing_px * camera.pixel_scale_arcsec, camera.pixel_scale_arcsec)


def _streaks(quadrant: QuadrantKey, facts: ExposureFacts, section: Moving) -> list[Columns]:
    table = read_streaks(path_of("streaks", quadrant))
    if table.empty:
        return []
    path = path_of("sciimg", quadrant)
    header = read_header(path)
    columns = {name: table[name].to_numpy() for name in table}
    wcs, zero_point = wcs_of(path, header), known(header, "MAGZP")
    return [streaks_to_vet(columns, wcs, zero_point, quadrant, facts, section.tracks.report)]
