"""Recipe `quality`: the night in tables and pictures, from records and products that are there already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.methods.detector.mosaic import Tile, assemble, block_mean, tile_corners
from ztfpipe.model.keys import ExposureKey, QuadrantKey
from ztfpipe.model.manifest import ACCEPTED, NOT_RECEIVED, SET_ASIDE, Manifest
from ztfpipe.model.plan import MasterChoice, NightPlan
from ztfpipe.model.records import IngestRecord, QaRecord
from ztfpipe.model.reference import MADE, READY, SUSPECT, UPDATABLE, WAITING, Candidate
from ztfpipe.model.summary import Cell, FocalPlane, NightSummary, Table
from ztfpipe.pipelines.quality.stages import headline, missing_table, record_name, stage_table, stages_of

_NOUNS = {"bias": "bias", "hifreqflat": "flat"}
_SCIENCE_COLUMNS = {
    "seeing [arcsec]": "fwhm_arcsec",
    "stars": "npsfcat",
    "astrometry RA [arcsec]": "adpctdif1",
    "Dec [arcsec]": "adpctdif2",
    "zero point [mag]": "pabszp",
    "its RMS [mag]": "pabszprms",
    "limit [mag]": "maglimcat",
}
"""Columns of the table of exposures, and the metrics they show."""
_DIFFERENCE_COLUMNS = {
    "limit [mag]": "diffmaglim",
    "FWHM [px]": "difffwhm",
    "S_corr width": "scorr_width",
    "masked [%]": "diffpctbad",
    "candidates +": "ncandscimref",
    "candidates -": "ncandrefmsci",
    "streaks": "nstreaks",
}
_MOVING_COLUMNS = {
    "nights": "n_nights",
    "detections": "n_candidates",
    "stationary": "n_stationary",
    "tracks": "n_tracks",
    "plausible": "n_plausible",
    "known": "n_known",
    "new": "n_new",
    "streaks": "n_streaks",
    "waiting": "n_waiting",
    "reported": "n_reported",
}
_WHOLE_FILE = ""
"""Key of a file's own sentence among the reasons of its record."""


def summarise(
    manifest: Manifest,
    plan: NightPlan,
    records: Mapping[str, QaRecord],
    science: Mapping[QuadrantKey, QaRecord],
    references: Sequence[Candidate] = (),
    differences: Mapping[QuadrantKey, QaRecord] | None = None,
    moving: Mapping[str, QaRecord] | None = None,
) -> NightSummary:
    """The night's tables: accounts, what was set aside, masters made or taken from earlier nights, images, differences.

    The headline and the first tables say whether anything that was planned has no record.

    records: of the masters made tonight, by `record_name`. science: of the science
    images made tonight. references: how the fields observed stand. differences: records of those made tonight. moving:
    of the night's tracks and of the report on them, by their products.
    """
    made = [one for one in plan.masters if one.made_tonight]
    stages = stages_of(manifest, plan, records, science, differences or {})
    tables = (
        stage_table(stages),
        missing_table(stages),
        _accounts(manifest),
        _set_aside(manifest),
        _masters("bias", made, records),
        _masters("hifreqflat", made, records),
        _earlier(plan),
        _science(science),
        _unusable("Science images", science),
        _differences(plan, differences or {}),
        _unusable("Differences", differences or {}),
        _moving(moving or {}),
        _references(references),
    )
    filled = tuple(table for table in tables if table.rows)
    complete = all(one.complete for one in stages)
    return NightSummary(manifest.night, headline(manifest.summary, stages), filled, complete)


def focal_plane(
    camera: Camera,
    tiles: Mapping[Tile, NDArray[np.float32]],
    factor: int,
    *,
    title: str,
    caption: str,
    unit: str,
) -> FocalPlane:
    """The focal plane with `tiles` (averaged down by `factor` with `shrink`) where the camera has them."""
    corners = tile_corners(_centres_px(camera), camera.quadrant_shape)
    labels = tuple((float(x), float(y), f"CCD {ccdid} q{qid}") for (ccdid, qid), (y, x) in corners.items())
    return FocalPlane(title, caption, unit, assemble(tiles, corners, factor), factor, labels)


