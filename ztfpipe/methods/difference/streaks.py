"""Streaks on the positive difference: a PSF drawn along a straight line, of any length and direction.

A streak of flux F between two points is F / L times the integral of P_D along the line (Veres et al. 2012, PASP 124,
1197, with the image's own PSF). In white noise the likelihood of one depends on the image only through the integral of
Z = D x P_D along the line: G = integral / sqrt(double integral of the autocorrelation of P_D) is its signal-to-noise
ratio, for any ends, at the cost of reading Z along a line. Lines from 32 px up are found by a fast Radon transform of Z
(Nir, Zackay & Ofek 2018, AJ 156, 229), shorter ones as lines through the peaks of S_corr; each is then improved in its
ends until G is at its maximum, measured, blanked, and the search repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.optimize import minimize
from scipy.signal import fftconvolve

from ztfpipe.methods.detector.tracks_nb import draw_segment, strongest_lines
from ztfpipe.methods.difference import candidates_nb
from ztfpipe.methods.difference import streaks_nb as kernels
from ztfpipe.methods.difference.candidates import difference_psf
from ztfpipe.methods.stars.photometry_nb import add_stars
from ztfpipe.model.difference import Difference, Streaks

Floats = NDArray[np.float64]
_CLIP = 3.5
"""Z is cut at this many of its sigma for the Radon transform: a star must not make a line."""
_BIN_PX = 2
_FIRST_LEVEL = 4
"""The shortest lines of the transform have 2^4 bins."""
_LEAST_ROUNDS, _MAX_ROUNDS = 2, 20
_SHORT_PX = np.array([8.0, 12.0, 18.0, 27.0, 40.0])
_ANGLES = np.arange(18) * np.pi / 18
_SLIDES = np.array([0.2, 0.5, 0.8])
_SEED_SIGMA = 3.8
"""Peaks of S_corr from which short streaks are sought."""
_BLANK_FWHM = 1.5
_LEVEL_PX = 97
"""Side of the box whose mean is taken off: what a streak loses to it is a thirtieth."""
_LEAST_EVENNESS = 0.15
_STEP_PX = 0.5


def find_streaks(
    difference: Difference,
    *,
    threshold: float = 6.8,
    line_threshold: float = 5.2,
    min_length_px: float = 7.0,
    over_point: float = 3.0,
    misfit_max: float = 0.3,
    max_count: int = 30,
) -> Streaks:
    """Streaks of a difference, most significant first.

    threshold: of the signal-to-noise ratio of the fitted streak; line_threshold: of a line of the Radon transform to be
    looked at; over_point: a streak must be better than a point source at its brightest place by this many sigma, in
    quadrature; misfit_max: of what the pixels' residuals hold beyond noise, in units of the streak's own G^2, which two
    stars side by side exceed; max_count: streaks at most, `Streaks.capped` tells when there were more.
    """
    search = _Search(difference)
    rows: list[Floats] = []
    judged, taken = (np.zeros(difference.scorr.shape, np.bool_) for _ in range(2))
    for round_ in range(_MAX_ROUNDS):
        seeds = search.long_lines(line_threshold) + (search.short_lines(threshold - 1.0) if round_ == 0 else [])
        new = []
        for ends in sorted(seeds, key=search.gain, reverse=True):
            if search.mostly(taken, ends):
                continue
            fitted = search.improved(ends)
            search.mark(judged, ends)
            gain = search.gain(fitted)
            length = float(np.hypot(fitted[2] - fitted[0], fitted[3] - fitted[1]))
            long_enough = gain >= threshold and length >= min_length_px
            if (
                long_enough
                and not search.mostly(taken, fitted)
                and search.is_line(fitted, gain, over_point, misfit_max)
            ):
                new.append(fitted)
                search.mark(taken, fitted)
        rows += new
        # Found or not, its pixels have been judged: they must not be the strongest line again.
        search.blank(judged | taken)
        if len(rows) > max_count or (round_ >= _LEAST_ROUNDS - 1 and not new):
            break
    capped = len(rows) > max_count
    rows = sorted(rows, key=search.full_gain, reverse=True)[:max_count]
    return search.table(rows, capped)


@dataclass
class _Line:
    """What a fit says of one line."""

    flux: float
    sigma: float
    width: float
    chi2: float
    evenness: float
    pixels: int


class _Search:
    """Z = D x P_D of a difference in units of the noise of D, and what is left of it to search."""

    def __init__(self, difference: Difference) -> None:
        self.difference = difference
        self.psf = difference_psf(difference)
        middle = len(difference.psf) // 2
        self.power = float(np.sum(difference.psf[middle].astype(np.float64) ** 2))
        # S_corr is Z over its sigma, sqrt(sum P^2), with more noise where there are sources.
        self.z = np.where(difference.bad, np.float32(0), difference.scorr * np.float32(np.sqrt(self.power)))
        # Ghosts and halos are wider than any streak: a level of a tenth of the noise would make lines of 8 sigma.
        limit = np.float32(_CLIP * np.sqrt(self.power))
        self.z -= uniform_filter(np.clip(self.z, -limit, limit), _LEVEL_PX)
        self.left = self.z.copy()
        self.norm = self._norms(difference.psf[middle], int(np.hypot(*self.z.shape)) + 4)
        self.work = np.empty(len(self.norm) + 8)

    @staticmethod
    def _norms(psf: NDArray, longest: int) -> Floats:
        """Noise of the integral of Z over lengths 0 .. longest: the root of the double integral of its correlation."""
        correlation = fftconvolve(psf.astype(np.float64), psf[::-1, ::-1].astype(np.float64))
        centre = correlation.shape[0] // 2
        lag = np.arange(centre)
        # Round enough: the mean of both axes.
        profile = (correlation[centre, centre : centre + centre] + correlation[centre : centre + centre, centre]) / 2
        length = np.arange(longest, dtype=np.float64)
        weight = np.clip(length[:, None] - lag[None, 1:], 0, None)
        # Trapezoids of unit steps, as `line_gain` sums.
        double = length * profile[0] + 2 * weight @ profile[1:]
        double[1:] = np.maximum(double[1:], 0.0)
        double[0] = profile[0]
        return np.sqrt(double)

    def gain(self, ends: Floats) -> float:
        return kernels.line_gain(self.left, self.norm, *ends, self.work)

    def full_gain(self, ends: Floats) -> float:
        return kernels.line_gain(self.z, self.norm, *ends, self.work)

    def long_lines(self, threshold: float) -> list[Floats]:
        """The strongest line of each length and octant, on Z binned by two: lines of the transform are that crooked."""
        limit = np.float32(_CLIP * np.sqrt(self.power))
        ny, nx = (size // _BIN_PX * _BIN_PX for size in self.left.shape)
        image = np.clip(self.left[:ny, :nx], -limit, limit)
        image = image.reshape(ny // _BIN_PX, _BIN_PX, nx // _BIN_PX, _BIN_PX).mean(axis=(1, 3), dtype=np.float32)
        # Noise of the sum of n bins in a row, over the root of n.
        n = min(500, (len(self.norm) - 2) // _BIN_PX)
        sigma = float(self.norm[_BIN_PX * n] / _BIN_PX / np.sqrt(n))
        found = []
        for transposed in (False, True):
            view = image.T if transposed else image
            height = view.shape[0]
            for flipped in (False, True):
                turned = np.ascontiguousarray(view[::-1] if flipped else view)
                for significance, x0, y0, x1, y1 in strongest_lines(turned, sigma, _FIRST_LEVEL, threshold):
                    if significance > 0.0:
                        y0, y1 = (height - 1 - y0, height - 1 - y1) if flipped else (y0, y1)
                        ends = np.array([y0, x0, y1, x1] if transposed else [x0, y0, x1, y1], np.float64)
                        found.append(ends * _BIN_PX + (_BIN_PX - 1) / 2)
        return found

    def short_lines(self, threshold: float) -> list[Floats]:
        """Lines through the positive peaks of S_corr."""
        positive = np.maximum(self.difference.scorr, 0)
        rows, columns, _ = candidates_nb.extrema(positive, self.difference.bad, _SEED_SIGMA, 5, 20_000)
        found = []
        for y, x in zip(rows, columns, strict=True):
            ends, gain = kernels.best_short(
                self.left, self.norm, float(x), float(y), _SHORT_PX, _ANGLES, _SLIDES, self.work
            )
            if gain > threshold:
                found.append(ends)
        return found

    def improved(self, ends: Floats) -> Floats:
        """The ends moved to the highest gain."""
        for reach, step in ((4.0, 1.0), (1.5, 0.5)):
            ends, _ = kernels.best_shift(self.left, self.norm, ends, reach, step, self.work)
            ends = self._stretched(ends)
        length = float(np.hypot(ends[2] - ends[0], ends[3] - ends[1]))
        start = np.concatenate([ends[None], ends + np.diag([1.0, 1.0, 1.0, 1.0]) * max(0.5, 0.02 * length)])
        options = {"initial_simplex": start, "xatol": 0.02, "fatol": 1e-3, "maxiter": 200}
        best = minimize(lambda p: -self.gain(p), ends, method="Nelder-Mead", options=options)
        return best.x if -best.fun > self.gain(ends) else ends

    def _stretched(self, ends: Floats) -> Floats:
        """The best stretch of the line through both ends, continued by its own length and 60 px at least."""
        x0, y0, x1, y1 = ends
        length = np.hypot(x1 - x0, y1 - y0)
        more = max(length, 60.0)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        step = max(1.0, (length + 2 * more) / 1200)
        count = int((length + 2 * more) / step) + 1
        values = np.empty(count)
        begin = np.array([x0 - more * ux, y0 - more * uy])
        reach = (count - 1) * step
        kernels.along(self.left, *begin, begin[0] + reach * ux, begin[1] + reach * uy, count, values)
        first, last, _ = kernels.best_stretch(values, step, self.norm, 4)
        return np.array([*(begin + first * step * np.array([ux, uy])), *(begin + last * step * np.array([ux, uy]))])

    def is_line(self, ends: Floats, gain: float, over_point: float, misfit_max: float) -> bool:
        """Whether a line is better than a point at its brightest place, evenly bright, and fits its pixels."""
        count = int(np.hypot(ends[2] - ends[0], ends[3] - ends[1])) + 2
        values = np.empty(count)
        kernels.along(self.left, *ends, count, values)
        point = max(float(values.max()) / np.sqrt(self.power), 0.0)
        if gain**2 - point**2 < over_point**2 or self._evenness(values) < _LEAST_EVENNESS:
            return False
        line = self._measured(ends)
        # Noise alone scatters the sum of n squares by the root of 2 n.
        return (line.chi2 - 1) * line.pixels < misfit_max * gain**2 + 4 * np.sqrt(2 * line.pixels)

    @staticmethod
    def _evenness(values: Floats) -> float:
        """The lesser half's share of the light, twice, with single bright pixels cut at thrice the mean."""
        values = np.minimum(values, max(3.0 * values.mean(), 1e-9))
        half = len(values) // 2
        total = values.sum()
        return float(2 * min(values[:half].sum(), values[len(values) - half :].sum()) / total) if total > 0 else 0.0

    def _half_width(self) -> float:
        return _BLANK_FWHM * self.psf.fwhm_px

    def mark(self, mask: NDArray[np.bool_], ends: Floats) -> None:
        """Set the pixels about a line."""
        draw_segment(mask, *_lengthened(ends, 4.0), self._half_width())

    def mostly(self, mask: NDArray[np.bool_], ends: Floats) -> bool:
        """Whether most of a line is marked."""
        count = int(np.hypot(ends[2] - ends[0], ends[3] - ends[1])) + 2
        values = np.empty(count)
        kernels.along(mask.view(np.uint8), *ends, count, values)
        return bool(np.mean(values) > 0.5)

    def blank(self, mask: NDArray[np.bool_]) -> None:
        self.left[mask] = 0.0

    def table(self, rows: list[Floats], capped: bool) -> Streaks:
        """All that is told of the streaks."""
        n = len(rows)
        ends = np.array(rows).reshape(n, 4)
        lines = [self._measured(one) for one in rows]
        covariance = np.array([self._covariance(one) for one in rows]).reshape(n, 4, 4)
        delta = ends[:, 2:] - ends[:, :2]
        return Streaks(
            x0_px=ends[:, 0],
            y0_px=ends[:, 1],
            x1_px=ends[:, 2],
            y1_px=ends[:, 3],
            covariance_px2=covariance,
            length_px=np.hypot(*delta.T),
            angle_deg=np.degrees(np.arctan2(delta[:, 1], delta[:, 0])) % 180.0,
            flux_adu=np.array([line.flux for line in lines]),
            sigma_flux_adu=np.array([line.sigma for line in lines]),
            width_px=np.array([line.width for line in lines]),
            chi2=np.array([line.chi2 for line in lines]),
            evenness=np.array([line.evenness for line in lines]),
            snr=np.array([self.full_gain(one) for one in rows]),
            capped=capped,
        )

    def _covariance(self, ends: Floats) -> Floats:
        """Of the four coordinates: the inverse of minus half the second derivatives of G^2; NaN where it is none."""
        step = _STEP_PX
        unit = np.eye(4) * step

        def g2(p: Floats) -> float:
            return kernels.line_gain(self.z, self.norm, *p, self.work) ** 2

        hessian = np.empty((4, 4))
        for a in range(4):
            for b in range(4):
                hessian[a, b] = (
                    g2(ends + unit[a] + unit[b]) - g2(ends + unit[a] - unit[b]) - g2(ends - unit[a] + unit[b])
                    + g2(ends - unit[a] - unit[b])
                ) / (4 * step**2)  # fmt: skip
        fisher = -hessian / 2
        if np.linalg.eigvalsh((fisher + fisher.T) / 2).min() <= 0:
            return np.full((4, 4), np.nan)
        return np.linalg.inv(fisher)

    def _measured(self, ends: Floats) -> _Line:
        """Flux, width and goodness of fit on the pixels of the difference image."""
        difference = self.difference
        x, y = (ends[0] + ends[2]) / 2, (ends[1] + ends[3]) / 2
        tile = int(difference.tiling.index(np.array([x]), np.array([y]))[0])
        noise = float(difference.noise_adu[tile])
        length = float(np.hypot(ends[2] - ends[0], ends[3] - ends[1]))
        gain = kernels.line_gain(self.z, self.norm, *ends, self.work)
        low = int(length)
        norm = self.norm[low] + (length - low) * (self.norm[low + 1] - self.norm[low])
        sigma = noise * length / norm
        flux = gain * sigma
        model, near = self._drawn(ends, length)
        residual = (difference.image_adu[near] - flux * model[near]) / noise
        count = int(length) + 2
        values = np.empty(count)
        kernels.along(self.z, *ends, count, values)
        chi2 = float(np.mean(residual**2)) if residual.size else 1.0
        return _Line(flux, sigma, self._width(ends), chi2, self._evenness(values), residual.size)

    def _drawn(self, ends: Floats, length: float) -> tuple[NDArray, NDArray[np.bool_]]:
        """Unit streak drawn with P_D, and the good pixels about it."""
        steps = int(np.ceil(length)) + 1
        f = (np.arange(steps) + 0.5) / steps
        x, y = ends[0] + f * (ends[2] - ends[0]), ends[1] + f * (ends[3] - ends[1])
        image = np.zeros(self.z.shape, np.float32)
        half = np.full(steps, self.psf.radius_px, np.int64)
        add_stars(image, x, y, np.full(steps, 1 / steps), half, self.psf.coefficients, self.psf.oversampling, 0)
        near = np.zeros(self.z.shape, np.bool_)
        draw_segment(near, *_lengthened(ends, self.psf.fwhm_px), 1.2 * self.psf.fwhm_px)
        return image, near & ~self.difference.bad

    def _width(self, ends: Floats) -> float:
        """Sigma [px] of the Gaussian across the streak that its profile on the difference image has."""
        x0, y0, x1, y1 = ends
        length = float(np.hypot(x1 - x0, y1 - y0))
        ux, uy = -(y1 - y0) / length, (x1 - x0) / length
        offset = np.arange(-6.0, 6.01, 0.5)
        count = int(length) + 2
        values, profile = np.empty(count), np.empty(len(offset))
        for k, o in enumerate(offset):
            kernels.along(self.difference.image_adu, x0 + o * ux, y0 + o * uy, x1 + o * ux, y1 + o * uy, count, values)
            profile[k] = values.mean()
        widths = np.geomspace(0.4, 5.0, 60)
        template = np.exp(-0.5 * (offset[None, :] / widths[:, None]) ** 2)
        match = template @ profile
        width = widths[np.argmax(match * np.abs(match) / (template**2).sum(axis=1))]
        # Interpolating between two pixels is a blur of a (1 - a), a sixth on average.
        return float(np.sqrt(max(width**2 - 1 / 6, 0.1)))


def _lengthened(ends: Floats, by_px: float) -> Floats:
    """A segment with both ends moved outwards."""
    delta = ends[2:] - ends[:2]
    unit = delta / max(float(np.hypot(*delta)), 1e-9)
    return np.concatenate([ends[:2] - by_px * unit, ends[2:] + by_px * unit])
