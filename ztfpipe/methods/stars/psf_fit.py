"""The fit of a spatially varying PSF: choice of stars, and least squares over all their pixels at once.

What the data leave open is decided by a prior around a round Moffat profile, whose width varies over the image as that
of the stars does; its freedom in every coefficient is a fraction of that profile. Three rounds alternate between the
stars (position, flux) and the coefficients, which conjugate gradients find without forming the normal matrix.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, median_filter, spline_filter
from scipy.spatial import cKDTree

from ztfpipe.errors import Unusable
from ztfpipe.methods.stars import psf_fit_nb as kernels
from ztfpipe.methods.stars.psf import b_spline, fwhm
from ztfpipe.methods.stars.psf_nb import polynomial_terms
from ztfpipe.methods.statistics import MAD_TO_SIGMA
from ztfpipe.model.stars import Detections, PsfModel

_MOFFAT_BETAS = (2.0, 2.5, 3.0, 4.0, 6.0)
_STARS_FOR_ORDER = ((400, 3), (60, 2), (20, 1), (0, 0))
"""Least number of stars for each polynomial degree: ten and more per term, and more where a term is less certain."""
_PSF_ERRORS = (0.05, 0.02, 0.01)
"""Relative error allowed to the model in each round, so that the first, poor ones do not follow the brightest stars."""
_WINGS_FWHM = (1.5, 2.5)
"""Between these radii the PSF goes over from free knots to smooth wings."""
_WING_SMOOTH_PX = 1.5
_PEERS = 51
"""Stars of similar flux that a star's misfit is compared with."""
_STARS_TO_HALVE = 10
"""Half as many still make a PSF."""
_PRIOR_WIDTHS = (1.0, 0.3)
"""Relative width of the prior around the Moffat profile: of the constant table, and of the varying ones."""