def shrink_factor(camera: Camera, picture_pixels: int) -> int:
    """How much to average down so that the whole focal plane has at most `picture_pixels` on its longer side."""
    corners = tile_corners(_centres_px(camera), camera.quadrant_shape)
    ny, nx = camera.quadrant_shape
    longest = max(max(y for y, _ in corners.values()) + ny, max(x for _, x in corners.values()) + nx)
    return max(1, -(-longest // picture_pixels))


def shrink(image: NDArray[np.float32], factor: int, mask: NDArray[np.uint16] | None = None) -> NDArray[np.float32]:
    """A quadrant averaged down, without the pixels whose mask is not zero."""
    good = image if mask is None else np.where(mask == 0, image, np.float32(np.nan))
    return block_mean(good, factor)


def _centres_px(camera: Camera) -> dict[Tile, tuple[float, float]]:
    """Centre (x, y) of each quadrant on the focal plane [px]: x to the west, y to the south, like the pixels."""
    scale = 3600.0 / camera.pixel_scale_arcsec
    amplifiers = (camera.amplifier(ccdid, qid) for ccdid, qid in camera.quadrants())
    return {(one.ccdid, one.qid): (-one.east_deg * scale, -one.north_deg * scale) for one in amplifiers}


def _accounts(manifest: Manifest) -> Table:
    kinds: dict[str, dict[str, int]] = {}
    for entry in manifest.entries:
        kind = str(entry.record.facts.get("imgtype") or "unreadable or not received")
        counts = kinds.setdefault(kind, dict.fromkeys(("sent", ACCEPTED, SET_ASIDE, NOT_RECEIVED, "quadrants"), 0))
        counts["sent"] += entry.announced
        if entry.record.status in counts:
            counts[entry.record.status] += 1
        counts["quadrants"] += len(entry.record.quadrants)
    rows = [(kind, *counts.values()) for kind, counts in sorted(kinds.items())]
    total: tuple[Cell, ...] = ("all", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True)))
    columns = ("type", "files sent", "accepted", "set aside", "not received", "quadrants accepted")
    return Table("Files", manifest.summary, columns, (*rows, total))


def _set_aside(manifest: Manifest) -> Table:
    rows = [
        (
            entry.record.name,
            f"quadrant {which}" if which != _WHOLE_FILE else "file",
            _without_name(reason, entry.record),
        )
        for entry in manifest.entries
        for which, reason in entry.record.reasons.items()
    ]
    text = "Nothing is deleted: files stand below ops/ingest/; a quadrant left out does not take its neighbours along."
    return Table("Set aside or left out", text, ("file", "what", "why"), tuple(rows))


def _without_name(reason: str, record: IngestRecord) -> str:
    """A record's sentence without the file's name, which stands beside it in the table."""
    return re.sub(rf"^{re.escape(record.name)}( quadrant [1-4])?: ", "", reason)


def _masters(kind: str, made: Sequence[MasterChoice], records: Mapping[str, QaRecord]) -> Table:
    rows = []
    for choice in made:
        record = records.get(record_name(choice))
        if choice.kind != kind or record is None:
            continue
        metrics = record.metrics
        measured = metrics.get("read_noise_e") if kind == "bias" else metrics.get("pixel_sigma")
        bad = sum(int(metrics.get(name) or 0) for name in ("n_noisy", "n_dead", "n_low_response", "n_high_response"))
        level, uncertainty = metrics.get("level_adu"), metrics.get("uncertainty_median")
        values = (metrics.get("frames_used"), level, uncertainty, measured, bad, record.timings_s.get("cpu"))
        verdict = "usable" if record.status else record.reason
        rows.append((choice.filter, choice.ccdid, choice.qid, *values, verdict))
    if kind == "bias":
        text = "Level above the overscan; uncertainty is the median 1-sigma error of a pixel of the master."
        columns = ("level [DN]", "uncertainty [DN]", "read noise [e-]")
    else:
        text = "Level of the exposures above bias; the master is relative to its mean, and so are the next two columns."
        columns = ("level [DN]", "uncertainty", "pixel response sigma")
    head = ("filter", "CCD", "quadrant", "frames", *columns, "bad pixels", "CPU [s]", "verdict")
    return Table(f"{_NOUNS[kind].capitalize()} masters made tonight", text, head, tuple(rows))


def _science(records: Mapping[QuadrantKey, QaRecord]) -> Table:
    """One row an exposure: how many quadrants are usable, and medians over those."""
    exposures: dict[ExposureKey, list[QaRecord]] = {}
    for key, record in sorted(records.items()):
        exposures.setdefault(key.exposure, []).append(record)
    rows = []
    for exposure, made in exposures.items():
        usable = [record for record in made if record.status]
        medians = [_median(usable, name) for name in _SCIENCE_COLUMNS.values()]
        cpu = sum(record.timings_s.get("cpu", 0.0) for record in made)
        rows.append((exposure.filefracday, exposure.field, exposure.filter, len(made), len(usable), *medians, cpu))
    text = "Medians over the usable quadrants of an exposure; astrometry is half the central 68 % of the residuals."
    head = ("exposure", "field", "filter", "quadrants", "usable", *_SCIENCE_COLUMNS, "CPU [s]")
    return Table("Science images", text, head, tuple(rows))


