"""The sky of a patch: stars, galaxies as clouds of points, what is new, gone or spoilt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

Floats = NDArray[np.float64]
SEPARATION_PX = 45.0
"""Between planted events: each is the only one in the middle of its cutouts."""
ZERO_POINT_MAG, SATURATION_ADU = 26.3, 45_000.0
_STEPS = 9
"""Points that a moving source is drawn as."""


@dataclass(frozen=True)
class Sources:
    """Point sources on the science image's pixels, fluxes in DN through clear air."""

    x_px: Floats
    y_px: Floats
    flux_adu: Floats

    @property
    def values(self) -> tuple[Floats, Floats, Floats]:
        return self.x_px, self.y_px, self.flux_adu

    def plus(self, other: Sources) -> Sources:
        return Sources(*(np.concatenate(both) for both in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True)
class Events:
    """Sources planted: places on the science image [px]; change of flux [DN through clear air]; positive where there is
    more light in the science image."""

    x_px: Floats
    y_px: Floats
    flux_adu: Floats
    positive: NDArray[np.bool_]


def stars(rng: np.random.Generator, count: int, shape: tuple[int, int]) -> Sources:
    """`count` stars brighter than magnitude 20.7 and as many fainter as there are, 0.3 dex a magnitude."""
    total, bright, faint = int(count * 10 ** (0.3 * 1.6)), 12.5, 22.3
    low = 10 ** (-0.3 * (faint - bright))
    mag = faint + np.log10(low + rng.uniform(size=total) * (1 - low)) / 0.3
    x, y = rng.uniform(-8, shape[1] + 7, total), rng.uniform(-8, shape[0] + 7, total)
    return Sources(x, y, 10 ** (-0.4 * (mag - ZERO_POINT_MAG)))


def galaxies(rng: np.random.Generator, count: int, shape: tuple[int, int]) -> tuple[Sources, Sources]:
    """Galaxies as points of light, and as their centres with their radius [px] for a flux."""
    mag = 21.0 + np.log10(rng.uniform(0.02, 1, count)) / 0.4
    radius = np.clip(rng.lognormal(np.log(2.5), 0.4, count) * 10 ** (0.1 * (20 - mag)), 0.8, 9)
    mag, radius = np.append(mag, rng.uniform(13.5, 16)), np.append(radius, rng.uniform(8, 25))
    cx, cy = rng.uniform(0, shape[1], count + 1), rng.uniform(0, shape[0], count + 1)
    x, y, flux = [], [], []
    for k in range(count + 1):
        n = 200 if k < count else 4000
        extended = rng.gamma(2.0, 1 / 1.678, n) if rng.uniform() < 0.7 else np.exp(0.9 * rng.standard_normal(n))
        angle, turn, ratio = rng.uniform(0, 2 * np.pi, n), rng.uniform(0, np.pi), rng.uniform(0.3, 1)
        u, v = radius[k] * extended * np.cos(angle), radius[k] * ratio * extended * np.sin(angle)
        x.append(cx[k] + u * np.cos(turn) - v * np.sin(turn))
        y.append(cy[k] + u * np.sin(turn) + v * np.cos(turn))
        flux.append(np.full(n, 10 ** (-0.4 * (mag[k] - ZERO_POINT_MAG)) / n))
    return Sources(*(np.concatenate(one) for one in (x, y, flux))), Sources(cx, cy, radius)


def places(rng: np.random.Generator, count: int, shape: tuple[int, int], taken: Floats) -> Floats:
    """Up to `count` places (n, 2) [px] at least SEPARATION_PX from each other and from those taken (m, 2)."""
    chosen = list(taken)
    for trial in rng.uniform(25, (shape[1] - 26, shape[0] - 26), (40 * count, 2)):
        if len(chosen) - len(taken) == count:
            break
        if not chosen or np.hypot(*(np.array(chosen) - trial).T).min() > SEPARATION_PX:
            chosen.append(trial)
    return np.array(chosen[len(taken) :]).reshape(-1, 2)


def events(
    rng: np.random.Generator, count: int, field: Sources, hosts: Sources, sigma_adu: float, shape: tuple[int, int]
) -> Events:
    """New sources and ones that are gone: on empty sky, in galaxies, on stars. sigma_adu: of a flux."""
    at = places(rng, count, shape, np.empty((0, 2)))
    kind = rng.uniform(size=len(at))
    bright = np.flatnonzero((field.flux_adu > 10 * sigma_adu) & (field.flux_adu < 0.3 * SATURATION_ADU))
    for k in range(len(at)):
        near, offset = None, np.zeros(2)
        if 0.35 < kind[k] < 0.7:
            near, offset = hosts, rng.standard_normal(2)
        elif kind[k] >= 0.7 and len(bright):
            near = Sources(*(one[bright] for one in field.values))
        if near is None:
            continue
        # The nearest host keeps the distances between events nearly what they were.
        one = int(np.argmin(np.hypot(near.x_px - at[k, 0], near.y_px - at[k, 1])))
        reach = min(near.flux_adu[one], 6.0) if near is hosts else 0.0
        at[k] = np.array([near.x_px[one], near.y_px[one]]) + offset * reach
    snr = 10 ** rng.uniform(np.log10(4.5), np.log10(120), len(at))
    x, y = at.T
    inside = (np.minimum(x, y) > 14) & (x < shape[1] - 15) & (y < shape[0] - 15)
    positive = rng.uniform(size=len(at)) < 0.7
    return Events(x[inside], y[inside], (snr * sigma_adu)[inside], positive[inside])


def changed(rng: np.random.Generator, real: Events) -> tuple[Sources, Sources]:
    """What only the science image has, some of it moving, and what only the reference has."""
    moves = rng.uniform(size=len(real.x_px)) < 0.15
    length, angle = np.where(moves, rng.uniform(1, 4, len(moves)), 0), rng.uniform(0, np.pi, len(moves))
    along = np.linspace(-0.5, 0.5, _STEPS)[:, None]
    x, y = real.x_px + along * length * np.cos(angle), real.y_px + along * length * np.sin(angle)
    flux = np.broadcast_to(real.flux_adu / _STEPS, x.shape)
    new = Sources(*(values[:, real.positive].ravel() for values in (x, y, flux)))
    gone = Sources(*(values[~real.positive] for values in (real.x_px, real.y_px, real.flux_adu)))
    return new, gone


def spoilt(
    rng: np.random.Generator, field: Sources, kinds: tuple[str, ...], count: int, sigma_adu: float, avoid: Floats
) -> tuple[Sources, Floats, NDArray[np.str_]]:
    """The field with some of its stars amiss in the science image; their places (n, 2) and what is wrong with each.

    dipole, moved: out of place; wide: of another PSF; unmasked: saturated, with its mask lost.
    """
    x, y, flux = (one.copy() for one in field.values)
    extra, at, names = [], [], []
    for kind in rng.choice(kinds, count):
        saturated = kind == "unmasked"
        low, high = (SATURATION_ADU * 4, np.inf) if saturated else (60 * sigma_adu, SATURATION_ADU * 6)
        fit = np.flatnonzero((flux > low) & (flux < high))
        taken = np.concatenate([avoid, np.array(at).reshape(-1, 2)])
        fit = [k for k in rng.permutation(fit) if np.hypot(*(taken - (x[k], y[k])).T).min(initial=99) > SEPARATION_PX]
        if not fit:
            continue
        k = fit[0]
        at.append((x[k], y[k]))
        names.append(kind)
        angle = rng.uniform(0, 2 * np.pi)
        if kind in ("dipole", "moved"):
            step = rng.uniform(0.1, 0.7) if kind == "dipole" else rng.uniform(0.2, 1.5)
            x[k], y[k] = x[k] + step * np.cos(angle), y[k] + step * np.sin(angle)
        elif kind == "wide":
            step, part = rng.uniform(0.5, 1.2), flux[k] * rng.uniform(0.1, 0.3)
            flux[k] -= 2 * part
            for side in (-step, step):
                extra.append((x[k] + side * np.cos(angle), y[k] + side * np.sin(angle), part))
    more = Sources(*np.array(extra).reshape(-1, 3).T)
    return Sources(x, y, flux).plus(more), np.array(at).reshape(-1, 2), np.array(names, dtype="<U12")


def turbulence(rng: np.random.Generator, rms_px: float, shape: tuple[int, int], scale_px: float = 240.0):
    """Displacement of places (x, y) along both axes [px]: Gaussian fields."""
    step = 32
    grids = []
    for _ in range(2):
        grid = gaussian_filter(rng.standard_normal([n // step + 60 for n in shape]), scale_px / step)
        grids.append(grid * (rms_px / grid.std()))

    def move(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        at = [y / step + 30, x / step + 30]
        return tuple(place + map_coordinates(grid, at, order=3) for place, grid in zip((x, y), grids, strict=True))

    return move
