"""What bright stars leave in a difference beyond the noise that was predicted, measured on them and counted as noise.

The PSF of an image is known from its stars to some parts of a thousand, its wings beyond the stamp not at all, and a
co-add has none that holds for all of its epochs: about stars of a hundred thousand DN that leaves lobes of a few sigma,
in the same places about each of them. No theory of noise knows their size; the brightest stars of the image show it.
How much larger it is in the corners than in the middle is known: a polynomial's own error grows so from middle to edge.

A star whose core both images have lost is filled with a guess, and the filters carry what is wrong with it outwards as
far as they reach. Here each such star tells its own noise, ring by ring.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects, label

from ztfpipe.model.difference import Difference
from ztfpipe.model.stars import PsfModel

Floats = NDArray[np.float64]
REACH_PX = 30
_LEAST_SNR = 200.0
_EXCESS_ROUNDS, _OUTLYING = 30, 6.0
"""Turns of the search for what stars leave, and how many times their expectation squares count at most."""
_MODEL_ERROR = 0.01
"""Relative error that the fit of the PSF allows a pixel besides its noise."""
_LEAST_STARS, _MOST_STARS = 5, 200
_LEAST_PIXELS = 6
"""Good pixels of a ring about a star that it is judged by."""
_NEGLIGIBLE = 0.3
"""Noise of residuals below this part of all other noise is left alone: it would change S_corr by 4 per cent."""
_CORE_REACH_PX = 60
_LEAST_CORE_PX, _MOST_CORE_PX = 2.0, 40.0
"""Radius of the largest disc within masked pixels that are a lost core: no column, no hit, no border."""
_MOST_CORE_AREA_PX = 20_000
_CALM, _CALM_RINGS = 1.3, 3
"""Rings whose S_corr is no wider than this are as predicted; so many in a row end the search."""
_SHARE = 0.7
"""Quantile of |S_corr| in a ring that is taken for its width: a transient, even two, leaves it as it is."""
_SHARE_SIGMA = 1.0364


def residual_profile(difference: Difference, x_px: Floats, y_px: Floats, flux_adu: Floats) -> Floats:
    """Size of what stars leave in rings of a pixel about them, in units of their flux: (REACH_PX + 1,), 0 for nothing.

    x_px, y_px, flux_adu: of the catalog of the science image, (n,). In each ring the brightest stars have a mean square
    of the matched-filter flux, and the noise predicted for it; what fits best between them is told, a star that stands
    out, for a transient beside it, having little say. Too few bright stars tell nothing.
    """
    typical = _typical_noise(difference)
    order = np.argsort(-flux_adu, kind="stable")[:_MOST_STARS]
    order = order[flux_adu[order] > _LEAST_SNR * typical]
    if len(order) < _LEAST_STARS:
        return np.zeros(REACH_PX + 1)
    square, predicted = np.full((2, len(order), REACH_PX + 1), np.nan)
    for row, star in enumerate(order):
        box, ring = _rings(difference, x_px[star], y_px[star], REACH_PX)
        if box is None:
            continue
        noise = _noise(difference, box)
        good = ~difference.bad[box] & (ring <= REACH_PX)
        count = np.bincount(ring[good], minlength=REACH_PX + 1)
        enough = count >= np.minimum(_LEAST_PIXELS, np.arange(REACH_PX + 1) * 3 + 1)
        for out, values in ((square, difference.flux_adu[box].astype(np.float64)), (predicted, noise)):
            total = np.bincount(ring[good], weights=np.square(values[good]), minlength=REACH_PX + 1)
            out[row, enough] = total[enough] / count[enough] / flux_adu[star] ** 2
    return np.sqrt([_common_excess(*ring) for ring in zip(square.T, predicted.T, strict=True)])


def _common_excess(square: Floats, predicted: Floats) -> float:
    """The variance q that squares (n,) have beyond those predicted, of highest likelihood for normal values.

    A star weighs by how well it tells q, (predicted + q)^-2: the mean is right for few pixels, whose squares are skew,
    and the fainter stars, whose noise says nothing, do not hide what the brightest show.
    """
    known = np.isfinite(square)
    if np.count_nonzero(known) < _LEAST_STARS:
        return 0.0
    square, predicted = square[known], predicted[known]
    q = 0.0
    for _ in range(_EXCESS_ROUNDS):
        weight = (predicted + q) ** -2.0
        clipped = np.minimum(square, _OUTLYING * (predicted + q))
        q = max(float(np.sum(weight * (clipped - predicted)) / np.sum(weight)), 0.0)
    return q


def psf_uncertainty(difference: Difference, x_px: Floats, y_px: Floats) -> Floats:
    """Error of the science image's PSF at positions (n,) in units of its typical one over the image.

    Of a polynomial T through values of weights w at the stars that made the PSF: sqrt(T' (sum w T T')^-1 T). A star
    weighs as in the fit: by the noise of its brightest pixel, and no more than the model's own error allows.
    """
    psf = difference.science_psf
    if len(psf.used_x_px) < len(psf.coefficients):
        return np.ones(len(x_px))
    peak = psf.used_flux_adu * float(difference.psf[len(difference.psf) // 2].max())
    weight = 1 / (_MODEL_ERROR**2 + np.square(np.median(difference.noise_adu) / peak))
    made_by = _terms(psf, psf.used_x_px, psf.used_y_px)
    inverse = np.linalg.inv((made_by * weight[:, None]).T @ made_by)
    ny, nx = psf.shape
    grid = [one.ravel() for one in np.meshgrid(np.linspace(0, nx - 1, 15), np.linspace(0, ny - 1, 15))]
    here, anywhere = (
        np.sqrt(np.einsum("ij,jk,ik->i", terms, inverse, terms))
        for terms in (_terms(psf, x_px, y_px), _terms(psf, *grid))
    )
    return here / np.median(anywhere)


def _terms(psf: PsfModel, x_px: Floats, y_px: Floats) -> Floats:
    """Monomials (n, K) of the PSF's polynomial at positions, in any order: they span the same polynomials."""
    ny, nx = psf.shape
    u, v = 2 * np.asarray(x_px) / (nx - 1) - 1, 2 * np.asarray(y_px) / (ny - 1) - 1
    return np.stack([u**i * v**j for i in range(psf.order + 1) for j in range(psf.order + 1 - i)], axis=1)


