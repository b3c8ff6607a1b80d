"""What the science pipeline found out about an image: the numbers that go into headers, records and quality bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.catalogs import (
    ApertureCatalog,
    AstrometricCalibrators,
    BrightStars,
    PhotometricCalibrators,
    PsfCatalog,
)
from ztfpipe.model.stars import PsfModel
from ztfpipe.model.wcs import TpvWcs
from ztfpipe.model.zero_points import UsualZeroPoint


@dataclass(frozen=True)
class FringeTemplate:
    """Fringe patterns of a quadrant.

    components: (k, my, mx) float32, orthonormal patterns on the block grid, in units of the sky level; block_px: size
    of a block [px]; smooth_blocks: width of the running mean that was taken as the sky under them, in blocks, the same
    for every exposure they are fitted to; explained: (k,) share of the variance of the exposures each explains.
    """

    components: NDArray[np.float32]
    block_px: int
    smooth_blocks: int
    explained: NDArray[np.float64]


@dataclass(frozen=True)
class FringesTaken:
    """The fringes subtracted from an exposure: strength (k,) of each component of its template, and the sky [DN]."""

    strength: tuple[float, ...]
    sky_adu: float

    @property
    def total(self) -> float:
        """Strength of all components together, in units of the sky."""
        return float(np.hypot.reduce(self.strength))


@dataclass(frozen=True)
class Masters:
    """Calibration of a quadrant: bias [DN above overscan], flat (about 1), joined mask bits, and, where there are such,
    the low-frequency responsivity (about 1) and the fringe template; each (ny, nx)."""

    bias_adu: NDArray[np.float32]
    flat: NDArray[np.float32]
    mask: NDArray[np.uint16]
    responsivity: NDArray[np.float32] | None = None
    fringes: FringeTemplate | None = None


@dataclass(frozen=True)
class Calibrators:
    """What a quadrant is calibrated against: astrometric and photometric stars and the bright stars around; None where
    there is no catalog. usual: the zero point of its readout channel and filter before the night, where that is known.
    """

    astrometric: AstrometricCalibrators | None
    photometric: PhotometricCalibrators | None
    bright: BrightStars | None
    usual: UsualZeroPoint | None = None


@dataclass(frozen=True)
class Pointing:
    """What was commanded: field centre [deg], middle of the exposure, airmass, exposure time."""

    ra_deg: float
    dec_deg: float
    jd_mid: float
    airmass: float
    exptime_s: float


@dataclass(frozen=True)
class AstrometrySummary:
    """How well the WCS is known: matched stars, RMS per axis [deg], chi-square per degree of freedom."""

    n_matches: int
    rms_deg: tuple[float, float]
    chi2: float


@dataclass(frozen=True)
class PhotometrySummary:
    """Zero point and colour term of m_cal = mag + zero_point + colour_term * colour, with what they rest on.

    Magnitudes throughout; `zero_point_median`, `_average` and `_rms_all` are of the plain differences of all matches,
    `colour_median`, `_average` and `_rms` of the calibrators' colours.
    """

    n_matches: int
    zero_point: float
    zero_point_error: float
    zero_point_rms: float
    colour_term: float
    colour_term_error: float
    covariance: float
    zero_point_median: float
    zero_point_average: float
    zero_point_rms_all: float
    colour_median: float
    colour_average: float
    colour_rms: float


@dataclass(frozen=True)
class ApertureCorrections:
    """PSF magnitude minus aperture magnitude for each fixed aperture diameter [px], and their errors [mag]."""

    diameters_px: tuple[float, ...]
    correction_mag: tuple[float, ...]
    error_mag: tuple[float, ...]


@dataclass(frozen=True)
class GivenImage:
    """A calibrated image of the archive, whole or a cut-out, with what its header says of its calibration.

    image_adu: float32 (ny, nx), sky included, NaN where unknown; mask: uint16 (ny, nx), bits of the camera, None where
    none came with it; saturation_adu: typical level of saturated pixels; infobits: as the archive judged it.
    """

    image_adu: NDArray[np.float32]
    mask: NDArray[np.uint16] | None
    wcs: TpvWcs
    gain_e_per_adu: float
    saturation_adu: float
    astrometry: AstrometrySummary | None
    photometry: PhotometrySummary | None
    infobits: int


@dataclass(frozen=True)
class ScienceImage:
    """All products of a quadrant in memory. Parts that could not be made are None; `metrics` and `infobits` say why.

    image_adu: float32 (ny, nx), calibrated, sky included, NaN nowhere; mask: uint16 (ny, nx); saturation_adu: level at
    which a calibrated pixel counts as saturated; fringes: those taken out, or None.
    """

    image_adu: NDArray[np.float32]
    mask: NDArray[np.uint16]
    saturation_adu: float
    seeing_px: float
    limiting_mag: float
    wcs: TpvWcs
    astrometry: AstrometrySummary | None
    photometry: PhotometrySummary | None
    apertures: ApertureCorrections | None
    psf: PsfModel | None
    psf_catalog: PsfCatalog
    aperture_catalog: ApertureCatalog
    metrics: Mapping[str, float | int | str | None]
    infobits: int
    status: int
    notes: tuple[str, ...] = ()
    fringes: FringesTaken | None = None
