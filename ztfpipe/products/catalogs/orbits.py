"""Catalogs of orbits, the Minor Planet Center's MPCORB.DAT or a table of one's own, and the known bodies of a night."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ztfpipe.errors import BadFile, BadKey
from ztfpipe.methods.solar_system.kepler_nb import GM_SUN
from ztfpipe.methods.solar_system.known import cells_near
from ztfpipe.model.dates import JD_OF_MJD_ZERO
from ztfpipe.model.orbits import KNOWN_TABLE, ORBIT_TABLE, KnownBodies, NightSky, OrbitCatalog, Orbits, Places
from ztfpipe.model.skycatalogs import Cone
from ztfpipe.products.formats.atomic import machine_faults
from ztfpipe.products.formats.plain import read_contract, write_table

_ROW_GROUP = 4096
_BYTES_AT_A_TIME = 64_000_000
_LINE = 202
# Columns of a line, zero-based; the MPC's "Export format for minor-planet orbits".
_NUMBERS = {
    "h_mag": (8, 13), "slope_g": (14, 19), "anomaly_deg": (26, 35), "argument_deg": (37, 46), "node_deg": (48, 57),
    "inclination_deg": (59, 68), "eccentricity": (70, 79), "axis_au": (92, 103),
}  # fmt: skip
_EPOCH, _DESIGNATION = (20, 25), (166, 194)
_LEAST_LINE = 175
"""A line must reach into the designation."""
_USUAL_SLOPE = 0.15
_JD_OF_ORDINAL_0 = 1721424.5


def read_orbits(path: str | Path) -> OrbitCatalog:
    """A catalog of orbits: Parquet with the columns of ORBIT_TABLE (by its suffix), else MPCORB.DAT, also gzipped.

    Raises BadFile when the file is missing, is of another kind, lacks a column, or has a line that does not read.
    """
    path = Path(path)
    if not path.is_file():
        raise BadFile(path, "no such file")
    with machine_faults(path):
        return _read_table(path) if path.suffix == ".parquet" else _read_mpcorb(path)


def _read_table(path: Path) -> OrbitCatalog:
    table = read_contract(path, ORBIT_TABLE)
    return OrbitCatalog(
        *(table[one.name].to_numpy(np.str_ if one.dtype == "str" else one.dtype) for one in ORBIT_TABLE)
    )


def _read_mpcorb(path: Path) -> OrbitCatalog:
    parts = [_parsed(path, lines) for lines in _mpcorb_lines(path)]
    if not parts:
        raise BadFile(path, "no line of it is an orbit in the MPC's format")
    columns = zip(*parts, strict=True)
    return OrbitCatalog(*(np.concatenate(column) for column in columns))


def _mpcorb_lines(path: Path) -> Iterator[list[bytes]]:
    """The lines of orbits, a part of the file at a time; what stands above a line of dashes is the introduction."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as stream:
            lines = stream.readlines(_BYTES_AT_A_TIME)
            head = next((k + 1 for k, line in enumerate(lines[:200]) if line.startswith(b"-----")), 0)
            lines = lines[head:]
            while lines:
                kept = [line for line in lines if line.strip()]
                short = next((line for line in kept if len(line.rstrip()) < _LEAST_LINE), None)
                if short is not None:
                    shown = short[:30].decode("ascii", "replace").strip()
                    raise BadFile(path, f"a line is too short for an orbit in the MPC's format: {shown!r}")
                if kept:
                    yield kept
                lines = stream.readlines(_BYTES_AT_A_TIME)
    except (EOFError, gzip.BadGzipFile) as error:
        raise BadFile(path, f"not readable as gzip: {error}") from error


