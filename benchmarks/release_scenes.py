"""Releases drawn by hand: files of random stars in three filters, tile beside tile, with their light curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ztfpipe.model.keys import ReferenceKey, ReleaseKey
from ztfpipe.model.lightcurve import DTYPES
from ztfpipe.model.release import Released
from ztfpipe.products.catalogs.light_curves import write_light_curves
from ztfpipe.products.catalogs.release_store import write_files, write_release_file
from ztfpipe.products.names import path_of
from ztfpipe.steps.lightcurve.releasing import file_row

SIDE_DEG, TILES_IN_ROW, FILTERS = 0.86, 8, ("zg", "zr", "zi")
SCATTER_ARCSEC = 0.1
"""Of a star's places in the references of different filters."""
FIRST_MJD, N_EXPOSURES = 58200.0, 300


@dataclass(frozen=True)
class Tile:
    """Stars of a tile: places [deg] and magnitudes."""

    ra_deg: np.ndarray
    dec_deg: np.ndarray
    mag: np.ndarray


def tile(number: int, stars: int, *, ra_deg: float = 358.0, dec_deg: float = 30.0) -> Tile:
    """Stars of tile `number`; the first row of tiles crosses right ascension 0."""
    rng = np.random.default_rng([7, number])
    row, column = divmod(number, TILES_IN_ROW)
    dec = dec_deg + SIDE_DEG * (row + rng.random(stars))
    east = SIDE_DEG * (column + rng.random(stars)) / np.cos(np.radians(dec_deg + SIDE_DEG * row))
    return Tile((ra_deg + east) % 360, dec, rng.uniform(14, 21, stars))


def key_of(release: int, number: int) -> ReleaseKey:
    """File `number` of a release: a tile in one of the filters."""
    place, fid = divmod(number, len(FILTERS))
    field, rcid = divmod(place, 64)
    return ReleaseKey(release, ReferenceKey(300 + field, FILTERS[fid], rcid // 4 + 1, rcid % 4 + 1))


def released(number: int, stars: int, epochs: float) -> Released:
    """What a release has of file `number`: so many stars with `epochs` measurements on average, some with none."""
    place, fid = divmod(number, len(FILTERS))
    sky, rng = tile(place, stars), np.random.default_rng([8, number])
    sources = np.zeros(stars, DTYPES["sources"])
    sources["ra"] = (sky.ra_deg + rng.normal(0, SCATTER_ARCSEC / 3600, stars)) % 360
    sources["dec"] = sky.dec_deg + rng.normal(0, SCATTER_ARCSEC / 3600, stars)
    sources["medianmag"], sources["matchid"] = sky.mag - 0.3 * fid, np.arange(stars)
    sources["magrms"] = rng.exponential(0.05, stars)
    sources["nobs"] = rng.poisson(epochs, stars)
    sources = sources[np.argsort(sources["dec"])]
    sources["nobsrel"] = sources["ngoodobsrel"] = sources["nobs"]
    start = np.concatenate([[0], np.cumsum(sources["nobs"], dtype=np.int64)])
    run = np.repeat(np.arange(stars), sources["nobs"])
    # In order of time within each light curve: exposures are its sorted draws.
    epoch = np.sort(run * N_EXPOSURES + rng.integers(0, N_EXPOSURES, run.size)) % N_EXPOSURES
    data = np.zeros(run.size, DTYPES["sourcedata"])
    data["mag"] = sources["medianmag"][run] + rng.normal(0, 0.05, run.size).astype(np.float32)
    data["magerr"], data["matchid"] = 0.05, sources["matchid"][run]
    data["catflags"] = np.where(epoch % 10 == 0, 1 << 15, 0)
    data["ra"], data["dec"] = sources["ra"][run], sources["dec"][run]
    exposures = np.zeros(N_EXPOSURES, DTYPES["exposures"])
    exposures["obsmjd"] = FIRST_MJD + 3 * np.arange(N_EXPOSURES)
    exposures["expid"], exposures["programid"], exposures["exptime"] = 1000 + np.arange(N_EXPOSURES), 1, 30
    days = (np.datetime64("1858-11-17") + exposures["obsmjd"].astype("timedelta64[D]")).astype(str)
    exposures["fracday"] = [int(day.replace("-", "")) * 10**6 for day in days]
    data["hjd"] = exposures["obsmjd"][epoch] + 2400000.5 + 15 / 86400
    return Released(sources, start, data, epoch, exposures)


def write_release(release: int, files: int, stars: int, epochs: float, *, curves: bool = False) -> list[dict[str, Any]]:
    """Write a release below the present archive, with its bulk light curves if they are wanted; its table of files."""
    rows = []
    for number in range(files):
        key, found = key_of(release, number), released(number, stars, epochs)
        fid = number % len(FILTERS) + 1
        write_release_file(key, fid, found)
        if curves:
            write_light_curves(path_of("lightcurve", key), key.reference, fid, found)
        rows.append(file_row(key, fid, found))
    write_files(release, rows)
    return rows