def discount_stars(difference: Difference, x_px: Floats, y_px: Floats, flux_adu: Floats) -> Difference:
    """The difference with S_corr lowered about bright stars by what they leave there; all else is as it was.

    Positions and fluxes as for `residual_profile`, saturated stars included.
    """
    flux_adu = flux_adu * psf_uncertainty(difference, x_px, y_px)
    profile = residual_profile(difference, x_px, y_px, flux_adu)
    if not profile.any():
        return difference
    scorr = difference.scorr.copy()
    added = np.zeros(scorr.shape, np.float32)
    faintest = _NEGLIGIBLE * _typical_noise(difference) / profile.max()
    for star in np.flatnonzero(flux_adu > faintest):
        box, ring = _rings(difference, x_px[star], y_px[star], REACH_PX)
        if box is not None:
            size = np.where(ring <= REACH_PX, profile[np.minimum(ring, REACH_PX)], 0.0)
            added[box] += np.square(flux_adu[star] * size).astype(np.float32)
    rows, columns = np.nonzero(added)
    noise = _noise(difference, (rows, columns))
    scorr[rows, columns] /= np.sqrt(1 + added[rows, columns] / np.square(noise)).astype(np.float32)
    return replace(difference, scorr=scorr)


def discount_lost_cores(difference: Difference) -> Difference:
    """The difference with S_corr about masked discs divided by its width in rings about each, where that is above one.

    Of masked pixels that hold a disc of two pixels' radius and more; outwards until three rings in a row are calm.
    """
    centres = _lost_cores(difference.bad)
    if not centres:
        return difference
    widths = np.ones(difference.scorr.shape, np.float32)
    for x, y in centres:
        box, ring = _rings(difference, x, y, _CORE_REACH_PX)
        ring = np.where(difference.bad[box] | (ring > _CORE_REACH_PX), -1, ring)
        profile = _ring_widths(difference.scorr[box], ring)
        widths[box] = np.maximum(widths[box], np.where(ring >= 0, profile[ring], 1.0))
    return replace(difference, scorr=difference.scorr / widths)