def _parsed(path: Path, lines: Sequence[bytes]) -> tuple[NDArray, ...]:
    """The arrays of OrbitCatalog of some lines."""
    letters = np.array(lines, f"S{_LINE}").view("S1").reshape(len(lines), _LINE)

    def field(span: tuple[int, int]) -> NDArray[np.bytes_]:
        return np.ascontiguousarray(letters[:, slice(*span)]).view(f"S{span[1] - span[0]}")[:, 0]

    numbers = {}
    for name, span in _NUMBERS.items():
        text = np.char.strip(field(span))
        try:
            numbers[name] = np.where(text == b"", b"nan", text).astype(np.float64)
        except ValueError as error:
            raise BadFile(path, f"columns {span[0] + 1} to {span[1]} of a line are no number: {error}") from error
    packed, index = np.unique(field(_EPOCH), return_inverse=True)
    epochs = np.array([_epoch_jd(path, one.decode("ascii", "replace")) for one in packed])
    designations = [text.decode("ascii", "replace").strip() for text in field(_DESIGNATION)]
    axis, e = numbers["axis_au"], numbers["eccentricity"]
    anomaly = np.radians((numbers["anomaly_deg"] + 180.0) % 360.0 - 180.0)
    with np.errstate(invalid="ignore"):
        since = anomaly * np.sqrt(axis**3 / GM_SUN)
    slope = np.where(np.isnan(numbers["slope_g"]), _USUAL_SLOPE, numbers["slope_g"])
    return (
        np.array([archive_name(text) for text in designations]), np.array(designations), epochs[index],
        axis * (1 - e), e, numbers["inclination_deg"], numbers["node_deg"], numbers["argument_deg"], since,
        numbers["h_mag"], slope,
    )  # fmt: skip


def orbit_of_text(text: str) -> OrbitCatalog:
    """One orbit: a line in the MPC's format, the path of a catalog with one orbit, or `name=value` pairs.

    Pairs: epoch_mjd, e, i_deg, node_deg, peri_deg, and either a_au with mean_anomaly_deg, or q_au with perihelion_mjd
    (of comets too); h_mag, g and name when known. Raises BadKey for what is none of these, BadFile for a bad catalog.
    """
    if "=" in text:
        return _orbit_of_pairs(text)
    if len(text) < _LEAST_LINE and Path(text).is_file():
        found = read_orbits(text)
    else:
        if len(text.rstrip()) < _LEAST_LINE:
            raise BadKey("elements", text, "name=value pairs, a line of MPCORB.DAT or a file of one orbit")
        found = OrbitCatalog(*_parsed(Path("--elements"), [text.encode("ascii", "replace")]))
    if len(found) != 1:
        raise BadKey("elements", text, f"one orbit; there are {len(found)}")
    return found


def _orbit_of_pairs(text: str) -> OrbitCatalog:
    pairs = dict(pair.partition("=")[::2] for pair in text.replace(",", " ").split())
    name = pairs.pop("name", "object")
    try:
        numbers = {key: float(value) for key, value in pairs.items()}
        epoch, e = numbers.pop("epoch_mjd"), numbers.pop("e")
        if "a_au" in numbers:
            axis, anomaly = numbers.pop("a_au"), numbers.pop("mean_anomaly_deg")
            q = axis * (1 - e)
            since = float(np.radians((anomaly + 180.0) % 360.0 - 180.0) * np.sqrt(abs(axis) ** 3 / GM_SUN))
        else:
            q, since = numbers.pop("q_au"), epoch - numbers.pop("perihelion_mjd")
        angles = [numbers.pop(key) for key in ("i_deg", "node_deg", "peri_deg")]
        h_mag, slope = numbers.pop("h_mag", np.nan), numbers.pop("g", _USUAL_SLOPE)
    except KeyError as error:
        raise BadKey("elements", text, f"complete: {error.args[0]} is missing") from error
    except ValueError as error:
        raise BadKey("elements", text, f"name=value pairs of numbers: {error}") from error
    values = (epoch + JD_OF_MJD_ZERO, q, e, *angles, since, h_mag, slope)
    if numbers or not (q > 0 and e >= 0 and np.isfinite(values[:-2]).all()):
        wrong = f"without {', '.join(numbers)}" if numbers else "of a conic about the Sun (q > 0, e >= 0)"
        raise BadKey("elements", text, wrong)
    return OrbitCatalog(np.array([name]), np.array([name]), *(np.array([value], float) for value in values))


