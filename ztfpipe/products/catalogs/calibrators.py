"""Calibrator and context catalogs of a field's quadrant, as FITS tables with the columns of their contracts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.model.catalogs import AstrometricCalibrators, BrightStars, PhotometricCalibrators
from ztfpipe.model.columns import (
    BRIGHT_STARS,
    GAIA_CALIBRATORS,
    GAIA_CONTEXT,
    PS1_BANDS,
    PS1_CALIBRATORS,
    PS1_CONTEXT,
    Column,
)
from ztfpipe.model.images import Cards
from ztfpipe.model.skycatalogs import GaiaStars, Ps1Objects
from ztfpipe.products.formats.fits import read_table, write_table

EPOCH_KEYWORD = "CATEPOCH"


def write_gaia_calibrators(path: str | Path, stars: GaiaStars, header: Cards) -> None:
    """Write astrometric calibrators. Zero rows are a valid catalog."""
    _write_gaia(path, stars, header, "GAIA_CALIBRATORS", GAIA_CALIBRATORS)


def read_astrometric_calibrators(path: str | Path) -> AstrometricCalibrators:
    """What astrometry needs of a calibrator file. BadFile when it is missing, cut short or lacks a column."""
    stars = _read_gaia(path, GAIA_CALIBRATORS)
    return AstrometricCalibrators(
        ra_deg=stars.ra_deg,
        dec_deg=stars.dec_deg,
        pmra_mas=stars.pmra_mas,
        pmdec_mas=stars.pmdec_mas,
        error_mas=np.sqrt((stars.ra_error_mas**2 + stars.dec_error_mas**2) / 2),
        g_mag=stars.g_mag,
        epoch_year=stars.epoch_year,
    )


def write_gaia_context(path: str | Path, stars: GaiaStars, header: Cards) -> None:
    """Write all Gaia sources around a quadrant."""
    _write_gaia(path, stars, header, "GAIA_CONTEXT", GAIA_CONTEXT)


def read_gaia_context(path: str | Path) -> GaiaStars:
    """All Gaia sources around a quadrant; ruwe is not kept. BadFile as for the calibrators."""
    return _read_gaia(path, GAIA_CONTEXT)


def write_ps1_calibrators(path: str | Path, objects: Ps1Objects, header: Cards) -> None:
    """Write photometric calibrators. Zero rows are a valid catalog."""
    values = {"objid": objects.objid, "ra": objects.ra_deg, "dec": objects.dec_deg}
    values |= {f"{band}mag": objects.mag[band] for band in PS1_BANDS}
    values |= {f"{band}mag_error": objects.mag_error[band] for band in PS1_BANDS}
    _write(path, values, header, "PS1_CALIBRATORS", PS1_CALIBRATORS)


def read_photometric_calibrators(path: str | Path) -> PhotometricCalibrators:
    """What photometry needs of a calibrator file. BadFile when it is missing, cut short or lacks a column."""
    columns, _ = _read(path, PS1_CALIBRATORS)
    return PhotometricCalibrators(
        ra_deg=columns["ra"],
        dec_deg=columns["dec"],
        mag={band: columns[f"{band}mag"].astype(np.float64) for band in PS1_BANDS},
        mag_error={band: columns[f"{band}mag_error"].astype(np.float64) for band in PS1_BANDS},
    )


def write_ps1_context(path: str | Path, objects: Ps1Objects, header: Cards) -> None:
    """Write all PS1 objects around a quadrant with their star/galaxy scores."""
    values = {"objid": objects.objid, "ra": objects.ra_deg, "dec": objects.dec_deg, "sgscore": objects.star_score}
    values |= {f"{band}mag": objects.mag[band] for band in PS1_BANDS}
    _write(path, values, header, "PS1_CONTEXT", PS1_CONTEXT)


def read_ps1_context(path: str | Path) -> Ps1Objects:
    """All PS1 objects around a quadrant; errors, scatter (NaN) and number of detections (0) are not kept."""
    columns, _ = _read(path, PS1_CONTEXT)
    unknown = {band: np.full(len(columns["objid"]), np.nan) for band in PS1_BANDS}
    return Ps1Objects(
        columns["objid"],
        columns["ra"],
        columns["dec"],
        {band: columns[f"{band}mag"].astype(np.float64) for band in PS1_BANDS},
        unknown,
        unknown,
        np.zeros(len(columns["objid"]), np.int64),
        columns["sgscore"].astype(np.float64),
    )


def write_bright_stars(path: str | Path, stars: BrightStars, header: Cards) -> None:
    """Write the bright stars in and around a quadrant."""
    values = {"ra": stars.ra_deg, "dec": stars.dec_deg, "vmag": stars.v_mag}
    _write(path, values, header, "BRIGHT_STARS", BRIGHT_STARS)


def read_bright_stars(path: str | Path) -> BrightStars:
    """The bright stars in and around a quadrant. BadFile when the file is missing, cut short or lacks a column."""
    columns, _ = _read(path, BRIGHT_STARS)
    return BrightStars(columns["ra"], columns["dec"], columns["vmag"].astype(np.float64))


def _write_gaia(path: str | Path, stars: GaiaStars, header: Cards, name: str, contract: tuple[Column, ...]) -> None:
    values = {
        "source_id": stars.source_id,
        "ra": stars.ra_deg,
        "dec": stars.dec_deg,
        "ra_error": stars.ra_error_mas,
        "dec_error": stars.dec_error_mas,
        "pmra": stars.pmra_mas,
        "pmdec": stars.pmdec_mas,
        "phot_g_mean_mag": stars.g_mag,
    }
    own = {EPOCH_KEYWORD: (stars.epoch_year, "[yr] Julian epoch of the positions")}
    _write(path, values, {**header, **own}, name, contract)


def _read_gaia(path: str | Path, contract: tuple[Column, ...]) -> GaiaStars:
    columns, header = _read(path, contract)
    epoch, _ = header.get(EPOCH_KEYWORD, (None, ""))
    if not isinstance(epoch, float):
        raise BadFile(path, f"keyword {EPOCH_KEYWORD} missing")
    names = ("ra", "dec", "ra_error", "dec_error", "pmra", "pmdec", "phot_g_mean_mag")
    floats = (columns[name].astype(np.float64) for name in names)
    return GaiaStars(columns["source_id"], *floats, np.full(len(columns["source_id"]), np.nan), epoch)


def _write(
    path: str | Path, values: Mapping[str, NDArray], header: Cards, name: str, contract: tuple[Column, ...]
) -> None:
    columns = {column.name: np.asarray(values[column.name]).astype(column.dtype) for column in contract}
    rows = {"NROWS": (len(columns[contract[0].name]), "Number of rows")}
    units = {column.name: column.unit for column in contract if column.unit}
    write_table(path, columns, {**header, **rows}, name=name, units=units)


def _read(path: str | Path, contract: tuple[Column, ...]) -> tuple[dict[str, NDArray], Cards]:
    columns, header = read_table(path)
    missing = [column.name for column in contract if column.name not in columns]
    if missing:
        raise BadFile(path, f"column {missing[0]} missing")
    return columns, header
