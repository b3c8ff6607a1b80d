"""A release that is asked for objects and light curves: files of it are found by their place, rows by bisection."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.errors import BadKey
from ztfpipe.methods.sky.matching import unit_vectors
from ztfpipe.methods.sky.regions import Caps, cap_of, rows_inside, rows_near, separation_deg, spread, stars_of
from ztfpipe.model.keys import ReferenceKey, ReleaseKey
from ztfpipe.model.release import CURVE_COLUMNS, CURVE_TABLE, INDEX, OBJECT_TABLE, Limit, Query
from ztfpipe.model.skycatalogs import Cone
from ztfpipe.products.catalogs.release_store import map_rows, read_files, read_objects
from ztfpipe.products.formats.plain import typed

_SOURCE_DIGITS = 10**8
_COMPARISONS = {
    "<": np.less, "<=": np.less_equal, "=": np.equal, ">=": np.greater_equal, ">": np.greater, "!=": np.not_equal,
}  # fmt: skip
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """Objects of a release: file and row within it (n,), ascending; their rows of the index; for a query of positions
    the position's number (else -1) and distance [deg] (else NaN). An object near two positions is found twice."""

    file: Rows
    row: Rows
    index: NDArray[np.void]
    position: Rows
    distance_deg: NDArray[np.float64]

    def __len__(self) -> int:
        return self.file.size

    def of(self, kept: NDArray[np.bool_] | Rows) -> Found:
        """Some of them."""
        return Found(self.file[kept], self.row[kept], self.index[kept], self.position[kept], self.distance_deg[kept])


