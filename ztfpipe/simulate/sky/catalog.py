"""What is in the sky and stays there: stars and galaxies, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ztfpipe.config import Simulate, SimulateStars
from ztfpipe.simulate.geometry import Floats
from ztfpipe.simulate.seeds import stream
from ztfpipe.simulate.sky import variables
from ztfpipe.simulate.sky.tiles import Tile, tiles_around

CATALOG_EPOCH_YEAR = 2015.5
"""Epoch of all positions of the catalog (Julian year): proper motions are applied from here."""
_STAR, _GALAXY = 1, 2


@dataclass(frozen=True)
class StarCatalog:
    """Stars as arrays (n,): ICRS position at CATALOG_EPOCH_YEAR [deg], proper motion [mas / yr, east one with cos
    dec], mean AB magnitudes, Gaia G and BP - RP, Johnson V and B - V, and the numbers of their variability (see
    variables)."""

    identifier: NDArray[np.int64]
    ra_deg: Floats
    dec_deg: Floats
    pm_east_mas: Floats
    pm_north_mas: Floats
    g_mag: Floats
    r_mag: Floats
    i_mag: Floats
    z_mag: Floats
    kind: NDArray[np.int8]
    period_d: Floats
    amplitude_mag: Floats
    phase: Floats

    def mag(self, filter_code: str) -> Floats:
        """Mean magnitude in the PS1 band of a filter."""
        return {"zg": self.g_mag, "zr": self.r_mag, "zi": self.i_mag}[filter_code]

    @property
    def gaia_g_mag(self) -> Floats:
        """Gaia G from g and i: Jordi et al. 2010, table 5."""
        g_i = self.g_mag - self.i_mag
        return self.g_mag - 0.0940 - 0.5310 * g_i - 0.0974 * g_i**2 + 0.0052 * g_i**3

    @property
    def v_mag(self) -> Floats:
        """Johnson V from g and r: Jester et al. 2005, table 1."""
        return self.g_mag - 0.59 * (self.g_mag - self.r_mag) - 0.01


@dataclass(frozen=True)
class GalaxyCatalog:
    """Galaxies as arrays (n,): ICRS position [deg], AB magnitudes, half-light radius along the major axis [arcsec],
    axis ratio, position angle east of north [deg], Sersic index."""

    identifier: NDArray[np.int64]
    ra_deg: Floats
    dec_deg: Floats
    g_mag: Floats
    r_mag: Floats
    i_mag: Floats
    z_mag: Floats
    radius_arcsec: Floats
    axis_ratio: Floats
    angle_deg: Floats
    sersic_index: Floats

    def mag(self, filter_code: str) -> Floats:
        """Magnitude in the PS1 band of a filter."""
        return {"zg": self.g_mag, "zr": self.r_mag, "zi": self.i_mag}[filter_code]


Table = TypeVar("Table", StarCatalog, GalaxyCatalog)


def select(table: Table, index: Any) -> Table:
    """Rows of a catalog by mask or index."""
    return type(table)(**{item.name: getattr(table, item.name)[index] for item in fields(table)})


def stars_around(
    settings: Simulate, ra_deg: float, dec_deg: float, half_east_deg: float, half_north_deg: float
) -> StarCatalog:
    """All stars of the tiles that reach into a box of the tangent plane."""
    parts = [
        _star_tile(*_tile_arguments(settings, tile)) for tile in _tiles(ra_deg, dec_deg, half_east_deg, half_north_deg)
    ]
    return _joined(StarCatalog, parts)


def galaxies_around(
    settings: Simulate, ra_deg: float, dec_deg: float, half_east_deg: float, half_north_deg: float
) -> GalaxyCatalog:
    """All galaxies of the tiles that reach into a box of the tangent plane."""
    tiles = _tiles(ra_deg, dec_deg, half_east_deg, half_north_deg)
    return _joined(GalaxyCatalog, [galaxies_of_tile(settings, tile) for tile in tiles])


def galaxies_of_tile(settings: Simulate, tile: Tile) -> GalaxyCatalog:
    """The galaxies of one tile."""
    return _galaxy_tile(*_tile_arguments(settings, tile))


def _tiles(ra_deg: float, dec_deg: float, half_east_deg: float, half_north_deg: float) -> tuple[Tile, ...]:
    return tuple(tiles_around(ra_deg, dec_deg, half_east_deg, half_north_deg))


def _tile_arguments(settings: Simulate, tile: Tile) -> tuple[int, str, frozenset[str], Tile]:
    off = frozenset(settings.off) & {"proper_motions", "variables", "galaxies"}
    return settings.sky_seed, settings.stars.model_dump_json(), off, tile


def _joined(kind: type[Table], parts: Sequence[Table]) -> Table:
    return kind(**{item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(kind)})


def _counts_below(sizes: SimulateStars, mag: float) -> float:
    """Stars per square degree brighter than `mag`."""
    at_break = 10 ** (sizes.slope_faint * (sizes.slope_break_mag - sizes.counts_at_mag))
    if mag < sizes.slope_break_mag:
        return sizes.stars_per_square_degree * at_break * 10 ** (sizes.slope_bright * (mag - sizes.slope_break_mag))
    return sizes.stars_per_square_degree * 10 ** (sizes.slope_faint * (mag - sizes.counts_at_mag))


def _draw_star_mags(rng: np.random.Generator, sizes: SimulateStars, area: float) -> Floats:
    """r magnitudes of a Poisson number of stars: the inverse of the cumulative counts."""
    bright, faint = (_counts_below(sizes, mag) for mag in (sizes.bright_limit_mag, sizes.faint_limit_mag))
    counts = rng.uniform(bright, faint, rng.poisson((faint - bright) * area))
    at_break = _counts_below(sizes, sizes.slope_break_mag)
    below = sizes.slope_break_mag + np.log10(counts / at_break) / sizes.slope_bright
    above = sizes.counts_at_mag + np.log10(counts / sizes.stars_per_square_degree) / sizes.slope_faint
    return np.where(counts < at_break, below, above)


def _draw_star_colours(rng: np.random.Generator, r_mag: Floats) -> tuple[Floats, Floats]:
    """g - r and r - i on the stellar locus: turn-off stars, M dwarfs (more among the faint), a few blue stars."""
    n = len(r_mag)
    choice, normal = rng.uniform(size=n), rng.standard_normal((3, n))
    red = choice < np.clip(0.25 + 0.06 * (r_mag - 15), 0.15, 0.60)
    g_r = np.where(red, 1.25 + 0.10 * normal[0], 0.50 + 0.16 * normal[0])
    g_r = np.where(choice > 0.985, -0.15 + 0.15 * normal[0], g_r)
    r_i = 0.40 * np.minimum(g_r, 1.1) - 0.02 + 0.025 * normal[1]
    return g_r, r_i + np.where(red, 0.35 * np.exp(0.5 * normal[2]), 0.0)


@lru_cache(maxsize=128)
def _star_tile(seed: int, sizes_json: str, off: frozenset[str], tile: Tile) -> StarCatalog:
    sizes = SimulateStars.model_validate_json(sizes_json)
    rng = stream(seed, "stars", tile.number)
    r_mag = _draw_star_mags(rng, sizes, tile.area_square_degrees)
    n = len(r_mag)
    ra_deg, dec_deg = tile.scatter(rng, n)
    g_r, r_i = _draw_star_colours(rng, r_mag)
    scale = sizes.proper_motion_mas_per_year * 10 ** (-0.08 * (r_mag - 15))
    speed = scale * np.exp(np.log(2.5) * rng.standard_normal(n))
    angle = rng.uniform(0, 2 * np.pi, n)
    kind = variables.draw_kinds(rng, n, sizes.variables)
    period, amplitude, phase = variables.draw_parameters(rng, kind)
    # Colours of the variables' kinds; quasars, the stochastic ones, do not move.
    for name, (g_r_kind, r_i_kind) in {"rrlyrae": (0.2, 0.08), "mira": (1.6, 1.4), "stochastic": (0.2, 0.15)}.items():
        mine = kind == variables.KINDS.index(name)
        g_r[mine] = g_r_kind + 0.05 * (g_r[mine] - 0.5)
        r_i[mine] = r_i_kind
    speed[kind == variables.KINDS.index("stochastic")] = 0.0
    if "variables" in off:
        kind[:], amplitude[:] = 0, 0.0
    if "proper_motions" in off:
        speed[:] = 0.0
    i_mag = r_mag - r_i
    return StarCatalog(
        _identifiers(tile, _STAR, n), ra_deg, dec_deg, speed * np.sin(angle), speed * np.cos(angle),
        r_mag + g_r, r_mag, i_mag, i_mag - 0.55 * r_i, kind, period, amplitude, phase,
    )  # fmt: skip


@lru_cache(maxsize=128)
def _galaxy_tile(seed: int, sizes_json: str, off: frozenset[str], tile: Tile) -> GalaxyCatalog:
    sizes = SimulateStars.model_validate_json(sizes_json)
    rng = stream(seed, "galaxies", tile.number)
    slope, bright_limit = 0.45, 13.0
    bright, faint = (10 ** (slope * (mag - sizes.counts_at_mag)) for mag in (bright_limit, sizes.faint_limit_mag))
    density = 0.0 if "galaxies" in off else sizes.galaxies_per_square_degree
    n = rng.poisson(density * (faint - bright) * tile.area_square_degrees)
    r_mag = sizes.counts_at_mag + np.log10(rng.uniform(bright, faint, n)) / slope
    ra_deg, dec_deg = tile.scatter(rng, n)
    elliptical = rng.uniform(size=n) < 0.35
    g_r = np.where(elliptical, 0.95, 0.60) + 0.12 * rng.standard_normal(n)
    r_i = np.where(elliptical, 0.42, 0.28) + 0.06 * rng.standard_normal(n)
    radius = sizes.galaxy_radius_arcsec * 10 ** (-0.1 * (r_mag - 20)) * np.exp(np.log(1.5) * rng.standard_normal(n))
    return GalaxyCatalog(
        _identifiers(tile, _GALAXY, n), ra_deg, dec_deg, r_mag + g_r, r_mag, r_mag - r_i, r_mag - 1.6 * r_i,
        radius, rng.uniform(0.25, 1.0, n), rng.uniform(0, 180, n), np.where(elliptical, 4.0, 1.0),
    )  # fmt: skip


def _identifiers(tile: Tile, kind: int, n: int) -> NDArray[np.int64]:
    return (tile.number * 10 + kind) * 100_000 + np.arange(n, dtype=np.int64)
