"""Recipe: one epoch's detections become rows of a matchfile (system paper 3.8).

A detection near a source of the reference is of that source; any other is of a transient, one seen before or a new one.
A source that the image covers and that was not detected gets an upper limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Lightcurve
from ztfpipe.methods.sky.matching import Pairs, match_cells, match_sky, move_to_epoch, unit_vectors
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.methods.time.light_time import heliocentric_jd
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.dates import JD_OF_MJD_ZERO, YEAR_D, julian_year, mid_exposure
from ztfpipe.model.lightcurve import (
    BAD_EPOCH,
    BAD_EPOCH_INFOBIT,
    DTYPES,
    EDGE_FLAGS,
    FIRST_TRANSIENT_ID,
    EpochCatalog,
    EpochRows,
    Seeds,
)
from ztfpipe.model.skycatalogs import GaiaStars

_MAS_PER_RADIAN = np.degrees(1.0) * 3.6e6
Rows = NDArray[np.void]


@dataclass(frozen=True)
class Sky:
    """What is known before an epoch is matched: sources and transients, both in order of match id."""

    sources: Seeds
    transients: Seeds

    def grown(self, found: Rows) -> Sky:
        """The same with the transients that an epoch has found."""
        if len(found) == 0:
            return self
        old = self.transients
        return replace(
            self,
            transients=Seeds(
                np.concatenate([old.direction, _directions(found)]),
                np.concatenate([old.motion_per_day, np.zeros((len(found), 3))]),
                np.concatenate([old.matchid, found["matchid"].astype(np.int64)]),
                old.mjd,
            ),
        )


def source_rows(
    catalog: PsfCatalog, zero_point_mag: float, mjd: float, gaia: GaiaStars | None, settings: Lightcurve
) -> Rows:
    """Rows of `sources` of a reference's PSF catalog, whose mean epoch is `mjd`; match ids are its source ids.

    A source takes the proper motion of the Gaia star at its place, if there is one that moves.
    """
    rows = np.zeros(len(catalog), DTYPES["sources"])
    rows["matchid"] = np.arange(len(catalog))
    rows["ra"], rows["dec"] = catalog.ra_deg, catalog.dec_deg
    _set_directions(rows, unit_vectors(catalog.ra_deg, catalog.dec_deg))
    rows["refmag"], rows["refmagerr"] = catalog.mag + zero_point_mag, catalog.mag_error
    rows["refchi"], rows["refsharp"], rows["refsnr"] = catalog.chi, catalog.sharp, catalog.snr
    if gaia is not None and len(gaia.ra_deg) and len(catalog):
        year = julian_year(mjd + JD_OF_MJD_ZERO)
        ra, dec = move_to_epoch(gaia.ra_deg, gaia.dec_deg, gaia.pmra_mas, gaia.pmdec_mas, year - gaia.epoch_year)
        pairs = match_sky(catalog.ra_deg, catalog.dec_deg, ra, dec, settings.motion_radius_arcsec)
        rows["pmra"][pairs.first] = np.nan_to_num(gaia.pmra_mas[pairs.second])
        rows["pmdec"][pairs.first] = np.nan_to_num(gaia.pmdec_mas[pairs.second])
    return rows


def seeds_of(rows: Rows, mjd: float) -> Seeds:
    """What detections are matched with, of rows of `sources` or `transients` whose places are of time `mjd`."""
    ra, dec = np.radians(rows["ra"]), np.radians(rows["dec"])
    east = np.column_stack([-np.sin(ra), np.cos(ra), np.zeros(len(rows))])
    north = np.column_stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    scale = 1.0 / (_MAS_PER_RADIAN * YEAR_D)
    motion = scale * (rows["pmra"][:, None] * east + rows["pmdec"][:, None] * north)
    return Seeds(_directions(rows), motion, rows["matchid"].astype(np.int64), mjd)


def match_epoch(epoch: EpochCatalog, sky: Sky, camera: Camera, settings: Lightcurve) -> EpochRows:
    """What an epoch adds to the tables. A catalog with zero rows adds its exposure and upper limits only."""
    facts, catalog = epoch.facts, epoch.catalog
    mjd = mid_exposure(float(facts["obsmjd"]), float(facts["exptime"]))
    direction = unit_vectors(catalog.ra_deg, catalog.dec_deg)
    plane = _Plane(sky.sources.direction if len(sky.sources.matchid) else direction)
    places, known = sky.sources.at(mjd), sky.transients.at(mjd)
    of_source = plane.match(direction, places, settings.match_radius_arcsec)
    alone = np.setdiff1d(np.arange(len(catalog)), of_source.first)
    of_transient = plane.match(direction[alone], known, settings.match_radius_arcsec)
    new = np.setdiff1d(np.arange(alone.size), of_transient.first)
    matchid = np.empty(alone.size, np.int64)
    matchid[of_transient.first] = sky.transients.matchid[of_transient.second]
    matchid[new] = FIRST_TRANSIENT_ID + len(sky.transients.matchid) + np.arange(new.size)
    data = _data_rows("sourcedata", epoch, of_source.first, direction, mjd, camera)
    data["matchid"] = sky.sources.matchid[of_source.second]
    transient = _data_rows("transientdata", epoch, alone, direction, mjd, camera)
    transient["matchid"] = matchid
    _set_directions(transient, direction[alone])
    transient["psfmag"], transient["psfmagerr"] = catalog.mag[alone], catalog.mag_error[alone]
    transient["sid"], transient["snr"] = alone, catalog.snr[alone]
    found = np.zeros(new.size, DTYPES["transients"])
    for name in ("ra", "dec", "x", "y", "z", "matchid"):
        found[name] = transient[name][new]
    for name in ("refmag", "refmagerr", "refchi", "refsharp", "refsnr"):
        found[name] = np.nan
    missing = _missing(epoch, sky.sources, places, of_source.second, settings)
    return EpochRows(
        _exposure_row(epoch, plane.centre, len(of_source), alone.size, camera), data, transient, found,
        _upper_limits(epoch, missing),
    )  # fmt: skip


def new_ids(
    old: Rows, new: Rows, settings: Lightcurve
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Match ids of a file's sources, those they have in a file of another reference (-1 for none), and how far apart
    the two references have them [arcsec, NaN for none]."""
    pairs = match_sky(old["ra"], old["dec"], new["ra"], new["dec"], settings.match_radius_arcsec)
    found, distance = np.full(len(old), -1, np.int64), np.full(len(old), np.nan)
    found[pairs.first], distance[pairs.first] = new["matchid"][pairs.second], pairs.distance
    return old["matchid"].astype(np.int64), found, distance


