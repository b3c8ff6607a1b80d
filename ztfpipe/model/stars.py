"""Stars as measured on an image: the PSF, detections, fitted stars. Positions are zero-based pixel centres, float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PsfModel:
    """The effective point-spread function (pixel response included) of an image, as a function of position.

    P(dx, dy; x, y) = sum_k T_k(x, y) sum_ab C[k, a, b] B3(s dy + c - a) B3(s dx + c - b), where B3 is the cubic
    B-spline, s `oversampling` (knots per pixel), c the middle knot, and T_k the monomials 1, u, v, u^2, uv, v^2, ...
    up to degree `order` of u, v = pixel position scaled to -1..1 over `shape`. P summed over a stamp of half-width
    `radius_px` is 1 at every position: a star's flux is what its whole stamp holds.

    coefficients: float32 (K, M, M). fwhm_px: at the image's centre. used_x_px, used_y_px, used_flux_adu: the stars that
    made it. chi: root mean square of their pixel residuals over expected noise. core_error: typical error of P relative
    to itself in the core, from the scatter of those residuals beyond noise; what a fit may assume as its floor.
    flux_error: relative error of bright stars' fluxes that comes from the noise in the model.
    """

    coefficients: NDArray[np.float32]
    oversampling: int
    order: int
    radius_px: int
    shape: tuple[int, int]
    fwhm_px: float
    used_x_px: NDArray[np.float64]
    used_y_px: NDArray[np.float64]
    used_flux_adu: NDArray[np.float64]
    chi: float
    core_error: float
    flux_error: float = 0.0

    @staticmethod
    def of_tables(
        coefficients: NDArray[np.float32], oversampling: int, order: int, radius_px: int, shape: tuple[int, int]
    ) -> PsfModel:
        """The model alone, without the stars that made it; what is known of its errors and its width is NaN."""
        none, unknown = np.empty(0), np.nan
        return PsfModel(
            coefficients, oversampling, order, radius_px, shape, unknown, none, none, none, unknown, unknown, unknown
        )


@dataclass(frozen=True)
class Detections:
    """Local maxima of a significance map, each (n,): sub-pixel position, matched-filter flux [ADU], significance."""

    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    flux_adu: NDArray[np.float64]
    significance: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x_px)


@dataclass(frozen=True)
class FittedStars:
    """Stars of a simultaneous PSF fit, each (n,).

    sigma_*: from the Fisher matrix of the star and the neighbours fitted with it (positions marginalised; NaN where the
    position was held); in a catalog (`find_and_fit`) sigma_flux_adu has the PSF's own flux error in it. chi, sharp: as
    DAOPHOT defines them. good_fraction: share of the PSF's squared weight on unmasked pixels. neighbours: how many were
    fitted with it. converged: the last step was within tolerance.
    """

    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    flux_adu: NDArray[np.float64]
    sigma_x_px: NDArray[np.float64]
    sigma_y_px: NDArray[np.float64]
    sigma_flux_adu: NDArray[np.float64]
    chi: NDArray[np.float64]
    sharp: NDArray[np.float64]
    good_fraction: NDArray[np.float64]
    neighbours: NDArray[np.int32]
    converged: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.x_px)

    @property
    def snr(self) -> NDArray[np.float64]:
        """Flux over its uncertainty."""
        return self.flux_adu / self.sigma_flux_adu
