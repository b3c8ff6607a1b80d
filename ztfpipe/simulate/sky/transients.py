"""Transients: supernovae of several speeds and outbursts, on galaxies or on empty sky, at any date."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import Floats
from ztfpipe.simulate.seeds import stream
from ztfpipe.simulate.sky.catalog import galaxies_of_tile
from ztfpipe.simulate.sky.tiles import Tile, moved_position, tiles_around

KINDS = ("supernova", "fast", "slow", "outburst")
RISE_D = {"supernova": 4.0, "fast": 0.7, "slow": 9.0, "outburst": 0.15}
FALL_D = {"supernova": 28.0, "fast": 5.0, "slow": 70.0, "outburst": 3.0}
"""e-folding times of rise and fall of the flux in r."""
SEASON_D = 30.0
_SEASONS_BACK = 10
_SEASON_ZERO_JD = 2457388.5
NO_HOST = -1


@dataclass(frozen=True)
class TransientCatalog:
    """Transients as arrays (n,): position [deg], date of maximum, peak magnitude in r, e-folding times [d], colours at
    maximum (they redden by 0.01 mag per day after it), host galaxy or NO_HOST."""

    identifier: NDArray[np.int64]
    ra_deg: Floats
    dec_deg: Floats
    kind: NDArray[np.int8]
    peak_jd: Floats
    peak_r_mag: Floats
    rise_d: Floats
    fall_d: Floats
    g_r_mag: Floats
    r_i_mag: Floats
    host: NDArray[np.int64]

    def mags(self, jd: float) -> tuple[Floats, Floats, Floats]:
        """Magnitudes g, r, i (n,) at a date; infinite long before maximum."""
        after = jd - self.peak_jd
        # Rise and fall as 1 / (exp(-t / rise) + exp(t / fall)), scaled to 1 at its maximum, which is put at t = 0.
        shift = np.log(self.fall_d / self.rise_d) / (1 / self.rise_d + 1 / self.fall_d)

        def shape(t: Floats) -> Floats:
            return 1 / (np.exp(np.clip(-t / self.rise_d, -300, 300)) + np.exp(np.clip(t / self.fall_d, -300, 300)))

        r_mag = self.peak_r_mag - 2.5 * np.log10(np.maximum(shape(after + shift) / shape(shift), 1e-30))
        reddening = 0.01 * np.clip(after, 0, 60)
        return r_mag + self.g_r_mag + reddening, r_mag, r_mag - self.r_i_mag - 0.4 * reddening


def transients_around(
    settings: Simulate, jd: float, ra_deg: float, dec_deg: float, half_east_deg: float, half_north_deg: float
) -> TransientCatalog:
    """All transients of the tiles in a box whose season is recent enough (or near enough) to show at a date."""
    now = int((jd - _SEASON_ZERO_JD) // SEASON_D)
    parts = [
        _season(settings, tile, season)
        for tile in tiles_around(ra_deg, dec_deg, half_east_deg, half_north_deg)
        for season in range(max(now - _SEASONS_BACK, 0), now + 3)
    ]
    return TransientCatalog(
        **{item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(TransientCatalog)}
    )


def _season(settings: Simulate, tile: Tile, season: int) -> TransientCatalog:
    """The transients of a tile with maximum in one season of 30 days."""
    rng = stream(settings.sky_seed, "transients", tile.number, season)
    density = settings.stars.transients_per_square_degree if settings.on("transients") else 0.0
    n = rng.poisson(density * tile.area_square_degrees)
    ra, dec = tile.scatter(rng, n)
    host = np.full(n, NO_HOST, dtype=np.int64)
    galaxies = galaxies_of_tile(settings, tile)
    hosted = (rng.uniform(size=n) >= settings.stars.transients_hostless) & (len(galaxies.ra_deg) > 0)
    if hosted.any():
        # Bright galaxies have more stars, hence more transients.
        weight = 10 ** (-0.3 * galaxies.r_mag)
        chosen = rng.choice(len(weight), hosted.sum(), p=weight / weight.sum())
        host[hosted] = galaxies.identifier[chosen]
        offset_mas = 1000 * galaxies.radius_arcsec[chosen] * rng.rayleigh(0.8, len(chosen))
        angle = rng.uniform(0, 2 * np.pi, len(chosen))
        ra[hosted], dec[hosted] = moved_position(
            galaxies.ra_deg[chosen],
            galaxies.dec_deg[chosen],
            offset_mas * np.sin(angle),
            offset_mas * np.cos(angle),
            1.0,
        )
    kind = rng.choice(len(KINDS), n, p=[0.55, 0.15, 0.15, 0.15]).astype(np.int8)
    stretch = rng.uniform(0.8, 1.25, n)
    blue = np.isin(kind, [1, 3])
    return TransientCatalog(
        identifier=(tile.number * 10 + 3) * 100_000 + season * 100 + np.arange(n, dtype=np.int64),
        ra_deg=ra,
        dec_deg=dec,
        kind=kind,
        peak_jd=_SEASON_ZERO_JD + SEASON_D * (season + rng.uniform(size=n)),
        peak_r_mag=rng.uniform(16.0, 20.5, n),
        rise_d=stretch * np.array([RISE_D[name] for name in KINDS])[kind],
        fall_d=stretch * np.array([FALL_D[name] for name in KINDS])[kind],
        g_r_mag=np.where(blue, -0.2, 0.05) + 0.1 * rng.standard_normal(n),
        r_i_mag=np.where(blue, -0.15, -0.05) + 0.08 * rng.standard_normal(n),
        host=host,
    )
