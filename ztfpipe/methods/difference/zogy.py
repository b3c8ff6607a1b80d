"""Proper image subtraction (Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27), tile by tile.

Both images are cut into overlapping tiles, each with the PSFs of its middle, its own noise and transforms small enough
for the processor's cache; of each result only the middle is kept (overlap-save). So the PSF follows its variation over
the quadrant, and the whole costs no more than transforms of the full frame.

With N = science, R = reference on the same pixels, P their PSFs, F flux scales, sigma background noise, ^ transforms:

    den  = sigma_n^2 F_r^2 |P_r^|^2 + sigma_r^2 F_n^2 |P_n^|^2
    D^   = (F_r P_r^ N^ - F_n P_n^ R^) / sqrt(den)                                           (13)
    F_D  = F_r F_n / sqrt(sigma_n^2 F_r^2 + sigma_r^2 F_n^2)                                 (15)
    P_D^ = F_r F_n P_r^ P_n^ / (F_D sqrt(den))                                               (14)
    S^   = F_D D^ conj(P_D^) = k_n^ N^ - k_r^ R^                                             (12, 17)
    k_n^ = F_n F_r^2 conj(P_n^) |P_r^|^2 / den,   k_r^ = F_r F_n^2 conj(P_r^) |P_n^|^2 / den  (28, 29)
    S_corr = S / sqrt(V(S_N) + V(S_R) + V_ast),   V(S_N) = V_N x k_n^2, V(S_R) = V_R x k_r^2  (25 to 27)
    V_ast = sigma_x^2 (dS_N/dx)^2 + sigma_y^2 (dS_N/dy)^2                                    (30 to 32)

The paper adds V_ast of both images, each with the noise of its own registration; what stars tell is the scatter of one
against the other, and so the mean of the two is taken here. A third kind of noise is added in the same way, of a
relative error of sources' fluxes (PSF models, response): V = e^2 (S_N^2 + S_R^2) / 2.

A star between pixels has other samples than one on a pixel. P_D of any position follows without approximation: D of a
new source is the whitening filter applied to the science PSF at that position, so the B-spline table of the one is that
of the other filtered (`filtered_knots`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.signal import fftconvolve

from ztfpipe.methods.difference import zogy_nb as kernels
from ztfpipe.methods.difference.empty_sky import empty_sky
from ztfpipe.methods.difference.smooth_field import field_at
from ztfpipe.methods.stars.psf import stamps
from ztfpipe.methods.stars.psf_nb import polynomial_terms
from ztfpipe.methods.statistics import robust
from ztfpipe.model.difference import Difference, Exposed, Image, SmoothField, Tiling
from ztfpipe.model.stars import PsfModel

_MARGIN_PX = 31
"""Overlap of tiles: the filters are below 1e-4 of their peaks beyond it."""
_TILE_PX = 514
"""Largest side of a tile: with both margins 576, a fast length."""
_SMALL_PX = 96
"""Side of the grid on which filters are made as such; none reaches farther than half of it."""
_LEAST_DEN = 1e-9
"""Of the largest value of den, below which frequencies hold only rounding errors."""


@dataclass(frozen=True)
class _Tile:
    """PSFs of both images in one tile, noise, flux scales, and the filters as kernels.

    kernels: (4, _SMALL_PX - 1, _SMALL_PX - 1) of whiten_n, whiten_r, match_n, match_r, the origin in the middle; psf_d:
    P_D likewise; flux_d, flux_s: F_D and F_S, what D sums to and what S is at its peak for a new source of unit flux.
    """

    box: tuple[slice, slice]
    psf_n: NDArray[np.float32]
    psf_r: NDArray[np.float32]
    sigma_n: np.float32
    sigma_r: np.float32
    flux_n: np.float32
    flux_r: np.float32
    kernels: NDArray[np.float32]
    psf_d: NDArray[np.float32]
    flux_d: float
    flux_s: float


def tiling_of(shape: tuple[int, int], tile_px: int = _TILE_PX) -> Tiling:
    """Tiles of nearly equal size, none larger than tile_px on a side."""
    edges = [np.linspace(0, n, -(-n // tile_px) + 1).round().astype(np.int64) for n in shape]
    return Tiling(*edges)


def subtract(
    science: Exposed,
    reference: Exposed,
    *,
    flux_ratio: float = 1.0,
    sigma_x_px: float = 0.0,
    sigma_y_px: float = 0.0,
    flux_error: float = 0.0,
    offset: tuple[SmoothField, SmoothField] | None = None,
    tile_px: int = _TILE_PX,
    calibrate: bool = True,
) -> Difference:
    """The difference of two images on the same pixels, masked pixels filled in both (`preparation.fill_masked`).

    flux_ratio: science over reference counts of a star (F_n / F_r; F_n = 1). sigma_x_px, sigma_y_px: scatter of the
    registration. flux_error: relative scatter of stars' fluxes between the two. offset: fields of the reference's
    displacement (dx, dy) still there, at most half a pixel; each tile's reference PSF is moved by it. calibrate: divide
    S_corr by its width in empty sky, which stays within a per cent or two of one unless a variance given is wrong or
    noise is correlated.
    """
    shape = science.image_adu.shape
    tiling = tiling_of(shape, tile_px)
    image, scorr, flux, flux_sigma = (np.empty(shape, np.float32) for _ in range(4))
    bad = science.bad | reference.bad
    noise = (np.float32(sigma_x_px**2), np.float32(sigma_y_px**2), np.float32(flux_error**2))
    size = _transform_size(tiling)
    tiles = [_make_tile(science, reference, box, bad, flux_ratio, offset) for box in tiling.boxes]
    for tile in tiles:
        _subtract_tile(
            science, reference, tile, size, noise, *(out[tile.box] for out in (image, scorr, flux, flux_sigma))
        )
    scale = _width(scorr, flux_sigma, bad) if calibrate else 1.0
    scorr /= np.float32(scale)
    flux_sigma *= np.float32(scale)
    half, reach = _SMALL_PX // 2 - 1, science.psf.radius_px
    middle = slice(half - reach, half + reach + 1)
    return Difference(
        image_adu=image,
        scorr=scorr,
        flux_adu=flux,
        flux_sigma_adu=flux_sigma,
        bad=bad,
        tiling=tiling,
        psf=np.array([tile.psf_d[middle, middle] for tile in tiles]),
        knots=np.array([_knots(science.psf, tile, tile.kernels[0]) for tile in tiles]),
        # A source gone has its flux in DN of the science image too.
        reference_knots=np.array([_knots(reference.psf, tile, tile.kernels[1] * tile.flux_r) for tile in tiles]),
        filters=np.array([tile.kernels[0][middle, middle] / tile.flux_d for tile in tiles], np.float32),
        science_psf=science.psf,
        oversampling=science.psf.oversampling,
        reference_oversampling=reference.psf.oversampling,
        radius_px=reach,
        noise_adu=np.array([scale / tile.flux_d for tile in tiles]),
        fwhm_px=_fwhm(tiles[len(tiles) // 2].psf_d),
        scale=scale,
    )


def _transform_size(tiling: Tiling) -> tuple[int, int]:
    """A fast length for the largest tile and its margins, per axis."""
    largest = (int(np.diff(edges).max()) for edges in (tiling.y_edges, tiling.x_edges))
    return tuple(fft.next_fast_len(side + 2 * _MARGIN_PX, real=True) for side in largest)


def _make_tile(science: Exposed, reference: Exposed, box, bad: NDArray, flux_ratio: float, offset) -> _Tile:
    """PSFs at the middle of a tile, the median noise of its pixels, and the filters made of them."""
    thin = (slice(box[0].start, box[0].stop, 4), slice(box[1].start, box[1].stop, 4))
    good, sigma = ~bad[thin], []
    for image in (science, reference):
        values = image.variance_adu2[thin]
        sigma.append(np.float32(np.sqrt(np.median(values[good] if good.any() else values))))
    centre = _centre(box)
    moved = [float(field_at(field, *centre)) for field in offset] if offset else [0.0, 0.0]
    # Beyond half a pixel the stamp would be centred on another one.
    moved = np.clip(moved, -0.49, 0.49)
    psf_n = stamps(science.psf, *centre, science.psf.radius_px)[0]
    psf_r = stamps(reference.psf, *(centre + moved), reference.psf.radius_px)[0]
    flux_n, flux_r = np.float32(1.0), np.float32(1.0 / flux_ratio)
    small = (_SMALL_PX, _SMALL_PX)
    p, q = _transform(psf_n, small), _transform(psf_r, small)
    filters = _filters(p, q, sigma, flux_n, flux_r)
    flux_d = float(flux_n * flux_r / np.hypot(sigma[0] * flux_r, sigma[1] * flux_n))
    real = [fft.irfft2(one, small) for one in (*filters, filters[0] * p * np.float32(flux_n / flux_d))]
    real = np.array([fft.fftshift(one)[1:, 1:] for one in real], np.float32)
    flux_s = float(fft.irfft2(filters[2] * p * flux_n, small)[0, 0])
    return _Tile(box, psf_n, psf_r, *sigma, flux_n, flux_r, real[:4], real[4], flux_d, flux_s)


def _centre(box: tuple[slice, slice]) -> tuple[int, int]:
    """The middle pixel (x, y): there a PSF has its peak on a pixel."""
    return (box[1].start + box[1].stop - 1) // 2, (box[0].start + box[0].stop - 1) // 2


def _padded(values: Image, box: tuple[slice, slice], size: tuple[int, int], fill: float) -> Image:
    """A tile with its margins, `fill` outside the image; the first pixel of the tile is at (_MARGIN_PX, _MARGIN_PX)."""
    out = np.full(size, fill, np.float32)
    source, target = [], []
    for side, edge, n in zip(values.shape, box, size, strict=True):
        first, last = max(edge.start - _MARGIN_PX, 0), min(edge.start - _MARGIN_PX + n, side)
        source.append(slice(first, last))
        target.append(slice(first - edge.start + _MARGIN_PX, last - edge.start + _MARGIN_PX))
    out[tuple(target)] = values[tuple(source)]
    return out


def _transform(kernel: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.complex64]:
    """Transform of a kernel (n, n), n odd, whose middle is the origin."""
    half = kernel.shape[0] // 2
    grid = np.zeros(size, np.float32)
    index = np.arange(-half, half + 1)
    grid[np.ix_(index % size[0], index % size[1])] = kernel
    return fft.rfft2(grid)


def _filters(p, q, sigma, flux_n, flux_r) -> list[NDArray[np.complex64]]:
    """Transforms of whiten_n, whiten_r, match_n and match_r from those of the PSFs."""
    out = [np.empty_like(p) for _ in range(4)]
    largest = (sigma[0] * flux_r) ** 2 + (sigma[1] * flux_n) ** 2
    kernels.filters(p, q, *sigma, flux_n, flux_r, np.float32(_LEAST_DEN * largest), *out)
    return out


def _subtract_tile(science, reference, tile: _Tile, size, noise, image, scorr, flux, flux_sigma) -> None:
    """Difference and significance of one tile into views of the images."""
    n, r = (fft.rfft2(_padded(one.image_adu, tile.box, size, 0.0)) for one in (science, reference))
    p, q = _transform(tile.psf_n, size), _transform(tile.psf_r, size)
    filters = _filters(p, q, (tile.sigma_n, tile.sigma_r), tile.flux_n, tile.flux_r)
    kernels.apply_filters(*filters, n, r, p)
    difference, s_n, s_r = (fft.irfft2(one, size) for one in (p, n, r))
    variance = fft.rfft2(_padded(science.variance_adu2, tile.box, size, tile.sigma_n**2))
    variance *= _transform(tile.kernels[2] ** 2, size)
    other = fft.rfft2(_padded(reference.variance_adu2, tile.box, size, tile.sigma_r**2))
    other *= _transform(tile.kernels[3] ** 2, size)
    variance += other
    variance = fft.irfft2(variance, size)
    scale = np.float32(1.0 / tile.flux_s)
    kernels.significance(s_n, s_r, variance, _MARGIN_PX, _MARGIN_PX, *noise, scale, scorr, flux, flux_sigma)
    ny, nx = image.shape
    inner = difference[_MARGIN_PX : _MARGIN_PX + ny, _MARGIN_PX : _MARGIN_PX + nx]
    np.multiply(inner, np.float32(1.0 / tile.flux_d), out=image)


def _knots(psf: PsfModel, tile: _Tile, kernel: NDArray) -> NDArray[np.float32]:
    return filtered_knots(psf, *_centre(tile.box), kernel / tile.flux_d)


def filtered_knots(psf: PsfModel, x_px: float, y_px: float, kernel: NDArray) -> NDArray[np.float32]:
    """Coefficients (M, M) of the PSF at (x, y) after a filter on pixels; kernel: (n, n), its middle the origin.

    sum_j k_j P(d - j) with P a sum of B-splines at knots 1 / s px apart is such a sum too: its coefficients are those
    of P convolved with k spread out to every s-th knot. What reaches beyond the table is cut off.
    """
    ny, nx = psf.shape
    terms = np.empty(len(psf.coefficients))
    polynomial_terms(float(x_px), float(y_px), ny, nx, psf.order, terms)
    knots = np.tensordot(terms, psf.coefficients.astype(np.float64), 1)
    s = psf.oversampling
    spread = np.zeros([s * (n - 1) + 1 for n in kernel.shape])
    spread[::s, ::s] = kernel
    return fftconvolve(spread, knots, mode="same")[_middle(spread.shape, knots.shape)].astype(np.float32)


def _middle(outer: tuple[int, ...], inner: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice((a - b) // 2, (a - b) // 2 + b) for a, b in zip(outer, inner, strict=True))


def _width(scorr: Image, flux_sigma: Image, bad: NDArray) -> float:
    """Robust width of S_corr where there is nothing but sky."""
    empty = empty_sky(scorr, flux_sigma, bad)
    step = max(1, int(np.sqrt(scorr.size / 500_000))) | 1
    found = robust(scorr[::step, ::step][empty[::step, ::step]])
    return found.sigma if found.count > 100 and found.sigma > 0 else 1.0


def _fwhm(psf: NDArray[np.float32]) -> float:
    """FWHM [px] of the Gaussian with the noise area of a PSF: of P_D, whose rings are no part of its width."""
    core = psf.astype(np.float64) ** 2
    return float(2.3548 * np.sqrt(psf.sum() ** 2 / core.sum() / (4 * np.pi)))
