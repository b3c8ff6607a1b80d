"""Steps of calibration: a split quadrant, a bias master, a flat master. Paths are relative to the archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from ztfpipe.camera import Camera
from ztfpipe.config import Calibration
from ztfpipe.errors import BadFile, Unusable
from ztfpipe.model.images import Cards, RawQuadrant
from ztfpipe.model.keys import CalibrationKey, QuadrantKey
from ztfpipe.pipelines.calibration import (
    BiasForFlat,
    EarlierMaster,
    Master,
    Metrics,
    make_bias_master,
    make_flat_master,
    split_quadrant,
)
from ztfpipe.products.accounts.records import write_record
from ztfpipe.products.accounts.settings import read_settings
from ztfpipe.products.arrival.raw import read_raw_quadrant
from ztfpipe.products.formats.atomic import write_text
from ztfpipe.products.images.calibration import (
    StoredMaster,
    master_header,
    master_id,
    master_kind,
    read_master,
    write_master,
    write_split,
)
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.recording import Stopwatch, finite, pixel_checksum, qa_record, spelt

K = TypeVar("K", CalibrationKey, QuadrantKey)


def split(output: str, settings: Path, raw: Path) -> None:
    """Write one overscan-corrected quadrant and its record; with STATUS 0 and NaN pixels when its overscan is bad."""
    watch = Stopwatch()
    key = key_of(output, "split")
    section, camera = read_settings(settings, Calibration)
    quadrant = read_raw_quadrant(raw, camera, key.ccdid, key.qid)
    metrics: Metrics = {}
    reason = ""
    try:
        result = split_quadrant(quadrant, camera, key.qid, section)
        image, metrics = result.image, result.metrics
    except Unusable as error:
        image, reason = np.full(quadrant.image.shape, np.nan, np.float32), str(error)
    verdict: Cards = {
        "STATUS": (0 if reason else 1, "0 = bad, 1 = usable"),
        **({"REASON": (reason, "why it is bad")} if reason else {}),
        "OVSCLEV": (finite(metrics).get("overscan_level_adu"), "[DN] mean level of the overscan fit"),
        "OVSCRMS": (finite(metrics).get("overscan_residual_rms_adu"), "[DN] scatter of rows about the fit"),
    }
    write_split(output, image, quadrant.header, verdict)
    inputs = {str(raw): pixel_checksum(quadrant.image, quadrant.overscan)}
    status = 0 if reason else 1
    record = qa_record("calibration split", output, status, reason, metrics, section, watch, inputs)
    write_record(path_of("splitqa", key), record)


def bias(
    output: str, settings: Path, frames: Sequence[Path], previous: Path | None = None, note: str | None = None
) -> None:
    """Stack raw biases into a master: six images, a log and a record, also when the master cannot be used."""
    watch = Stopwatch()
    key = key_of(output, "bias")
    section, camera = read_settings(settings, Calibration)
    inputs: dict[str, str] = {}
    earlier, note = _earlier(previous, inputs, note)
    master = make_bias_master(_read(frames, camera, key, inputs, watch), camera, key.ccdid, key.qid, section, earlier)
    _write(key, camera, section, master, inputs, note, watch)


def flat(
    output: str,
    settings: Path,
    frames: Sequence[Path],
    bias: Path,
    previous: Path | None = None,
    note: str | None = None,
) -> None:
    """Stack raw screen flats into a master, with the bias master `bias`; files as for a bias."""
    watch = Stopwatch()
    key = key_of(output, "hifreqflat")
    section, camera = read_settings(settings, Calibration)
    inputs: dict[str, str] = {}
    stored = _stored(bias, inputs)
    reason = "" if stored.usable else f"the bias master {bias} is not usable"
    earlier, note = _earlier(previous, inputs, note)
    master = make_flat_master(
        _read(frames, camera, key, inputs, watch),
        BiasForFlat(stored.mean, stored.mask, reason),
        camera,
        key.ccdid,
        key.qid,
        key.night,
        section,
        earlier,
    )
    keyword, identifier = master_id(stored.key, camera)
    extra: Cards = {keyword: (identifier, "identifier of the bias image subtracted")}
    _write(key, camera, section, master, inputs, note, watch, extra)


def _read(
    paths: Sequence[Path], camera: Camera, key: CalibrationKey, inputs: dict[str, str], watch: Stopwatch
) -> Iterator[tuple[str, RawQuadrant | BadFile]]:
    """Raw quadrants one at a time, with their checksums noted; one that cannot be read comes as its error."""
    for path in paths:
        with watch.part("read"):
            try:
                raw: RawQuadrant | BadFile = read_raw_quadrant(path, camera, key.ccdid, key.qid)
            except BadFile as error:
                raw = error
            inputs[str(path)] = "" if isinstance(raw, BadFile) else pixel_checksum(raw.image, raw.overscan)
        yield path.name, raw


def _stored(path: Path, inputs: dict[str, str]) -> StoredMaster:
    stored = read_master(path)
    inputs[str(path)] = pixel_checksum(stored.mean, stored.uncertainty, stored.mask)
    return stored


def _earlier(path: Path | None, inputs: dict[str, str], note: str | None) -> tuple[EarlierMaster | None, str]:
    """The previous master, when there is one and it can be used, and the note, which says so if it cannot be read."""
    note = note or ""
    if path is None:
        return None, note
    try:
        stored = _stored(path, inputs)
    except BadFile as error:
        # Only the comparison is lost: tonight's master does not depend on it.
        return None, f"{note} no comparison with the previous master, {error}".strip()
    if not stored.usable:
        return None, note
    level, uncertainty = stored.number("LEVEL"), stored.number("LEVELUNC")
    return EarlierMaster(path.name, stored.mean, stored.uncertainty, level, uncertainty), note


def _write(
    key: CalibrationKey,
    camera: Camera,
    section: Calibration,
    master: Master,
    inputs: dict[str, str],
    note: str,
    watch: Stopwatch,
    extra: Cards | None = None,
) -> None:
    kind = master_kind(key)
    verdict = {**_verdict(master, section), **(extra or {})}
    with watch.part("write"):
        write_master(key, master.frames, master.mask, master_header(key, camera, verdict, master.used, note))
        write_text(path_of(f"{kind}log", key), _log(key, kind, master, note))
    metrics = {
        **master.metrics,
        "level_adu": master.level_adu,
        "level_uncertainty_adu": master.level_uncertainty_adu,
        **{f"rejected_{i}": f"{one.name}: {one.reason}" for i, one in enumerate(master.rejected, 1)},
    }
    if note:
        metrics["note"] = note
    main = path_of(kind, key)
    action = "bias" if kind == "bias" else "flat"
    step = f"calibration {action}"
    record = qa_record(step, main, master.status, master.reason, metrics, section, watch, inputs)
    write_record(path_of(f"{kind}qa", key), record)


def _verdict(master: Master, section: Calibration) -> Cards:
    """The cards that say what the recipe found."""
    numbers = finite(master.metrics)
    levels = finite({"level": master.level_adu, "uncertainty": master.level_uncertainty_adu})
    cards: dict[str, tuple[str | int | float | None, str]] = {
        "STATUS": (master.status, "0 = bad, 1 = usable"),
        "NFRAMES": (len(master.used), "frames in the stack"),
        "NREJECT": (len(master.rejected), "frames left out"),
        "CLIPSIG": (section.clip_sigma, "trimming of the stack [sigma]"),
        "LEVEL": (levels["level"], "[DN] level above overscan (bias) or bias (flat)"),
        "LEVELUNC": (levels["uncertainty"], "[DN] uncertainty from the frames' scatter"),
        "UNCMED": (numbers.get("uncertainty_median"), "median 1-sigma uncertainty of a pixel"),
        "NNOISY": (numbers.get("n_noisy"), "noisy pixels"),
        "NDEAD": (numbers.get("n_dead"), "dead pixels"),
        "NLOWRESP": (numbers.get("n_low_response"), "low-response pixels"),
        "NHIRESP": (numbers.get("n_high_response"), "high-response pixels"),
    }
    if "read_noise_e" in numbers:
        cards["RDNOISE"] = (numbers["read_noise_e"], "[e-] read noise measured from the stack")
    if master.reason:
        cards["REASON"] = (master.reason, "why it is bad")
    if "earlier" in numbers:
        cards["PREVCAL"] = (numbers["earlier"], "earlier master compared with")
        cards["PREVSIG"] = (numbers["earlier_level_change_sigma"], "change of the level since [sigma]")
    return cards


def _log(key: CalibrationKey, kind: str, master: Master, note: str) -> str:
    """What happened, for people."""
    lines = [
        f"{kind} of CCD {key.ccdid} quadrant {key.qid}, night {key.night}, filter {key.filter}",
        f"STATUS = {master.status}" + (f" ({master.reason})" if master.reason else ""),
        *([note] if note else []),
        f"{len(master.used)} frames stacked:",
        *(f"  {name}" for name in master.used),
        f"{len(master.rejected)} frames left out:",
        *(f"  {one.name}: {one.reason}" for one in master.rejected),
        f"level = {master.level_adu:.4f} +- {master.level_uncertainty_adu:.4f} DN",
        *spelt(master.metrics),
    ]
    return "\n".join(lines) + "\n"
