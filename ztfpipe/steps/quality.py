"""Step of `quality`: the night's report. Called with the archive as working directory."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Quality
from ztfpipe.errors import BadFile, BadName, TryAgain
from ztfpipe.methods.detector.mosaic import Tile
from ztfpipe.model.keys import CalibrationKey, RawKey
from ztfpipe.model.operations import NightRecords
from ztfpipe.model.summary import FocalPlane, NightSummary
from ztfpipe.pipelines.quality.database import night_rows
from ztfpipe.pipelines.quality.night import focal_plane, shrink, shrink_factor, summarise
from ztfpipe.products.accounts.pictures import focal_plane_png
from ztfpipe.products.accounts.references import read_candidates
from ztfpipe.products.accounts.report import write_report
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.arrival.raw import read_raw_quadrant
from ztfpipe.products.database.engine import database_url
from ztfpipe.products.database.store import update_night
from ztfpipe.products.images.calibration import read_master
from ztfpipe.products.names import key_of, parse
from ztfpipe.steps.operations.disk import report_table
from ztfpipe.steps.operations.records import read_night
from ztfpipe.steps.operations.watching import Watched, watch_night
from ztfpipe.steps.sky_coverage import coverage

__all__ = ["coverage", "night_summary", "report"]

WORKSPACE = Path("..")
"""The workspace, from the archive."""


def report(
    output: str,
    settings: Path,
    manifest: Path,
    plan: Path,
    references: Path | None,
    masters: Sequence[Path],
    raw: Sequence[Path],
    sky: Sequence[Path] = (),
) -> None:
    """Write the night's report: its tables, and pictures of the `masters` and of the CCDs of one exposure (`raw`),
    and of the `sky` seen.

    references: the night's list, if there is one. The records of masters, images and differences are found by the plan;
    those not there yet are left out. The operations database is brought up to date, and what it says of the night
    beside others comes first; a night without it has its report, which says so.
    """
    key_of(output, "nightreport")
    section, camera = read_settings(settings, Quality)
    records = read_night(manifest, plan)
    summary = _summary(records, references)
    watched = Watched("", (), ())
    try:
        url = database_url(section.database.url, WORKSPACE)
        update_night(url, records.plan.night, night_rows(records))
        watched = watch_night(url, records.plan.night, section.trends)
    except (BadFile, TryAgain) as error:
        watched = replace(watched, sentence=f"the operations database is of no use for this night: {error}")
    headline = f"{summary.headline}. {watched.sentence}" if watched.sentence else summary.headline
    summary = replace(summary, headline=headline, tables=(*watched.tables, *summary.tables))
    factor = shrink_factor(camera, section.picture_pixels)
    planes = [*_master_planes(masters or (), camera, factor), *_exposure_plane(raw or (), camera, factor)]
    pictures = [(plane.caption, focal_plane_png(plane, section.stretch_percent)) for plane in planes]
    pictures += [("Exposures with a usable quadrant, tonight and so far", one.read_bytes()) for one in sky or ()]
    disk = report_table(Path(), summary.night, section.night_budget_gb)
    summary = replace(summary, tables=(*summary.tables, disk))
    write_report(output, summary, [*watched.pictures, *pictures])


def night_summary(manifest: Path, plan: Path, references: Path | None) -> NightSummary:
    """The night's tables, from its accounts, its plan, its list of references and the records of what was made."""
    return _summary(read_night(manifest, plan), references)


def _summary(records: NightRecords, references: Path | None) -> NightSummary:
    listed = read_candidates(references) if references else ()
    one = records
    return summarise(one.manifest, one.plan, one.masters, one.science, listed, one.differences, one.moving)


def _master_planes(paths: Sequence[Path], camera: Camera, factor: int) -> Iterator[FocalPlane]:
    """One picture for the biases and one for the flats of each filter, bad pixels left out of the averages.

    A master that cannot be read leaves its place empty: the report is there to tell of such things.
    """
    by_filter: dict[str, dict[Tile, NDArray[np.float32]]] = {}
    night = ""
    for path in paths:
        try:
            master = read_master(path)
        except BadFile as fault:
            print(f"not shown: {fault}", file=sys.stderr)
            continue
        key: CalibrationKey = master.key
        night = key.night
        if master.usable:
            by_filter.setdefault(key.filter, {})[key.ccdid, key.qid] = shrink(master.mean, factor, master.mask)
    for code, tiles in sorted(by_filter.items()):
        what = "Bias masters" if code == "00" else f"{code[1]}-band flat masters"
        unit = "level above the overscan [DN]" if code == "00" else "response relative to the quadrant's mean"
        caption = f"{what} of {night}: north up, east to the left, gaps between the detectors as in the camera."
        yield focal_plane(camera, tiles, factor, title=f"{what}, {night}", caption=caption, unit=unit)


def _exposure_plane(paths: Sequence[Path], camera: Camera, factor: int) -> Iterator[FocalPlane]:
    """The picture of one exposure, each quadrant less the median of its overscan; an unreadable quadrant is empty."""
    tiles: dict[Tile, NDArray[np.float32]] = {}
    title = ""
    for path in paths:
        _, key = parse(path)
        if not isinstance(key, RawKey):
            raise BadName(path, "not a raw file")
        exposure = key.exposure
        title = f"Exposure {exposure.filefracday}, field {exposure.field}, {exposure.filter[1]} band"
        for qid in camera.qids:
            try:
                one = read_raw_quadrant(path, camera, key.ccdid, qid)
            except BadFile:
                continue
            overscan = one.overscan[:, camera.raw.overscan_columns_used(qid)]
            tiles[key.ccdid, qid] = shrink(one.image.astype(np.float32) - np.float32(np.median(overscan)), factor)
    if tiles:
        caption = f"{title}, as read but for the overscan: before bias and flat. North up, east to the left."
        yield focal_plane(camera, tiles, factor, title=title, caption=caption, unit="counts above the overscan [DN]")