class _Plane:
    """The tangent plane [arcsec] about the middle of a quadrant: in half a degree of it distances hold to 1e-4."""

    def __init__(self, direction: NDArray[np.float64]) -> None:
        middle = direction.mean(axis=0) if len(direction) else np.array([1.0, 0.0, 0.0])
        self.centre = middle / np.linalg.norm(middle)
        pole = np.array([0.0, 0.0, 1.0]) if abs(self.centre[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
        self._x = np.cross(pole, self.centre)
        self._x /= np.linalg.norm(self._x)
        self._y = np.cross(self.centre, self._x)

    def match(self, first: NDArray[np.float64], second: NDArray[np.float64], radius_arcsec: float) -> Pairs:
        """One-to-one pairs of directions (n, 3), nearest first."""
        return match_cells(*self._xy(first), *self._xy(second), radius_arcsec)

    def _xy(self, direction: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        depth = direction @ self.centre
        scale = np.degrees(1.0) * 3600.0
        # What lies on the other side of the sky has no place on the plane.
        depth = np.where(depth > 0.1, depth, np.nan)
        return scale * (direction @ self._x) / depth, scale * (direction @ self._y) / depth


def catflags(flags: NDArray[np.int16], infobits: int) -> NDArray[np.uint16]:
    """catflags (n,) from psfcat flags and the image's INFOBITS: defect bits, the bad epoch's bit, or 65535 on the
    edge."""
    epoch = BAD_EPOCH if infobits >> BAD_EPOCH_INFOBIT & 1 else 0
    defects = flags.astype(np.int64) & (BAD_EPOCH - 1)
    return np.where(flags == -1, EDGE_FLAGS, defects | epoch).astype(np.uint16)


def _data_rows(
    table: str,
    epoch: EpochCatalog,
    index: NDArray[np.int64],
    direction: NDArray[np.float64],
    mjd: float,
    camera: Camera,
) -> Rows:
    """Rows of detections `index`, without their match ids; magnitudes are not corrected yet."""
    catalog, facts, site = epoch.catalog, epoch.facts, camera.observatory
    rows = np.zeros(index.size, DTYPES[table])
    rows["catflags"] = catflags(catalog.flags, int(facts["infobits"]))[index]
    rows["chi"], rows["sharp"] = catalog.chi[index], catalog.sharp[index]
    rows["ra"], rows["dec"] = catalog.ra_deg[index], catalog.dec_deg[index]
    rows["xpos"], rows["ypos"] = catalog.x_px[index] + 1.0, catalog.y_px[index] + 1.0
    rows["psfflux"], rows["psffluxerr"] = catalog.flux_adu[index], catalog.flux_error_adu[index]
    rows["uncalibmag"] = catalog.mag[index] + float(facts["magzp"])
    rows["mag"] = rows["uncalibmag"]
    rows["magerr"] = rows["magerrmodel"] = catalog.mag_error[index]
    rows["mjd"], rows["expid"], rows["programid"] = mjd, facts["expid"], facts["programid"]
    rows["hjd"] = heliocentric_jd(
        mjd + JD_OF_MJD_ZERO, direction[index], site.longitude_deg, site.latitude_deg, site.height_m
    )
    return rows


def _missing(
    epoch: EpochCatalog, seeds: Seeds, places: NDArray[np.float64], detected: NDArray[np.int64], settings: Lightcurve
) -> NDArray[np.int64]:
    """Match ids of sources that the image covers and that were not detected."""
    if epoch.wcs is None:
        return np.zeros(0, np.int64)
    absent = np.ones(len(seeds.matchid), bool)
    absent[detected] = False
    rows = np.flatnonzero(absent)
    ra, dec = np.degrees(np.arctan2(places[rows, 1], places[rows, 0])) % 360.0, np.degrees(np.arcsin(places[rows, 2]))
    x, y = sky_to_pixel(epoch.wcs, ra, dec)
    (ny, nx), edge = epoch.shape, settings.edge_px
    inside = (x >= edge) & (x <= nx - 1 - edge) & (y >= edge) & (y <= ny - 1 - edge)
    return seeds.matchid[rows[inside]]


def _upper_limits(epoch: EpochCatalog, matchid: NDArray[np.int64]) -> Rows:
    rows = np.zeros(matchid.size, DTYPES["nondetections"])
    rows["matchid"], rows["expid"], rows["limitmag"] = matchid, epoch.facts["expid"], epoch.facts["limitmag"]
    return rows


def _exposure_row(
    epoch: EpochCatalog, centre: NDArray[np.float64], n_matched: int, n_alone: int, camera: Camera
) -> Rows:
    row, site = np.zeros(1, DTYPES["exposures"]), camera.observatory
    for name, value in epoch.facts.items():
        row[name] = value
    key = epoch.key
    row["fieldid"], row["filterid"] = key.exposure.field, camera.filter(key.exposure.filter).fid
    row["rcid"], row["fracday"] = key.rcid, int(key.exposure.filefracday)
    row["nsources"], row["nstars"], row["ntransients"] = len(epoch.catalog), n_matched, n_alone
    row["obshjd"] = heliocentric_jd(
        float(epoch.facts["obsmjd"]) + JD_OF_MJD_ZERO, centre[None, :], site.longitude_deg, site.latitude_deg,
        site.height_m,
    )  # fmt: skip
    row["ipac_pub_date"] = row["relphotzperr"] = row["relphotrms"] = np.nan
    return row


def _directions(rows: Rows) -> NDArray[np.float64]:
    return np.column_stack([rows["x"], rows["y"], rows["z"]])


def _set_directions(rows: Rows, direction: NDArray[np.float64]) -> None:
    rows["x"], rows["y"], rows["z"] = direction.T
