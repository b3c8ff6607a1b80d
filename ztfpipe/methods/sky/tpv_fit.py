"""Robust least squares for the TPV polynomial, and exact changes of a TPV solution's frame.

With CRVAL and CD held, catalog positions projected about CRVAL are quartics of intermediate coordinates: the fit is
linear.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.sky import projection
from ztfpipe.model.wcs import PV_POWERS, TpvWcs

Floats = NDArray[np.float64]
_SWAPPED = np.array([PV_POWERS.index((q, p)) for p, q in PV_POWERS])
_DEGREE = np.array([p + q for p, q in PV_POWERS])
_STARS_PER_TERM = 5  # below this the distortion prior knows the higher terms better than the stars do
_ROUNDS = 12
_GRID = 15


@dataclass(frozen=True)
class TpvFit:
    """A fitted WCS. used: pairs that survived clipping; degree: highest order that was fitted (the prior keeps the
    rest);
    covariance: (2, 15, 15) of pv in the order of PV_INDICES [deg^2 per unit of the monomials], zero for terms not
    fitted; chi2_per_dof: with the given errors, over used pairs; dof: degrees of freedom of both axes together.
    """

    wcs: TpvWcs
    used: NDArray[np.bool_]
    degree: int
    covariance: Floats
    chi2_per_dof: float
    dof: int


def fit_tpv(
    x_px: Floats,
    y_px: Floats,
    ra_deg: Floats,
    dec_deg: Floats,
    sigma_arcsec: Floats,
    start: TpvWcs,
    shape: tuple[int, int],
    *,
    max_degree: int = 4,
    clip_sigma: float = 3.5,
) -> TpvFit:
    """Fit corrections to `start` up to the degree that the number of pairs supports, clipping outliers until none is
    left.

    Clipping is at clip_sigma times the error, or times the scatter of the normalised residuals where that is larger.
    """
    u, v = projection.intermediate(start, x_px, y_px)
    target = np.array(projection.gnomonic(ra_deg, dec_deg, *start.crval_deg))
    before = np.array(projection.pixel_to_plane(start, x_px, y_px))
    weight = projection.ARCSEC_PER_DEG / sigma_arcsec
    unit = float(np.abs(start.cd_deg).sum(axis=1).max()) * max(shape) / 2.0
    used = np.isfinite(target).all(axis=0)
    for _ in range(_ROUNDS):
        degree = min(max_degree, _degree_for(int(used.sum())))
        terms = np.flatnonzero(degree >= _DEGREE)
        design = _monomials(u / unit, v / unit)[:, terms]
        rows = design[used] * weight[used, None]
        normal = rows.T @ rows
        delta = np.linalg.lstsq(rows, ((target - before)[:, used] * weight[used]).T, rcond=None)[0]
        normalised = np.hypot(*((target - before - (design @ delta).T) * weight))
        # The median of a two-dimensional Gaussian's radius is 1.1774 sigma.
        spread = max(1.0, float(np.median(normalised[used])) / 1.1774)
        kept = normalised < clip_sigma * spread
        if np.array_equal(kept, used):
            break
        used = kept
    scaling = unit ** -_DEGREE[terms].astype(np.float64)
    coefficients = common_order(start.pv)
    coefficients[:, terms] += delta.T * scaling
    dof = max(2 * (int(used.sum()) - terms.size), 1)
    chi2 = float(np.sum(normalised[used] ** 2)) / dof
    covariance = np.zeros((2, _DEGREE.size, _DEGREE.size))
    covariance[0][np.ix_(terms, terms)] = np.linalg.pinv(normal) * np.outer(scaling, scaling) * max(chi2, 1.0)
    covariance[1] = covariance[0][np.ix_(_SWAPPED, _SWAPPED)]
    return TpvFit(replace(start, pv=pv_order(coefficients)), used, degree, covariance, chi2, dof)


def common_order(pv: Floats) -> Floats:
    """Coefficients of both axes for the same monomials xi^p eta^q (PV_POWERS); in pv those of axis 2 are swapped."""
    return np.stack([pv[0], pv[1][_SWAPPED]])


def pv_order(coefficients: Floats) -> Floats:
    """Inverse of `common_order`."""
    return np.stack([coefficients[0], coefficients[1][_SWAPPED]])


def affine_moved(wcs: TpvWcs, matrix: Floats, shift_deg: Floats) -> TpvWcs:
    """The WCS whose plane coordinates are matrix @ (xi, eta) + shift [deg] of those of `wcs`: exact, for it is
    linear."""
    coefficients = matrix @ common_order(wcs.pv)
    coefficients[:, 0] += shift_deg
    return replace(wcs, pv=pv_order(coefficients))


def recentred(wcs: TpvWcs, shape: tuple[int, int]) -> TpvWcs:
    """The same solution with CRVAL the position of CRPIX and CD its derivative there, so that PVi_0, PVi_2 vanish.

    The change of tangent point is projective, not quartic; for moves of minutes of arc what a quartic leaves of it
    over a quadrant of `shape` is below a microarcsecond.
    """
    x0, y0 = wcs.crpix_px
    ra0, dec0 = projection.pixel_to_sky(wcs, x0, y0)
    crval = np.array([float(ra0), float(dec0)])
    half_px = 0.5
    x, y = x0 + half_px * np.array([1.0, -1.0, 0.0, 0.0]), y0 + half_px * np.array([0.0, 0.0, 1.0, -1.0])
    plane = np.array(projection.gnomonic(*projection.pixel_to_sky(wcs, x, y), *crval))
    cd = np.stack([plane[:, 0] - plane[:, 1], plane[:, 2] - plane[:, 3]], axis=1) / (2 * half_px)
    moved = replace(wcs, crval_deg=crval, cd_deg=cd)
    gx, gy = np.meshgrid(np.linspace(0, shape[1] - 1, _GRID), np.linspace(0, shape[0] - 1, _GRID))
    sky = projection.pixel_to_sky(wcs, gx.ravel(), gy.ravel())
    target = np.array(projection.gnomonic(*sky, *crval))
    u, v = projection.intermediate(moved, gx.ravel(), gy.ravel())
    unit = float(np.abs(u).max())
    solved = np.linalg.lstsq(_monomials(u / unit, v / unit), target.T, rcond=None)[0]
    return replace(moved, pv=pv_order(solved.T / unit**_DEGREE))


def _monomials(u: Floats, v: Floats) -> Floats:
    """Values of the fifteen monomials, (n, 15)."""
    powers_u = np.stack([u**k for k in range(5)])
    powers_v = np.stack([v**k for k in range(5)])
    return np.stack([powers_u[p] * powers_v[q] for p, q in PV_POWERS], axis=1)


def _degree_for(n_pairs: int) -> int:
    """Highest degree that leaves _STARS_PER_TERM pairs for each coefficient."""
    allowed = [degree for degree in range(1, 5) if np.sum(degree >= _DEGREE) * _STARS_PER_TERM <= n_pairs]
    return max(allowed, default=1)
