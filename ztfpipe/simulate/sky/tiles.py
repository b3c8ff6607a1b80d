"""Tiles of the sky: what lies in a tile depends on the sky's seed and the tile alone, whoever looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ztfpipe.simulate.geometry import Floats, gnomonic, sky_position, unit_vectors

TILE_DEG = 0.25
_BANDS = round(180 / TILE_DEG)
_CELLS_MAX = 2000


@dataclass(frozen=True)
class Tile:
    """A cell of a declination band; angles in degrees."""

    number: int
    ra_deg: tuple[float, float]
    dec_deg: tuple[float, float]

    @property
    def area_square_degrees(self) -> float:
        """Solid angle."""
        sines = np.sin(np.radians(self.dec_deg))
        return float(np.degrees(sines[1] - sines[0]) * (self.ra_deg[1] - self.ra_deg[0]))

    def scatter(self, rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        """`n` positions [deg] uniform on the sphere within the tile."""
        sines = np.sin(np.radians(self.dec_deg))
        return rng.uniform(*self.ra_deg, n), np.degrees(np.arcsin(rng.uniform(sines[0], sines[1], n)))


def tiles_around(ra_deg: float, dec_deg: float, half_east_deg: float, half_north_deg: float) -> Iterator[Tile]:
    """All tiles that reach into a box of the tangent plane about a position, in order of their number."""
    centre = unit_vectors(ra_deg, dec_deg)
    reach = np.hypot(half_east_deg, half_north_deg) + TILE_DEG
    first = max(int((dec_deg - reach + 90) / TILE_DEG), 0)
    last = min(int((dec_deg + reach + 90) / TILE_DEG), _BANDS - 1)
    for band in range(first, last + 1):
        low = -90 + band * TILE_DEG
        middle = low + TILE_DEG / 2
        cells = max(round(360 * np.cos(np.radians(middle)) / TILE_DEG), 1)
        middles = (np.arange(cells) + 0.5) * 360 / cells
        east, north = gnomonic(unit_vectors(middles, np.full(cells, middle)), centre)
        # Half a tile and its rounding: cells are TILE_DEG wide to a fraction, except at the poles, where there are few.
        near = (np.abs(east) < half_east_deg + 0.75 * TILE_DEG) & (np.abs(north) < half_north_deg + 0.75 * TILE_DEG)
        for cell in np.flatnonzero(near):
            width = 360 / cells
            yield Tile(band * _CELLS_MAX + int(cell), (cell * width, (cell + 1) * width), (low, low + TILE_DEG))


def moved(ra_deg: Floats, dec_deg: Floats, pm_east_mas: Floats, pm_north_mas: Floats, years: float) -> Floats:
    """Unit vectors (n, 3) of positions [deg] after `years` of proper motion [mas per year]."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    sin_ra, cos_ra, sin_dec, cos_dec = np.sin(ra), np.cos(ra), np.sin(dec), np.cos(dec)
    per_mas = years / 206264806.24709636
    e, n = pm_east_mas * per_mas, pm_north_mas * per_mas
    vectors = np.empty((len(ra), 3))
    vectors[:, 0] = cos_dec * cos_ra - e * sin_ra - n * sin_dec * cos_ra
    vectors[:, 1] = cos_dec * sin_ra + e * cos_ra - n * sin_dec * sin_ra
    vectors[:, 2] = sin_dec + n * cos_dec
    return vectors / np.sqrt(1 + e**2 + n**2)[:, None]


def moved_position(
    ra_deg: Floats, dec_deg: Floats, pm_east_mas: Floats, pm_north_mas: Floats, years: float
) -> tuple[Floats, Floats]:
    """The same as right ascension and declination [deg]."""
    return sky_position(moved(ra_deg, dec_deg, pm_east_mas, pm_north_mas, years))
