"""Recipe: when a reference should be made again, what a new version changes, and what it touches.

Source: Masci, ZTF Science Data System: Progress and Plans (2019-09-03), "Suspect reference images", "Regenerating
references: moving forward" and "Consequences of regenerating references".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.config import Reference
from ztfpipe.methods.sky.matching import match_sky
from ztfpipe.methods.statistics import percentile_sigma
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.reference import SUSPECT, UPDATABLE, Selection
from ztfpipe.model.summary import Cell, Table
from ztfpipe.pipelines.reference.selection import promised_depth

DEEPER, GOOD = "deeper", "good"
"""Sound, but deeper inputs are at hand; nothing to do."""
SEED_SNR = 10.0
"""Seeds above this S/N are expected in every version: fainter ones come and go with the noise."""
SEED_RADIUS_ARCSEC = 1.5
NEAR_SIGMA = 1.0
"""A candidate this little above the threshold, by its own noise, may be below it in a difference with other noise."""
CLASSIFIERS = {"real-bogus trees": "rbversion", "deep real-bogus network": "drbversion"}
"""Classifiers, and the column of the candidates that names their version."""


@dataclass(frozen=True)
class Standing:
    """How a reference stands: one of SUSPECT, UPDATABLE, DEEPER, GOOD, and the sentences that say why."""

    state: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Version:
    """What is known of a version that was made: its number, record and catalog of seeds."""

    number: int
    record: QaRecord
    catalog: PsfCatalog

    def metric(self, name: str) -> float | None:
        value = self.record.metrics.get(name)
        return float(value) if isinstance(value, (int, float)) else None


def suspicions(record: QaRecord, filter_code: str, settings: Reference) -> Iterator[str]:
    """Why a reference is suspect: unusable, not flat against PS1, or shallower than its inputs promise."""
    limits = settings.inputs[filter_code]
    if record.status != 1:
        yield f"STATUS is 0: {record.reason}"
        return
    for name, limit, noun in (
        ("flatrms", limits.flatness_rms_max_mag, "RMS against PS1"),
        ("flatrange", limits.flatness_range_max_mag, "range over 3 x 3 cells"),
        ("maglim_shortfall", settings.suspect_shortfall_mag, "depth below the promise of its inputs"),
    ):
        value = record.metrics.get(name)
        if not isinstance(value, (int, float)):
            yield f"{noun} was not measured"
        elif value > limit:
            yield f"{noun} is {value:.3f} mag, above {limit:g}"


def standing(record: QaRecord, made_of: Selection, selection: Selection, settings: Reference) -> Standing:
    """Whether to make a reference again. made_of: its frozen inputs; selection: what would be chosen of all epochs
    known now."""
    filter_code = made_of.chosen[0].key.exposure.filter
    reasons = tuple(suspicions(record, filter_code, settings))
    other = {one.key for one in selection.chosen} != {one.key for one in made_of.chosen}
    if reasons:
        return Standing(SUSPECT if selection.enough and other else UPDATABLE, reasons)
    before, now = (promised_depth([one.limiting_mag for one in which.chosen]) for which in (made_of, selection))
    if selection.enough and now - before >= settings.renew_gain_mag:
        text = f"{len(selection.chosen)} inputs promise {now:.2f} mag, {len(made_of.chosen)} promised {before:.2f}"
        return Standing(DEEPER, (text,))
    return Standing(GOOD, ())


def changes(old: Version, new: Version) -> Table:
    """What would change with a new version in force, as far as two versions tell it."""
    rows: list[tuple[Cell, ...]] = [
        (text, old.metric(name), new.metric(name))
        for text, name in (
            ("epochs", "nframes"),
            ("limiting magnitude", "maglimcat"),
            ("seeing [px]", "seeing_px"),
            ("RMS against PS1 [mag]", "flatrms"),
            ("range over 3 x 3 cells [mag]", "flatrange"),
            ("median of PS1 minus catalog [mag]", "ps1_offset"),
            ("fraction of samples trimmed", "trimmed_fraction"),
        )
    ]
    rows.insert(0, ("STATUS", old.record.status, new.record.status))
    rows += _seed_rows(old.catalog, new.catalog)
    text = (
        "Seeds are sources of the PSF catalog; lost and new ones are counted above S/N 10, moved ones are those found"
        " in both. Their light curves are matched anew."
    )
    columns = ("what", f"version {old.number}", f"version {new.number}")
    return Table("What a new version changes", text, columns, tuple(rows))


def touched(candidates: Mapping[QuadrantKey, Mapping[str, NDArray]], threshold: float) -> Table:
    """What was made with a version: how many candidates lie so near to the detection threshold that with another
    reference they may be lost, and which classifiers have judged such differences.

    candidates: of each difference, columns of CANDIDATE_TABLE by name; threshold: least |S_corr| of a candidate.
    """
    tables = list(candidates.values())
    near = sum(int(np.count_nonzero(one["scorr"] < threshold + NEAR_SIGMA)) for one in tables)
    rows: list[tuple[Cell, ...]] = [
        ("difference images", len(candidates)),
        ("nights", len({key.night for key in candidates})),
        ("candidates", sum(len(one["scorr"]) for one in tables)),
        (f"candidates of S_corr {threshold:g} to {threshold + NEAR_SIGMA:g}, near the threshold", near),
    ]
    for name, column in CLASSIFIERS.items():
        versions = {str(version) for one in tables for version in one.get(column, ()) if version}
        rows.append((f"{name} that scored them, to be retrained", ", ".join(sorted(versions)) or "none"))
    text = (
        "Candidates near the threshold may be lost, and as many come, when the reference's noise changes; scores of all"
        " change with its residuals. Differences already made keep their reference, and alerts sent stay as they are."
    )
    return Table("What was made with the version in force", text, ("what", "number"), tuple(rows))


def _seed_rows(old: PsfCatalog, new: PsfCatalog) -> list[tuple[Cell, ...]]:
    pairs = match_sky(old.ra_deg, old.dec_deg, new.ra_deg, new.dec_deg, SEED_RADIUS_ARCSEC)
    lost = np.setdiff1d(np.flatnonzero(old.snr >= SEED_SNR), pairs.first).size
    found = np.setdiff1d(np.flatnonzero(new.snr >= SEED_SNR), pairs.second).size
    both = (old.snr[pairs.first] >= SEED_SNR) & (new.snr[pairs.second] >= SEED_SNR)
    moved = 1000 * pairs.distance[both]
    fainter = 1000 * (new.mag[pairs.second][both] - old.mag[pairs.first][both])
    rows: list[tuple[Cell, ...]] = [
        ("seeds", len(old), len(new)),
        ("seeds above S/N 10", int((old.snr >= SEED_SNR).sum()), int((new.snr >= SEED_SNR).sum())),
        ("seeds above S/N 10 lost (old) and new (new)", int(lost), int(found)),
    ]
    if moved.size:
        rows += [
            ("seeds moved: median, 95 % [mas]", float(np.median(moved)), float(np.percentile(moved, 95))),
            ("seeds fainter: median, half the central 68 % [mmag]", float(np.median(fainter)),
             float(percentile_sigma(fainter))),
        ]  # fmt: skip
    return rows
