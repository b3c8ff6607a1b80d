"""What references are made of: epochs and what is known of them, the frozen inputs, and a co-add with its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.catalogs import ApertureCatalog, PsfCatalog
from ztfpipe.model.keys import QuadrantKey, ReferenceKey, ReferenceVersionKey
from ztfpipe.model.science import ApertureCorrections
from ztfpipe.model.stars import PsfModel
from ztfpipe.model.wcs import TpvWcs

READY, MADE, WAITING = "ready", "has one", "too few epochs"
"""States of a field's quadrant and filter at the end of a night."""


@dataclass(frozen=True)
class Epoch:
    """A science image as a candidate input, from its QA record; NaN where a number was not measured.

    flatness: of its zero point over 3 x 3 cells, against PS1.
    """

    key: QuadrantKey
    status: int
    fwhm_arcsec: float
    zero_point_mag: float
    colour_coefficient: float
    limiting_mag: float
    background_adu: float
    noise_adu: float
    flatness_rms_mag: float
    flatness_range_mag: float

    @property
    def reference(self) -> ReferenceKey:
        """The field, filter and quadrant it is an epoch of."""
        return ReferenceKey(self.key.exposure.field, self.key.exposure.filter, self.key.ccdid, self.key.qid)


@dataclass(frozen=True)
class Rejection:
    """Why an epoch is not an input: the names of the criteria it fails, and a sentence for each."""

    epoch: Epoch
    criteria: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """The choice of inputs: `chosen` in ascending FWHM, and every other epoch with its reasons.

    enough: whether there are as many as a reference needs; epochs_min: that number.
    """

    chosen: tuple[Epoch, ...]
    rejected: tuple[Rejection, ...]
    epochs_min: int

    @property
    def enough(self) -> bool:
        return len(self.chosen) >= self.epochs_min

    @property
    def counts(self) -> dict[str, int]:
        """Number of epochs that fail each criterion; one may fail several."""
        return dict(Counter(name for one in self.rejected for name in one.criteria))


@dataclass(frozen=True)
class FrozenInputs:
    """The inputs of one version of a reference, written once and never changed.

    night: of the check that froze it, YYYYMMDD, or of the newest epoch known when it was renewed; why: the occasion, a
    sentence; criteria: the thresholds in force.
    """

    key: ReferenceVersionKey
    night: str
    why: str
    selection: Selection
    criteria: Mapping[str, object]


@dataclass(frozen=True)
class Candidate:
    """A line of the night's list: a field's quadrant and filter that was observed, and how it stands."""

    reference: ReferenceKey
    state: str
    version: int | None
    good: int
    seen: int
    counts: Mapping[str, int]


@dataclass(frozen=True)
class ReferenceInput:
    """One input: its catalog and calibration in memory, its pixels where they are.

    rows(first, stop): its rows, image float32 [DN], sky included, and mask uint16; shape: (rows, columns);
    saturation_adu: level of a calibrated pixel; jd: start of the exposure.
    """

    key: QuadrantKey
    rows: Callable[[int, int], tuple[NDArray[np.float32], NDArray[np.uint16]]]
    shape: tuple[int, int]
    wcs: TpvWcs
    catalog: PsfCatalog
    zero_point_mag: float
    zero_point_error_mag: float
    colour_coefficient: float
    limiting_mag: float
    seeing_px: float
    saturation_adu: float
    jd: float


@dataclass(frozen=True)
class Agreement:
    """How an input agrees with calibrators: stars matched, median offsets, and flatness of the zero point."""

    matches: int
    east_arcsec: float
    north_arcsec: float
    scatter_arcsec: float
    zero_point_mag: float
    flatness_rms_mag: float
    flatness_range_mag: float


@dataclass(frozen=True)
class ReferenceImage:
    """All products of a reference in memory; parts that could not be made are None or empty, and `notes` say why.

    image_adu: float32 (ny, nx), background removed, NaN where nothing was seen; coverage: number of epochs in each
    pixel; uncertainty_adu: 1 sigma; mask: uint16, bits of pixels without a trustworthy value. used: the inputs, in
    order; rejected: what was left out when it was read, and why.
    """

    image_adu: NDArray[np.float32]
    coverage: NDArray[np.int16]
    uncertainty_adu: NDArray[np.float32]
    mask: NDArray[np.uint16]
    wcs: TpvWcs
    zero_point_mag: float
    zero_point_error_mag: float
    colour_coefficient: float
    gain_e_per_adu: float
    saturation_adu: float
    jd_range: tuple[float, float]
    used: tuple[QuadrantKey, ...]
    rejected: Mapping[QuadrantKey, str]
    psf: PsfModel | None
    psf_catalog: PsfCatalog
    aperture_catalog: ApertureCatalog
    apertures: ApertureCorrections | None
    seeing_px: float
    limiting_mag: float
    metrics: Mapping[str, float | int | str | None]
    status: int
    notes: tuple[str, ...] = ()