class OpenRelease:
    """Release `number` below the present archive. BadFile when there is none."""

    def __init__(self, number: int) -> None:
        self.number, self.files = number, read_files(number)
        # Rows of a DataFrame are slow to come by, and a query may want thousands.
        self._of_file = {name: self.files[name].to_numpy() for name in ("field", "fid", "filter", "ccdid", "qid")}
        field, fid, ccdid, qid = (self._of_file[name].astype(np.int64) for name in ("field", "fid", "ccdid", "qid"))
        self._by_place = pd.Index(((field * 10 + fid) * 100 + ccdid) * 10 + qid)

    @cached_property
    def _caps(self) -> Caps:
        return Caps(unit_vectors(self.files["ra"], self.files["dec"]), self.files["radius"].to_numpy())

    def key(self, file: int) -> ReleaseKey:
        """Key of a file of the table."""
        field, code, ccdid, qid = (self._of_file[name][file] for name in ("field", "filter", "ccdid", "qid"))
        return ReleaseKey(self.number, ReferenceKey(int(field), str(code), int(ccdid), int(qid)))

    def find(self, query: Query) -> Found:
        """Objects that a query asks for, in order of file and row. BadKey for a query that asks for none."""
        if query.oids:
            found = self._by_id(query.oids)
        elif query.positions is not None:
            found = self._near(query)
        elif query.regions:
            found = self._inside(query)
        else:
            raise BadKey("query", "", "ID, POS or a list of positions")
        if query.mag:
            mag = found.index["medianmag"]
            found = found.of((mag >= query.mag[0]) & (mag <= query.mag[1]))
        if query.nobs_min:
            found = found.of(found.index["nobsrel"] >= query.nobs_min)
        return self._limited(found, query.limits)

    def objects(self, found: Found) -> pd.DataFrame:
        """Rows of the objects table; of a list of positions with the position's number, and the distance [arcsec]
        from it or from the middle of a cone."""
        parts = [read_objects(self.key(file)).iloc[found.row[rows]] for file, rows in _by_file(found)]
        table = pd.concat(parts, ignore_index=True) if parts else typed({}, OBJECT_TABLE)
        if (found.position >= 0).any():
            table["position"] = found.position
        if np.isfinite(found.distance_deg).any():
            table["distance"] = found.distance_deg * 3600
        return table

    def light_curves(self, found: Found, query: Query) -> pd.DataFrame:
        """Measurements of objects that a query asks for, in CURVE_COLUMNS, by object and time; with the position's
        number for a list of positions."""
        parts = [self._measurements(file, rows, found, query) for file, rows in _by_file(found)]
        if not parts:
            return typed({}, CURVE_TABLE)
        which, data, exposure = (np.concatenate(one) for one in zip(*parts, strict=True))
        file = found.file[which]
        columns = {name: self._of_file[name][file] for name in ("field", "ccdid", "qid")}
        columns |= {"oid": self.oids(found)[which], "filtercode": self._of_file["filter"][file]}
        for name in CURVE_COLUMNS:
            if name not in columns:
                columns[name] = (data if name in data.dtype.names else exposure)[name]
        if (found.position >= 0).any():
            columns["position"] = found.position[which]
        return pd.DataFrame({name: columns[name] for name in (*CURVE_COLUMNS, "position") if name in columns})

    def grouped(self, found: Found, query: Query, radius_deg: float) -> tuple[Found, Rows]:
        """Objects and all others of the release that are the same star, of the filters asked for, and the star's
        number of each, from 0. Limits were on the objects asked for, not on those that join them."""
        at = np.stack([found.index["ra"], found.index["dec"]], axis=1)
        near = self._near(Query(positions=at, radius_deg=radius_deg, fids=query.fids))
        _, first = np.unique(np.stack([near.file, near.row]), axis=1, return_index=True)
        near = near.of(first)
        star = stars_of(near.index["ra"], near.index["dec"], radius_deg)
        return Found(near.file, near.row, near.index, np.full(len(near), -1), np.full(len(near), np.nan)), star

    def oids(self, found: Found) -> Rows:
        """Light-curve identifiers of objects."""
        return self._by_place.to_numpy()[found.file] * _SOURCE_DIGITS + found.index["matchid"]

    def _by_id(self, oids: tuple[int, ...]) -> Found:
        place, source = np.divmod(np.unique(np.array(oids, np.int64)), _SOURCE_DIGITS)
        file = self._by_place.get_indexer(place)
        parts = []
        for one in np.unique(file[file >= 0]):
            rows = np.flatnonzero(np.isin(map_rows("releaseindex", self.key(one))["matchid"], source[file == one]))
            parts.append((one, np.full(rows.size, -1), rows, np.full(rows.size, np.nan)))
        return self._joined(parts)

    def _near(self, query: Query) -> Found:
        at = query.positions
        position, file = self._caps.touching(
            unit_vectors(at[:, 0], at[:, 1]), np.full(len(at), query.radius_deg)
        )  # fmt: skip
        parts = []
        for one, members in self._of_filters(file, query.fids):
            index, members = map_rows("releaseindex", self.key(one)), position[members]
            which, row, distance = rows_near(
                index["ra"], index["dec"], at[members, 0], at[members, 1], query.radius_deg
            )  # fmt: skip
            parts.append((one, members[which], row, distance))
        return self._joined(parts)

    def _inside(self, query: Query) -> Found:
        caps = [cap_of(region) for region in query.regions]
        direction = unit_vectors([one.ra_deg for one in caps], [one.dec_deg for one in caps])
        which, file = self._caps.touching(direction, np.array([one.radius_deg for one in caps]))
        parts = []
        for one, members in self._of_filters(file, query.fids):
            index = map_rows("releaseindex", self.key(one))
            ra, dec = index["ra"], np.ascontiguousarray(index["dec"])
            rows = np.unique(np.concatenate([rows_inside(query.regions[k], ra, dec) for k in which[members]]))
            parts.append((one, np.full(rows.size, -1), rows, _distance(query, ra[rows], dec[rows])))
        return self._joined(parts)

    def _of_filters(self, file: Rows, fids: tuple[int, ...]) -> list[tuple[int, Rows]]:
        """Files with the places in `file` where each stands, of some filters."""
        order = np.argsort(file, kind="stable")
        one, first = np.unique(file[order], return_index=True)
        members = dict(zip(one.tolist(), np.split(order, first[1:]), strict=True)) if one.size else {}
        fid = self.files["fid"].to_numpy()
        return [(one, rows) for one, rows in members.items() if not fids or fid[one] in fids]

    def _joined(self, parts: list[tuple[int, Rows, Rows, NDArray[np.float64]]]) -> Found:
        """Rows found file by file."""
        files, positions, rows, distances, indices = [], [], [], [], []
        for file, position, row, distance in parts:
            order = np.argsort(row, kind="stable")
            indices.append(map_rows("releaseindex", self.key(file))[row[order]])
            files.append(np.full(row.size, file, np.int64))
            for kept, one in ((positions, position), (rows, row), (distances, distance)):
                kept.append(one[order])
        if not parts:
            nothing = np.zeros(0, np.int64)
            return Found(nothing, nothing, np.zeros(0, INDEX), nothing, np.zeros(0))
        return Found(*(np.concatenate(one) for one in (files, rows, indices, positions, distances)))

    def _limited(self, found: Found, limits: tuple[Limit, ...]) -> Found:
        """Those that pass limits on columns of the objects table, of which only these columns are read."""
        if not limits:
            return found
        names = sorted({one.column for one in limits})
        kept = np.ones(len(found), bool)
        for file, rows in _by_file(found):
            table = read_objects(self.key(file), names).iloc[found.row[rows]]
            for one in limits:
                kept[rows] &= _COMPARISONS[one.comparison](table[one.column].to_numpy(), one.value)
        return found.of(kept)

    def _measurements(self, file: int, objects: Rows, found: Found, query: Query) -> tuple[Rows, NDArray, NDArray]:
        """Of the objects of one file: which object, rows of the measurements, and of their exposures."""
        key, index = self.key(file), found.index[objects]
        run, rows = spread(index["start"], index["nobsrel"].astype(np.int64))
        data = np.asarray(map_rows("releasedata", key)[rows])
        exposure = np.asarray(map_rows("releaseexposures", key))[data["exposure"]]
        kept = data["catflags"] & query.bad_catflags_mask == 0
        if query.time_mjd:
            kept &= (exposure["mjd"] >= query.time_mjd[0]) & (exposure["mjd"] <= query.time_mjd[1])
        if query.nobs_min:
            kept &= np.bincount(run[kept], minlength=len(objects))[run] >= query.nobs_min
        return objects[run[kept]], data[kept], exposure[kept]


def _by_file(found: Found) -> list[tuple[int, Rows]]:
    """Files in order, with the places of their objects."""
    files, first = np.unique(found.file, return_index=True)
    return list(zip(files.tolist(), np.split(np.arange(len(found)), first[1:]), strict=True)) if files.size else []


def _distance(query: Query, ra_deg: NDArray, dec_deg: NDArray) -> NDArray[np.float64]:
    """From the middle of the only cone that is asked for."""
    if len(query.regions) == 1 and isinstance(query.regions[0], Cone):
        return separation_deg(ra_deg, dec_deg, query.regions[0].ra_deg, query.regions[0].dec_deg)
    return np.full(ra_deg.size, np.nan)
