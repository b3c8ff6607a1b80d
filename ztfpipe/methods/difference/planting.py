"""Sources planted into an image: where, how bright, and their light with the noise of its photons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

from ztfpipe.methods.stars.photometry_nb import add_stars
from ztfpipe.methods.stars.psf import noise_area
from ztfpipe.methods.stars.psf_nb import polynomial_terms
from ztfpipe.model.planted import Lines, Points
from ztfpipe.model.stars import PsfModel

Floats = NDArray[np.float64]
_EDGE_PX = 25
_TRIALS = 30
"""Places tried for each that is wanted: the sky may be crowded, the image masked."""
_STEP_PX = 0.25
"""Distance of the points that a streak is drawn with: an eighth of a FWHM leaves it even to 1e-4."""


@dataclass(frozen=True)
class Sources:
    """Sources of the sky that are there already, on the image's pixels: hosts, or to be kept away from."""

    x_px: Floats
    y_px: Floats


def choose_lines(
    rng: np.random.Generator,
    unusable: NDArray[np.bool_],
    count: int,
    *,
    psf: PsfModel,
    point_sigma_adu: float,
    length_px: tuple[float, float],
    snr: tuple[float, float],
) -> Lines:
    """At most `count` streaks that lie inside of the image with at most a tenth of them on unusable pixels.

    point_sigma_adu: error of a point source's flux; that of a streak is larger by the root of the ratio of their noise
    areas. length_px: shortest and longest, log-uniform; snr: range, uniform.
    """
    ny, nx = unusable.shape
    longest = min(length_px[1], min(ny, nx) / 2)
    rows: list[tuple[float, ...]] = []
    for _ in range(_TRIALS * count):
        if len(rows) == count:
            break
        length = float(np.exp(rng.uniform(np.log(length_px[0]), np.log(max(longest, length_px[0])))))
        angle, aimed = rng.uniform(0, np.pi), rng.uniform(*snr)
        x0, y0 = rng.uniform(_EDGE_PX, nx - 1 - _EDGE_PX), rng.uniform(_EDGE_PX, ny - 1 - _EDGE_PX)
        x1, y1 = x0 + length * np.cos(angle), y0 + length * np.sin(angle)
        if not (_EDGE_PX <= x1 < nx - _EDGE_PX and _EDGE_PX <= y1 < ny - _EDGE_PX):
            continue
        x, y = _along(x0, y0, x1, y1)
        if unusable[np.rint(y).astype(int), np.rint(x).astype(int)].mean() > 0.1:
            continue
        area = line_noise_area(psf, length, angle)
        sigma = point_sigma_adu * np.sqrt(area / noise_area(psf, x0, y0))
        rows.append((x0, y0, x1, y1, aimed * sigma, aimed))
    return Lines(*np.array(rows, np.float64).reshape(-1, 6).T)


def line_noise_area(psf: PsfModel, length_px: float, angle: float) -> float:
    """Equivalent noise area [px^2] of a streak, 1 / sum of its squared pixels at unit flux, middle of the image's PSF.

    Beyond forty widths every part looks the same and the area grows with the length.
    """
    drawn_px = min(length_px, 40 * psf.fwhm_px)
    half = int(np.ceil(drawn_px / 2)) + psf.radius_px + 2
    ny, nx = psf.shape
    terms = np.empty(len(psf.coefficients))
    polynomial_terms(nx / 2, ny / 2, ny, nx, psf.order, terms)
    same = np.tensordot(terms, psf.coefficients.astype(np.float64), 1)[None].astype(np.float32)
    small = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    dx, dy = drawn_px / 2 * np.cos(angle), drawn_px / 2 * np.sin(angle)
    x, y = _along(half - dx, half - dy, half + dx, half + dy)
    reach = np.full(len(x), psf.radius_px, np.int64)
    add_stars(small, x, y, np.full(len(x), 1e3 / len(x)), reach, same, psf.oversampling, 0)
    area = 1e6 / np.sum(np.square(small, dtype=np.float64))
    return float(area * length_px / drawn_px)