def _ring_widths(scorr: NDArray[np.float32], ring: NDArray[np.int64]) -> NDArray[np.float32]:
    """Width of S_corr by ring, one beyond the last that is not calm: float32 (_CORE_REACH_PX + 1,)."""
    widths = np.ones(_CORE_REACH_PX + 1, np.float32)
    inside = ring >= 0
    order = np.argsort(ring[inside], kind="stable")
    sizes, numbers = np.abs(scorr[inside])[order], ring[inside][order]
    bounds = np.searchsorted(numbers, np.arange(_CORE_REACH_PX + 2))
    calm = 0
    for one, (first, last) in enumerate(pairwise(bounds)):
        if last - first < _LEAST_PIXELS:
            continue
        width = float(np.quantile(sizes[first:last], _SHARE)) / _SHARE_SIGMA
        calm = calm + 1 if width < _CALM else 0
        if calm == _CALM_RINGS:
            break
        widths[one] = max(width, 1.0) if width >= _CALM else 1.0
    return widths


def _lost_cores(bad: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Middles (x, y) of the largest discs within masked pixels, one for each group of them."""
    groups, _ = label(bad)
    centres = []
    for number, box in enumerate(find_objects(groups), start=1):
        sides = [one.stop - one.start for one in box]
        if min(sides) < 2 * _LEAST_CORE_PX or sides[0] * sides[1] > 4 * _MOST_CORE_AREA_PX:
            continue
        inside = np.pad(groups[box] == number, 1)
        depth = distance_transform_edt(inside)
        deepest = np.unravel_index(depth.argmax(), depth.shape)
        if _LEAST_CORE_PX <= depth[deepest] <= _MOST_CORE_PX and inside.sum() <= _MOST_CORE_AREA_PX:
            centres.append((box[1].start + float(deepest[1]) - 1, box[0].start + float(deepest[0]) - 1))
    return centres


def _typical_noise(difference: Difference) -> float:
    """Error of a point source's flux in empty sky [DN]."""
    thin = slice(None, None, 9)
    good = ~difference.bad[thin, thin]
    values = difference.flux_sigma_adu[thin, thin]
    return float(np.median(values[good] if good.any() else values))


def _noise(difference: Difference, where: tuple) -> Floats:
    """Noise of the matched-filter flux as S_corr has it [DN]; that of pixels alone where both are nought."""
    pixels = difference.flux_sigma_adu[where].astype(np.float64)
    flux, scorr = (one[where].astype(np.float64) for one in (difference.flux_adu, difference.scorr))
    sure = np.abs(scorr) > 1e-3
    return np.where(sure, np.maximum(flux / np.where(sure, scorr, 1.0), pixels), pixels)


def _rings(
    difference: Difference, x: float, y: float, reach_px: int
) -> tuple[tuple[slice, slice] | None, NDArray[np.int64]]:
    """The box about a star, and the number of the ring of each of its pixels; None for one that lies outside."""
    ny, nx = difference.scorr.shape
    column, row = int(np.rint(x)), int(np.rint(y))
    if not (0 <= column < nx and 0 <= row < ny):
        return None, np.zeros(0, np.int64)
    rows = slice(max(row - reach_px, 0), min(row + reach_px + 1, ny))
    columns = slice(max(column - reach_px, 0), min(column + reach_px + 1, nx))
    distance = np.hypot(np.arange(rows.start, rows.stop)[:, None] - y, np.arange(columns.start, columns.stop) - x)
    return (rows, columns), np.rint(distance).astype(np.int64)