def choose_stars(
    weight: NDArray[np.float32],
    found: Detections,
    *,
    fwhm_px: float,
    radius_px: int,
    min_snr: float,
    max_stars: int,
) -> NDArray[np.intp]:
    """Indices of detections fit to make a PSF: bright, unmasked in the core, alone, and spread over the image.

    weight: float32 (ny, nx), 1 / variance [ADU^-2], 0 where masked. A star is alone when none brighter than a tenth of
    it lies within 3 FWHM and none brighter than itself within radius_px. The image is cut in 8 x 8 cells, and each cell
    gives its brightest in turn until `max_stars`.
    """
    ny, nx = weight.shape
    x, y, flux = found.x_px, found.y_px, found.flux_adu
    inside = (np.minimum(x, y) > radius_px) & (x < nx - 1 - radius_px) & (y < ny - 1 - radius_px)
    candidates = np.flatnonzero(inside & (found.significance > min_snr))
    if len(candidates) == 0:
        return candidates
    positions = np.column_stack([x, y])
    pairs = cKDTree(positions).query_pairs(radius_px, output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    star, other = pairs[:, 0], pairs[:, 1]
    near = np.hypot(*(positions[star] - positions[other]).T) < 3 * fwhm_px
    crowded = flux[other] > np.where(near, 0.1, 1.0) * flux[star]
    alone = ~np.isin(candidates, star[crowded])
    candidates = candidates[alone]
    core = max(2, int(np.ceil(fwhm_px)))
    _, weights = kernels.cut_stamps(weight, weight, x[candidates], y[candidates], core)
    candidates = candidates[(weights > 0).all(axis=(1, 2))]
    cell = (8 * y[candidates] / ny).astype(int) * 8 + (8 * x[candidates] / nx).astype(int)
    order = np.lexsort((-flux[candidates], cell))
    starts = np.searchsorted(cell[order], cell[order], side="left")
    rank = np.arange(len(order)) - starts
    spread = order[np.lexsort((-flux[candidates][order], rank))]
    return candidates[spread[:max_stars]]


def fit_psf(
    image_adu: NDArray[np.float32],
    weight: NDArray[np.float32],
    found: Detections,
    *,
    gain_e_per_adu: float,
    fwhm_px: float,
    radius_px: int = 12,
    max_order: int = 3,
    min_snr: float = 40.0,
    max_stars: int = 700,
    iterations: int = 7,
) -> PsfModel:
    """Fit the PSF and its variation over an image.

    image_adu: float32 (ny, nx), background taken off. weight: float32 (ny, nx), 1 / variance of background and read
    noise [ADU^-2], 0 in masked and saturated pixels; the stars' own photon noise is added here from the gain. found:
    all stars seen, also those that cannot make a PSF: they are taken off as neighbours. fwhm_px: a first idea, to 30 %.
    iterations: of the conjugate gradients in each round.

    Raises Unusable when fewer than five stars are fit to make a PSF.
    """
    chosen = choose_stars(weight, found, fwhm_px=fwhm_px, radius_px=radius_px, min_snr=min_snr, max_stars=max_stars)
    if len(chosen) < 5:
        raise Unusable("PSF", "too few bright, isolated, unsaturated stars", stars=len(chosen))
    fit = _PsfFit(image_adu, weight, found, chosen, gain_e_per_adu, radius_px)
    fit.start_from_moffat(fwhm_px)
    fit.set_order(max_order)
    for psf_error in _PSF_ERRORS:
        fit.improve(psf_error, iterations)
    model = fit.model()
    return replace(model, flux_error=fit.flux_error(iterations))


class _PsfFit:
    """The state of one PSF fit: stamps, star parameters and coefficients, improved in rounds."""

    def __init__(self, image, weight, found, chosen, gain, radius) -> None:
        self.ny, self.nx = image.shape
        self.half, self.gain = radius, gain
        self.found, self.chosen = found, chosen
        self.x, self.y = found.x_px[chosen].copy(), found.y_px[chosen].copy()
        self.flux = found.flux_adu[chosen].copy()
        self.corner_x = np.floor(self.x + 0.5).astype(np.int64) - radius
        self.corner_y = np.floor(self.y + 0.5).astype(np.int64) - radius
        self.data, self.weights = kernels.cut_stamps(image, weight, self.x, self.y, radius)
        self.flux_scale = 1.0
        positions = np.column_stack([found.x_px, found.y_px])
        near = cKDTree(positions).query_ball_point(positions[chosen], 2 * radius + 1, p=np.inf)
        self.others = np.empty(len(chosen), object)
        self.others[:] = [
            np.array([n for n in group if n != star], int) for star, group in zip(chosen, near, strict=True)
        ]

    def keep(self, good: NDArray[np.bool_]) -> None:
        """Go on with the stars marked good only (unless fewer than five would be left)."""
        if good.all() or good.sum() < 5:
            return
        for name in ("chosen", "x", "y", "flux", "width", "corner_x", "corner_y", "data", "weights", "others"):
            setattr(self, name, getattr(self, name)[good])

    def start_from_moffat(self, fwhm_px: float) -> None:
        """Fit round Moffat profiles star by star, drop misfits, and make their median the first model."""
        best = None
        some = slice(0, 150)
        for beta in _MOFFAT_BETAS:
            state = [v[some].copy() for v in (self.x, self.y, self.flux)]
            width = np.full(len(state[0]), fwhm_px / 2 / np.sqrt(2 ** (1 / beta) - 1))
            chi2 = self._moffat(*state, width, beta, 3 * fwhm_px, 6, some)
            if best is None or np.median(chi2) < best[0]:
                best = np.median(chi2), beta, np.median(width)
        _, beta, alpha = best
        width = self.width = np.full(len(self.x), alpha)
        chi2 = self._moffat(self.x, self.y, self.flux, width, beta, 3 * fwhm_px, 5, slice(None))
        self._scale_neighbours()
        moved = np.hypot(self.x - self.found.x_px[self.chosen], self.y - self.found.y_px[self.chosen])
        self.fwhm = 2 * alpha * np.sqrt(2 ** (1 / beta) - 1)
        good = (moved < 1.0) & (chi2 < 6 * np.median(chi2)) & (np.abs(np.log(width / np.median(width))) < 0.4)
        self.keep(good)
        self.oversampling = 3 if self.fwhm < 2.0 else 2 if self.fwhm < 3.0 else 1
        middle = self.oversampling * (self.half + 1) + 1
        r2 = np.add.outer(*2 * [((np.arange(2 * middle + 1) - middle) / self.oversampling) ** 2])
        self.base, self.wider = _moffat_and_slope(r2, alpha, beta, self.oversampling)
        self.width /= alpha
        pixels = self.oversampling * np.arange(-self.half, self.half + 1) + middle
        once = b_spline(pixels[:, None] - np.arange(2 * middle + 1)).sum(axis=0)
        self.in_stamp = np.outer(once, once)

    def _scale_neighbours(self) -> None:
        """Learn from the chosen stars what a detection's flux is worth in the model's."""
        self.flux_scale = float(np.median(self.flux / self.found.flux_adu[self.chosen]))

    def _moffat(self, x, y, flux, width, beta, radius, steps, which) -> NDArray[np.float64]:
        return kernels.fit_moffat(
            self.data[which], self.weights[which], x, y, self.corner_x[which], self.corner_y[which], flux, width, beta,
            radius, steps,
        )  # fmt: skip

    def set_order(self, max_order: int) -> None:
        """Choose the polynomial degree by the number of stars; the first model does not vary."""
        self.order = min(max_order, next(order for least, order in _STARS_FOR_ORDER if len(self.x) >= least))
        terms = (self.order + 1) * (self.order + 2) // 2
        coefficients = np.zeros((terms, *self.base.shape))
        coefficients[0] = spline_filter(self.base.astype(np.float64), order=3, mode="mirror")
        wider = spline_filter(self.wider.astype(np.float64), order=3, mode="mirror")
        coefficients += self._width_polynomial(terms)[:, None, None] * wider
        self.moffat = coefficients.astype(np.float32)
        self.first = self.coefficients = self.moffat
        widths = np.full(terms, _PRIOR_WIDTHS[1])
        widths[0] = _PRIOR_WIDTHS[0]
        self.prior = (widths[:, None, None] * self.base).astype(np.float32)

    def _width_polynomial(self, terms: int) -> NDArray[np.float64]:
        """Coefficients of the logarithm of the Moffat width, relative to the typical one, by position."""
        design = np.empty((len(self.x), terms))
        for row, x, y in zip(design, self.x, self.y, strict=True):
            polynomial_terms(x, y, self.ny, self.nx, self.order, row)
        values = np.log(self.width)
        weights = np.ones(len(values))
        for _ in range(10):
            root = np.sqrt(weights)
            solution = np.linalg.lstsq(design * root[:, None], values * root, rcond=None)[0]
            residual = np.abs(values - design @ solution)
            weights = 1 / np.maximum(residual, 0.5 * np.median(residual) + 1e-6)
        return solution

    def improve(self, psf_error: float, iterations: int) -> None:
        """One round: take off neighbours, fit the stars, drop misfits, fit the coefficients, normalise."""
        self._fit_stars(psf_error)
        chi2 = np.sum(self.pixel_weights * self.residual**2, axis=(1, 2)) / np.maximum(self.good_pixels, 1)
        self.keep_all(_ordinary(chi2, self.flux))
        robust = self.pixel_weights / (1 + self.pixel_weights * self.residual**2 / 16)
        where = (self.corner_x, self.corner_y, self.x, self.y, self.flux)
        size = (self.oversampling, self.order, self.ny, self.nx, self.half)
        right = np.zeros_like(self.coefficients)
        kernels.gather(robust * self.residual, *where, *size, False, right)
        diagonal = np.zeros_like(self.coefficients)
        kernels.gather(robust, *where, *size, True, diagonal)
        right = self.prior * right - (self.coefficients - self.first) / self.prior

        def product(v: NDArray) -> NDArray:
            out = np.zeros_like(v)
            kernels.normal_product(self.prior * v, robust, *where, *size, out)
            return self.prior * out + v

        self.coefficients = self.coefficients + self.prior * _conjugate_gradients(
            product, right, self.prior**2 * diagonal + 1, iterations
        )
        self._smooth_wings()
        self._normalise()
        # The next round's prior: else wings that data hardly tell knot by knot would stay those of the Moffat profile.
        self.first = self.coefficients.copy()

    def keep_all(self, good: NDArray[np.bool_]) -> None:
        """As `keep`, for the arrays that a round has made as well."""
        if good.all() or good.sum() < 5:
            return
        self.keep(good)
        for name in ("residual", "pixel_weights", "good_pixels", "units"):
            setattr(self, name, getattr(self, name)[good])

    def _fit_stars(self, psf_error: float) -> None:
        data = self._without_neighbours()
        size = (self.coefficients, self.oversampling, self.order, self.ny, self.nx, self.half)
        self.units = kernels.fit_stars(
            data, self.weights, self.corner_x, self.corner_y, self.x, self.y, self.flux, *size, self.gain, psf_error, 2
        )
        self._scale_neighbours()
        model = self.flux[:, None, None].astype(np.float32) * self.units
        self.residual = data - model
        usable = self.weights > 0
        photons = np.maximum(model, 0) / np.float32(self.gain)
        variance = 1 / np.where(usable, self.weights, 1) + photons + (np.float32(psf_error) * model) ** 2
        self.pixel_weights = np.where(usable, 1 / variance, 0).astype(np.float32)
        self.good_pixels = usable.sum(axis=(1, 2))

    def _without_neighbours(self) -> NDArray[np.float32]:
        """The stamps with every other star taken off."""
        data = self.data.copy()
        first = np.concatenate([[0], np.cumsum([len(group) for group in self.others])]).astype(np.int64)
        members = np.concatenate(self.others)
        kernels.subtract_neighbours(
            data, self.corner_x, self.corner_y, first, members, self.found.x_px, self.found.y_px,
            self.found.flux_adu * self.flux_scale, self.coefficients, self.oversampling, self.order, self.ny, self.nx,
            self.half,
        )  # fmt: skip
        return data

    def _smooth_wings(self) -> None:
        """Beyond the core, where a knot is mostly noise, average the ratio to the first profile over nearby knots.

        Under a star of 10^4 sigma that noise makes false neighbours. The ratio varies slowly, the profile does not.
        """
        across = self.base.shape[0]
        offset = (np.arange(across) - across // 2) / self.oversampling
        radius = np.hypot(offset[:, None], offset[None, :]) / self.fwhm
        inner, outer = _WINGS_FWHM
        share = np.clip((radius - inner) / (outer - inner), 0, 1).astype(np.float32)
        for table in self.coefficients:
            smooth = gaussian_filter(table / self.base, _WING_SMOOTH_PX * self.oversampling, mode="nearest") * self.base
            table += share * (smooth - table)

    def _normalise(self) -> None:
        """Make the sum of P over whole pixels one at every position and every sub-pixel phase.

        With s knots per pixel, a wave of s knots in the coefficients adds to and takes from a star's flux as it moves
        within a pixel. An effective PSF cannot: the pixel's own response has no power at one cycle per pixel. What
        noise put into those sums is taken out with the profile's shape. Exact in phase, first order in position.
        """
        phase = 2 * np.pi * np.arange(self.base.shape[0]) / self.oversampling
        flat = np.ones_like(phase)
        waves = {1: (flat,), 2: (flat, np.cos(phase)), 3: (flat, np.cos(phase), np.sin(phase))}[self.oversampling]
        for wave in [np.outer(wy, wx) for wy in waves for wx in waves][1:]:
            shape = self.base * wave
            amplitude = np.sum(self.coefficients * wave, axis=(1, 2), dtype=np.float64) / np.sum(shape * wave)
            self.coefficients -= (amplitude[:, None, None] * shape).astype(np.float32)
        sums = np.sum(self.coefficients * self.in_stamp, axis=(1, 2), dtype=np.float64)
        constant = self.coefficients[0].copy()
        for k in range(1, len(sums)):
            self.coefficients[k] -= np.float32(sums[k] / sums[0]) * constant
        self.coefficients /= np.float32(sums[0])

    def model(self) -> PsfModel:
        """The fitted model, with its residuals measured once more."""
        self._fit_stars(0.0)
        usable = self.pixel_weights > 0
        chi = np.sqrt(np.sum(self.pixel_weights * self.residual**2) / usable.sum())
        core = usable & (self.units > 0.1 * self.units.max())
        model = self.flux[:, None, None] * self.units
        excess = np.sum((self.residual**2 - 1 / np.where(usable, self.pixel_weights, 1))[core])
        psf = PsfModel(
            self.coefficients, self.oversampling, self.order, self.half, (self.ny, self.nx), np.nan,
            self.x, self.y, self.flux, float(chi), float(np.sqrt(max(excess, 0.0) / np.sum(model[core] ** 2))), 0.0,
        )  # fmt: skip
        return replace(psf, fwhm_px=fwhm(psf, (self.nx - 1) / 2, (self.ny - 1) / 2))

    def flux_error(self, iterations: int) -> float:
        """Relative error of bright stars' fluxes that comes from the noise in the PSF; 0 with too few stars to tell.

        From half of the stars the PSF has twice the variance, half of which it shares with that from all: fluxes
        fitted with the two differ by the error of the latter (the delete-half jackknife). A factor common to all
        fluxes belongs to the zero point.
        """
        if len(self.x) < _STARS_TO_HALVE:
            return 0.0
        half = copy(self)
        half.x, half.y, half.flux = self.x.copy(), self.y.copy(), self.flux.copy()
        half.keep(np.arange(len(self.x)) % 2 == 0)
        half.first = half.coefficients = self.moffat
        for psf_error in _PSF_ERRORS:
            half.improve(psf_error, iterations)
        other = copy(self)
        other.x, other.y, other.flux = self.x.copy(), self.y.copy(), self.flux.copy()
        other.coefficients = half.coefficients
        other._fit_stars(0.0)
        bright = self.flux >= np.median(self.flux)
        ratio = other.flux[bright] / self.flux[bright]
        return float(MAD_TO_SIGMA * np.median(np.abs(ratio / np.median(ratio) - 1)))


def _ordinary(chi2: NDArray, flux: NDArray) -> NDArray[np.bool_]:
    """Which stars are fitted as well as others of their flux. The brightest, on which the wings rest, are never fitted
    as well as the faint ones while the model is poor."""
    order = np.argsort(flux)
    middle, deviation = np.empty((2, len(flux)))
    middle[order] = median_filter(chi2[order], _PEERS, mode="nearest")
    deviation[order] = median_filter(np.abs(chi2 - middle)[order], _PEERS, mode="nearest")
    return chi2 < middle + 8 * MAD_TO_SIGMA * deviation + 0.5


def _moffat_and_slope(r2_px2: NDArray, alpha_px: float, beta: float, oversampling: int) -> tuple[NDArray, NDArray]:
    """A Moffat profile of unit sum over pixels, and its derivative by the logarithm of its width, of zero sum."""
    base = 1 + r2_px2 / alpha_px**2
    profile = base**-beta
    profile *= oversampling**2 / profile.sum()
    slope = profile * 2 * beta * (1 - 1 / base)
    slope -= profile * (slope.sum() / profile.sum())
    return profile.astype(np.float32), slope.astype(np.float32)


def _conjugate_gradients(product, right: NDArray, diagonal: NDArray, iterations: int) -> NDArray:
    """Preconditioned conjugate gradients from zero (Golub & Van Loan 2013, algorithm 11.5.1)."""
    x = np.zeros_like(right)
    r = right.copy()
    z = r / diagonal
    p = z.copy()
    rho = np.vdot(r.astype(np.float64), z)
    for _ in range(iterations):
        q = product(p)
        alpha = rho / np.vdot(p.astype(np.float64), q)
        x += np.float32(alpha) * p
        r -= np.float32(alpha) * q
        z = r / diagonal
        rho, old = np.vdot(r.astype(np.float64), z), rho
        p = z + np.float32(rho / old) * p
    return x