def _unusable(what: str, records: Mapping[QuadrantKey, QaRecord]) -> Table:
    rows = [
        (key.exposure.filefracday, key.ccdid, key.qid, record.metrics.get("infobits"), record.reason)
        for key, record in sorted(records.items())
        if not record.status
    ]
    head = ("exposure", "CCD", "quadrant", "INFOBITS", "why")
    return Table(f"{what} that cannot be used", "STATUS 0; all their products exist.", head, tuple(rows))


def _differences(plan: NightPlan, records: Mapping[QuadrantKey, QaRecord]) -> Table:
    """One row an exposure: quadrants differenced, without reference and failed, and medians over the usable ones."""
    pinned = {one.reference for one in plan.references}
    exposures: dict[ExposureKey, list[QuadrantKey]] = {}
    for key in plan.science:
        exposures.setdefault(key.exposure, []).append(key)
    rows = []
    for exposure, keys in sorted(exposures.items()):
        asked = [key for key in keys if key.reference in pinned]
        made = [records[key] for key in asked if key in records]
        usable = [record for record in made if record.status]
        counts = (len(usable), len(made) - len(usable), len(asked) - len(made), len(keys) - len(asked))
        medians = [_median(usable, name) for name in _DIFFERENCE_COLUMNS.values()]
        cpu = sum(record.timings_s.get("cpu", 0.0) for record in made)
        rows.append((exposure.filefracday, exposure.field, exposure.filter, *counts, *medians, cpu))
    text = (
        "Quadrants of an exposure; those without reference had no usable one when the night was planned and are not"
        " asked for. Medians are over the differenced ones."
    )
    head = ("exposure", "field", "filter", "differenced", "STATUS 0", "failed", "without reference")
    return Table("Differences", text, (*head, *_DIFFERENCE_COLUMNS, "CPU [s]"), tuple(rows))


def _moving(records: Mapping[str, QaRecord]) -> Table:
    """One row: from candidates to what was reported of moving objects."""
    metrics: dict[str, Cell] = {}
    for record in records.values():
        metrics |= record.metrics
    row = tuple(metrics.get(name) for name in _MOVING_COLUMNS.values())
    text = (
        "Nights linked together; new ones wait for a person's decision (ops/tracks/YYYY/MMDD/*_tracks.html) before they"
        " are reported."
    )
    return Table("Moving objects", text, tuple(_MOVING_COLUMNS), (row,) if records else ())


def _references(candidates: Sequence[Candidate]) -> Table:
    """One row a field and filter: quadrants with a reference, and what keeps the others from having one."""
    groups: dict[tuple[int, str], list[Candidate]] = {}
    for one in candidates:
        groups.setdefault((one.reference.field, one.reference.filter), []).append(one)
    rows = []
    for (field, code), group in sorted(groups.items()):
        states = MADE, SUSPECT, UPDATABLE, READY, WAITING
        number = {state: sum(one.state == state for one in group) for state in states}
        waiting = [one for one in group if one.state == WAITING]
        good = float(np.median([one.good for one in waiting])) if waiting else None
        seen = float(np.median([one.seen for one in waiting])) if waiting else None
        counts: Counter[str] = Counter()
        for one in waiting:
            counts.update(one.counts)
        why = ", ".join(f"{name} {count}" for name, count in counts.most_common(3))
        rows.append((field, code, *number.values(), good, seen, why))
    text = (
        "Medians are over the waiting quadrants; counts are epochs that fail a criterion. `references` makes the ready."
        " `ztfpipe reference renew` makes suspect ones again; those potentially updatable wait for other good epochs."
    )
    head = (
        "field", "filter", "have a sound one", "suspect", "potentially updatable", "ready", "waiting", "good epochs",
        "epochs", "most frequent failures",
    )  # fmt: skip
    return Table("References", text, head, tuple(rows))


def _median(records: Sequence[QaRecord], name: str) -> float | None:
    """Median of a metric over the records that have it as a number."""
    values = [value for record in records if isinstance(value := record.metrics.get(name), (int, float))]
    return float(np.median(values)) if values else None


def _earlier(plan: NightPlan) -> Table:
    quadrants: dict[tuple[Cell, ...], list[str]] = {}
    for one in plan.masters:
        if not one.made_tonight:
            reason = (_NOUNS[one.kind], one.filter, one.key.night if one.key else None, one.note)
            quadrants.setdefault(reason, []).append(f"{one.ccdid}/{one.qid}")
    everywhere = len({(one.ccdid, one.qid) for one in plan.masters})
    rows = [
        (kind, code, "all" if len(places) == everywhere else " ".join(places), night, why)
        for (kind, code, night, why), places in quadrants.items()
    ]
    return Table("Masters not made tonight", "", ("kind", "filter", "CCD/quadrant", "night used", "why"), tuple(rows))
