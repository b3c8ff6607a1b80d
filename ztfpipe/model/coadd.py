"""A reference in memory: its inputs, how they agree with calibrators, and all its products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.catalogs import ApertureCatalog, PsfCatalog
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.science import ApertureCorrections
from ztfpipe.model.stars import PsfModel
from ztfpipe.model.wcs import TpvWcs


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