def archive_name(designation: str) -> str:
    """The archive's name of a body: "(433) Eros" is 433, "2010 AB12" is 2010AB12."""
    if designation.startswith("("):
        return designation[1:].partition(")")[0]
    return designation.replace(" ", "")


def _epoch_jd(path: Path, packed: str) -> float:
    """Julian date of a packed date (K25BL is 2025 November 21), 0 h."""
    try:
        year = 100 * "IJK".index(packed[0]) + 1800 + int(packed[1:3])
        month, day = (int(letter, 36) for letter in packed[3:5])
        return date(year, month, day).toordinal() + _JD_OF_ORDINAL_0
    except (ValueError, IndexError) as error:
        raise BadFile(path, f"{packed!r} in columns 21 to 25 is no packed date") from error


def write_known(path: str | Path, bodies: KnownBodies) -> None:
    """Write the known bodies of a night, in the order they have; zero rows are a valid table."""
    orbits, seen = bodies.sky.orbits, bodies.places
    n = len(bodies)
    values = (
        bodies.cell, orbits.name, bodies.designation, np.full(n, bodies.sky.middle_jd), seen.ra_deg, seen.dec_deg,
        bodies.rate_ra_arcsec_h, bodies.rate_dec_arcsec_h, seen.v_mag, seen.observer_au, seen.sun_au, seen.phase_deg,
        np.degrees(bodies.sky.reach_rad), *orbits.position_au.T, *orbits.velocity_au_d.T, orbits.h_mag, orbits.slope_g,
    )  # fmt: skip
    named = zip(KNOWN_TABLE, values, strict=True)
    table = pd.DataFrame({one.name: np.asarray(value).astype(one.dtype) for one, value in named})
    write_table(path, table, row_group_size=_ROW_GROUP)


def count_known(path: str | Path) -> int:
    """How many bodies a night's table has. BadFile when it cannot be read."""
    try:
        return pq.read_metadata(path).num_rows
    except (FileNotFoundError, pyarrow.ArrowInvalid) as error:
        raise BadFile(path, f"not readable as Parquet: {' '.join(str(error).split())}") from error


def read_known(path: str | Path, near: Cone | None = None) -> KnownBodies:
    """The known bodies of a night, all or those that may come into a cone. BadFile when the table cannot be read."""
    cells = None if near is None else [("cell", "in", cells_near(near).tolist())]
    table = read_contract(Path(path), KNOWN_TABLE, cells)
    values = {one.name: table[one.name].to_numpy() for one in KNOWN_TABLE}
    floats = {name: value.astype(np.float64) for name, value in values.items() if value.dtype.kind == "f"}
    middle = float(floats["jd"][0]) if len(table) else np.nan
    position = np.stack([floats[f"{axis}_au"] for axis in "xyz"], axis=1)
    velocity = np.stack([floats[f"v{axis}_au_d"] for axis in "xyz"], axis=1)
    names, designations = (values[name].astype(np.str_) for name in ("name", "designation"))
    orbits = Orbits(names, middle, position, velocity, floats["h_mag"], floats["g"])
    ra, dec = np.radians(floats["ra"]), np.radians(floats["dec"])
    direction = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    reach = np.radians(floats["reach_deg"]).astype(np.float32)
    places = Places(*(floats[name] for name in ("ra", "dec", "delta_au", "r_au", "phase_deg", "vmag")))
    sky = NightSky(orbits, middle, direction.astype(np.float32), reach)
    return KnownBodies(sky, designations, places, floats["rate_ra"], floats["rate_dec"], values["cell"])
