"""Recipe: which epochs of a field's quadrant and filter become the inputs of its reference, and why the others do not.

The criteria (i) to (x) and the flatness criterion are those of Masci, ZTF Science Data System: Progress and Plans
(2019-09-03), "Plan: extend selection criteria" and "Setting throughput-flatness thresholds".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ztfpipe.config import Reference
from ztfpipe.model.keys import QuadrantKey, ReferenceKey
from ztfpipe.model.records import QaRecord
from ztfpipe.model.reference import MADE, READY, WAITING, Candidate, Epoch, Rejection, Selection

NOT_AMONG_BEST = "(x) seeing rank"
METRICS = {
    "fwhm_arcsec": "fwhm_arcsec",
    "zero_point_mag": "pabszp",
    "colour_coefficient": "pcolterm",
    "limiting_mag": "maglimcat",
    "background_adu": "gmedian",
    "noise_adu": "gstddev",
    "flatness_rms_mag": "flatrms",
    "flatness_range_mag": "flatrange",
    "standard_zero_point_mag": "zpstandard",
}
"""Fields of an epoch, and the metrics of a science image's record that they are."""


def epoch_of(key: QuadrantKey, record: QaRecord) -> Epoch:
    """A science image as a candidate, from its QA record."""
    numbers = {field: record.metrics.get(name) for field, name in METRICS.items()}
    known = {field: float(value) if isinstance(value, (int, float)) else math.nan for field, value in numbers.items()}
    return Epoch(key, record.status, **known)


def select(epochs: Iterable[Epoch], settings: Reference) -> Selection:
    """Choose the inputs among all epochs of a field, filter and quadrant: those that pass every criterion, best seeing
    first, `epochs_max` at most. Ties of seeing are broken by time, so that the order of the epochs does not matter."""
    good, rejected = [], []
    for epoch in sorted(epochs, key=lambda one: one.key):
        failed = tuple(failures(epoch, settings))
        if failed:
            rejected.append(Rejection(epoch, tuple(name for name, _ in failed), tuple(text for _, text in failed)))
        else:
            good.append(epoch)
    good.sort(key=lambda one: one.fwhm_arcsec)
    for rank, epoch in enumerate(good[settings.epochs_max :], start=settings.epochs_max + 1):
        reason = f"number {rank} by seeing ({epoch.fwhm_arcsec:.2f}); the best {settings.epochs_max} are taken"
        rejected.append(Rejection(epoch, (NOT_AMONG_BEST,), (reason,)))
    rejected.sort(key=lambda one: one.epoch.key)
    return Selection(tuple(good[: settings.epochs_max]), tuple(rejected), settings.epochs_min)


def failures(epoch: Epoch, settings: Reference) -> Iterator[tuple[str, str]]:
    """The criteria that an epoch fails: name and sentence of each. What was not measured fails its criterion."""
    limits = settings.inputs[epoch.key.exposure.filter]
    if epoch.status != 1:
        yield "(ii) status", "STATUS is 0"
        return  # most of its other numbers do not exist
    yield from _outside("(i) seeing", epoch.fwhm_arcsec, *limits.fwhm_arcsec)
    yield from _outside("(iii) zero point", epoch.zero_point_mag, *limits.zero_point_mag)
    yield from _outside("(iv) colour coefficient", epoch.colour_coefficient, *limits.colour_coefficient)
    yield from _outside("(v) limiting magnitude", epoch.limiting_mag, limits.limiting_mag_min, math.inf)
    yield from _outside("(vi) background", epoch.background_adu, -math.inf, limits.background_max_adu)
    yield from _outside("(vii) noise", epoch.noise_adu, -math.inf, limits.noise_max_adu)
    if epoch.key.night < settings.first_night:
        yield "(viii) night", f"night {epoch.key.night} is before {settings.first_night}"
    yield from _outside("flatness RMS", epoch.flatness_rms_mag, -math.inf, limits.flatness_rms_max_mag)
    yield from _outside("flatness range", epoch.flatness_range_mag, -math.inf, limits.flatness_range_max_mag)


def promised_depth(limits_mag: Sequence[float]) -> float:
    """Limiting magnitude that N inputs promise: median MAGLIM + 1.25 log10 N (same source, "Current reference image
    depths"). NaN without inputs."""
    known = np.asarray(limits_mag, float)
    known = known[np.isfinite(known)]
    return float(np.median(known) + 1.25 * np.log10(known.size)) if known.size else math.nan


def candidate(
    reference: ReferenceKey, selection: Selection, version: int | None, frozen_tonight: bool, made: str = MADE
) -> Candidate:
    """How a field's quadrant and filter stands at the end of a night; version: the one it has, if it has one; made:
    how that one stands."""
    state = WAITING if version is None else READY if frozen_tonight else made
    seen = len(selection.chosen) + len(selection.rejected)
    return Candidate(reference, state, version, len(selection.chosen), seen, selection.counts)


def _outside(name: str, value: float, low: float, high: float) -> Iterator[tuple[str, str]]:
    what = name.partition(") ")[2] or name
    if not math.isfinite(value):
        yield name, f"{what} not measured"
    elif value < low:
        yield name, f"{what} {value:.4g} is below {low:g}"
    elif value > high:
        yield name, f"{what} {value:.4g} is above {high:g}"