def choose_points(
    rng: np.random.Generator,
    unusable: NDArray[np.bool_],
    count: int,
    *,
    hosts: Sources,
    lit: Sources,
    taken: Sources,
    hosted_fraction: float,
    host_offset_px: float,
    apart_px: float,
    clear_px: float,
    flux_range_adu: tuple[float, float],
) -> Points:
    """At most `count` point sources on usable pixels, log-uniform in flux.

    hosts: those to plant on, the best first, at offsets of host_offset_px per axis; lit: sources that the other ones
    keep clear_px away from; taken: places that all keep apart_px away from, as from each other.
    """
    ny, nx = unusable.shape
    wanted = round(count * hosted_fraction)
    on_x, on_y = (v[: 3 * wanted] + rng.normal(0, host_offset_px, len(v[: 3 * wanted])) for v in _xy(hosts))
    off = _TRIALS * (count - wanted)
    x = np.concatenate([on_x, rng.uniform(_EDGE_PX, nx - 1 - _EDGE_PX, off)])
    y = np.concatenate([on_y, rng.uniform(_EDGE_PX, ny - 1 - _EDGE_PX, off)])
    hosted = np.arange(len(x)) < len(on_x)
    inside = (np.minimum(x, y) >= _EDGE_PX) & (x < nx - _EDGE_PX) & (y < ny - _EDGE_PX)
    usable = inside & (hosted | (_nearest(lit, x, y) > clear_px)) & (_nearest(taken, x, y) > apart_px)
    near_bad = binary_dilation(unusable, iterations=2)
    usable[usable] &= ~near_bad[np.rint(y[usable]).astype(int), np.rint(x[usable]).astype(int)]
    kept = _apart(x, y, hosted, np.flatnonzero(usable), (count - wanted, wanted), apart_px)
    low, high = np.log(flux_range_adu)
    return Points(x[kept], y[kept], np.exp(rng.uniform(low, high, len(kept))), hosted[kept])


def _apart(x, y, hosted, candidates, limits: tuple[int, int], apart_px: float) -> NDArray[np.int64]:
    """The first of the candidates, one by one, none near another, at most `limits` off and on hosts."""
    kept: list[int] = []
    free, left = np.ones(len(candidates), np.bool_), list(limits)
    if not len(candidates):
        return np.zeros(0, np.int64)
    place = np.stack([x[candidates], y[candidates]], 1)
    tree = cKDTree(place)
    for k, index in enumerate(candidates):
        kind = int(hosted[index])
        if free[k] and left[kind]:
            kept.append(int(index))
            left[kind] -= 1
            free[tree.query_ball_point(place[k], apart_px)] = False
    return np.array(kept, np.int64)


def light_of(points: Points, lines: Lines, psf: PsfModel) -> NDArray[np.float32]:
    """Expected light [DN] of planted sources, each with the PSF at its place; float32 of the PSF's image."""
    light = np.zeros(psf.shape, np.float32)
    _add(light, psf, points.x_px, points.y_px, points.flux_adu)
    for x0, y0, x1, y1, flux in zip(lines.x0_px, lines.y0_px, lines.x1_px, lines.y1_px, lines.flux_adu, strict=True):
        x, y = _along(x0, y0, x1, y1)
        _add(light, psf, x, y, np.full(len(x), flux / len(x)))
    return light


def with_photon_noise(
    light_adu: NDArray[np.float32], gain_e_per_adu: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Light as a detector counts it: Poisson numbers of electrons, in DN.

    A fitted PSF dips below zero far out, by parts of a thousand of its flux: there, nothing random is added.
    """
    out = light_adu.copy()
    lit = light_adu > 0
    out[lit] = rng.poisson(light_adu[lit].astype(np.float64) * gain_e_per_adu) / gain_e_per_adu
    return out


def line_points(lines: Lines) -> Sources:
    """Places along streaks, ten pixels apart at most, to keep away from."""
    ends = zip(lines.x0_px, lines.y0_px, lines.x1_px, lines.y1_px, strict=True)
    parts = [_along(*one, step_px=10.0) for one in ends]
    if not parts:
        return Sources(np.zeros(0), np.zeros(0))
    return Sources(*(np.concatenate(axis) for axis in zip(*parts, strict=True)))


def _along(x0: float, y0: float, x1: float, y1: float, step_px: float = _STEP_PX) -> tuple[Floats, Floats]:
    """Middles of equal parts of a line."""
    count = max(1, int(np.ceil(np.hypot(x1 - x0, y1 - y0) / step_px)))
    part = (np.arange(count) + 0.5) / count
    return x0 + part * (x1 - x0), y0 + part * (y1 - y0)


def _add(image: NDArray[np.float32], psf: PsfModel, x: Floats, y: Floats, flux: Floats) -> None:
    half = np.full(len(x), psf.radius_px, np.int64)
    add_stars(image, x, y, flux, half, psf.coefficients, psf.oversampling, psf.order)


def _xy(sources: Sources) -> tuple[Floats, Floats]:
    return sources.x_px, sources.y_px


def _nearest(sources: Sources, x: Floats, y: Floats) -> Floats:
    """Distance to the nearest of some sources [px]; infinite where there is none."""
    if not len(sources.x_px):
        return np.full(len(x), np.inf)
    return cKDTree(np.stack(_xy(sources), 1)).query(np.stack([x, y], 1))[0]
