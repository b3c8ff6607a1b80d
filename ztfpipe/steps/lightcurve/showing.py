"""Light curves at a position, from the matchfiles that are there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.errors import BadKey
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.methods.time.periodogram import Periodogram, periodogram
from ztfpipe.model.identifiers import light_curve_id
from ztfpipe.model.keys import ReferenceKey
from ztfpipe.model.lightcurve import BAD_EPOCH
from ztfpipe.model.release import CURVE_COLUMNS
from ztfpipe.pipelines.reference.recipe import grid_of
from ztfpipe.products.catalogs import matchfile
from ztfpipe.products.images.light_curves import write_light_curve_picture
from ztfpipe.products.names import key_of, path_of
from ztfpipe.steps.workspace import archive_of, configured

_MARGIN_PX = 100.0


def run_show(
    config_path: Path, workspace: Path | None, place: tuple[float, float], radius_arcsec: float, picture: Path | None
) -> int:
    """`ztfpipe lightcurve show --ra DEG --dec DEG`: print light curves as CSV, and draw them. Returns 0.

    place: right ascension and declination [deg]. Raises BadKey for a radius that is none.
    """
    config = configured(config_path, workspace)
    if not radius_arcsec > 0:
        raise BadKey("radius", radius_arcsec, "more than 0 arcsec")
    drawn = picture.resolve() if picture else None
    with contextlib.chdir(archive_of(config)):
        table = light_curves_at(*place, radius_arcsec, Camera.load(config.camera))
        print(table.to_csv(index=False), end="")
        if drawn:
            write_light_curve_picture(drawn, table, f"{place[0]:.5f} {place[1]:+.5f}", period_of(table))
    return 0


def period_of(table: pd.DataFrame) -> Periodogram | None:
    """The periodogram of the good measurements of all light curves of a table; None when there are too few."""
    good = table[(table["catflags"] < BAD_EPOCH) & (table["magerr"] > 0)]
    columns = (good[name].to_numpy(np.float64) for name in ("hjd", "mag", "magerr"))
    return periodogram(*columns, good["oid"].to_numpy(np.int64))


def light_curves_at(ra_deg: float, dec_deg: float, radius_arcsec: float, camera: Camera) -> pd.DataFrame:
    """Measurements of all sources around a position, by oid and time, in CURVE_COLUMNS."""
    parts = [
        _light_curves(key, matchids, camera)
        for key in _covering(ra_deg, dec_deg, camera)
        if len(matchids := _near(key, ra_deg, dec_deg, radius_arcsec))
    ]
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(CURVE_COLUMNS))


def _covering(ra_deg: float, dec_deg: float, camera: Camera) -> Iterator[ReferenceKey]:
    """Matchfiles whose quadrant holds a position, by the grid of their references: no file is opened."""
    for path in sorted(Path().glob("ops/srcmatch/rc*/fr*/ztf_*_match.pytable")):
        key: ReferenceKey = key_of(path, "matchfile")
        if key.field not in camera.fields:
            continue
        wcs, (ny, nx) = grid_of(key, camera)
        x, y = sky_to_pixel(wcs, np.array([ra_deg]), np.array([dec_deg]))
        if -_MARGIN_PX <= x[0] < nx + _MARGIN_PX and -_MARGIN_PX <= y[0] < ny + _MARGIN_PX:
            yield key


def _near(key: ReferenceKey, ra_deg: float, dec_deg: float, radius_arcsec: float) -> np.ndarray:
    sources = matchfile.read_rows(path_of("matchfile", key), "sources")
    place = unit_vectors(np.array([ra_deg]), np.array([dec_deg]))[0]
    chord = np.sqrt((sources["x"] - place[0]) ** 2 + (sources["y"] - place[1]) ** 2 + (sources["z"] - place[2]) ** 2)
    return sources["matchid"][chord < np.radians(radius_arcsec / 3600)]


def _light_curves(key: ReferenceKey, matchids: np.ndarray, camera: Camera) -> pd.DataFrame:
    path = path_of("matchfile", key)
    table = pd.DataFrame(matchfile.rows_of_sources(path, "sourcedata", matchids)).drop(columns="mjd")
    exposures = matchfile.read_rows(path, "exposures")
    names = (
        "expid",
        "limitmag",
        "magzp",
        "magzprms",
        "clrcoeff",
        "clrcounc",
        "exptime",
        "airmass",
        "fracday",
        "obsmjd",
    )
    table = table.merge(pd.DataFrame({name: exposures[name] for name in names}), on="expid")
    fid = camera.filter(key.filter).fid
    table["oid"] = light_curve_id(key.field, fid, key.ccdid, key.qid, 0) + table["matchid"].astype(np.int64)
    table["filtercode"] = key.filter
    table["field"], table["ccdid"], table["qid"] = key.field, key.ccdid, key.qid
    table = table.rename(columns={"fracday": "filefracday", "obsmjd": "mjd"})
    return table.sort_values(["oid", "hjd"])[list(CURVE_COLUMNS)]
