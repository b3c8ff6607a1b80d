"""Catalogs on their way from recipes to files. Positions are zero-based pixels here, one-based only in files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.columns import APERTURE_CATALOG

POGSON = 2.5 / np.log(10)
"""Magnitudes per natural logarithm of flux, 1.0857."""


@dataclass(frozen=True)
class PsfCatalog:
    """PSF-fit sources of an image, arrays (n,): positions [px, deg], fluxes [DN], DAOPHOT's chi and sharp, flags."""

    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    flux_adu: NDArray[np.float64]
    flux_error_adu: NDArray[np.float64]
    chi: NDArray[np.float64]
    sharp: NDArray[np.float64]
    flags: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.flux_adu)

    @property
    def mag(self) -> NDArray[np.float64]:
        """Instrumental magnitude, NaN where the flux is not positive."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.flux_adu > 0, -2.5 * np.log10(self.flux_adu), np.nan)

    @property
    def mag_error(self) -> NDArray[np.float64]:
        """1-sigma uncertainty of `mag`: 1.0857 sigma / flux."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.flux_adu > 0, POGSON * self.flux_error_adu / self.flux_adu, np.nan)

    @property
    def snr(self) -> NDArray[np.float64]:
        """Flux over its uncertainty."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.flux_adu / self.flux_error_adu

    @staticmethod
    def empty() -> PsfCatalog:
        """A catalog without sources: what an unusable image gets."""
        none = np.zeros(0)
        return PsfCatalog(none, none, none, none, none, none, none, none, np.zeros(0, np.int16))


@dataclass(frozen=True)
class ApertureCatalog:
    """Aperture sources: one array per column of `columns.APERTURE_CATALOG`, positions zero-based."""

    columns: Mapping[str, NDArray]

    def __len__(self) -> int:
        return len(self.columns["NUMBER"])

    @staticmethod
    def empty() -> ApertureCatalog:
        """A catalog without sources."""
        return ApertureCatalog(
            {
                column.name: np.zeros((0, column.width) if column.width > 1 else 0, column.dtype)
                for column in APERTURE_CATALOG
            }
        )


@dataclass(frozen=True)
class AstrometricCalibrators:
    """Gaia-like stars around a quadrant at `epoch_year`: degrees, motions [mas/yr, ra cos dec], G, errors [mas]."""

    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    pmra_mas: NDArray[np.float64]
    pmdec_mas: NDArray[np.float64]
    error_mas: NDArray[np.float64]
    g_mag: NDArray[np.float64]
    epoch_year: float


@dataclass(frozen=True)
class PhotometricCalibrators:
    """Isolated, stable PS1-like stars: degrees and magnitudes by band letter with their errors."""

    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    mag: Mapping[str, NDArray[np.float64]]
    mag_error: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class BrightStars:
    """Stars whose halos reach into the quadrant: degrees and V."""

    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    v_mag: NDArray[np.float64]
