"""Source catalogs of an image as FITS tables: psfcat and sexcat, in the form the archive's clients read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ztfpipe.errors import BadFile
from ztfpipe.model.catalogs import ApertureCatalog, PsfCatalog
from ztfpipe.model.columns import APERTURE_CATALOG, PSF_CATALOG, Column
from ztfpipe.model.images import Cards
from ztfpipe.products.formats.fits import header_of, read_table, write_hdus

PSF_CATALOG_NAME = "PSF_CATALOG"
APERTURE_CATALOG_NAME = "SEXTRACTOR_CATALOG"

_PIXEL_POSITIONS = {"X_IMAGE", "Y_IMAGE", "XWIN_IMAGE", "YWIN_IMAGE"}


def write_psfcat(path: str | Path, catalog: PsfCatalog, header: Cards) -> None:
    """Write a PSF catalog; rows are numbered from 0 in the catalog's order. Zero rows are a valid catalog."""
    values = {
        "sourceid": np.arange(len(catalog)),
        "xpos": catalog.x_px + 1.0,
        "ypos": catalog.y_px + 1.0,
        "ra": catalog.ra_deg,
        "dec": catalog.dec_deg,
        "flux": catalog.flux_adu,
        "sigflux": catalog.flux_error_adu,
        "mag": catalog.mag,
        "sigmag": catalog.mag_error,
        "snr": catalog.snr,
        "chi": catalog.chi,
        "sharp": catalog.sharp,
        "flags": catalog.flags,
    }
    own = {"NSOURCES": (len(catalog), "Total number of sources")}
    write_hdus(
        path, [fits.PrimaryHDU(header=header_of({**header, **own})), _table(PSF_CATALOG_NAME, PSF_CATALOG, values)]
    )


def read_psfcat(path: str | Path) -> tuple[PsfCatalog, Cards]:
    """A PSF catalog with zero-based positions, and its header. BadFile when a column is missing."""
    columns, header = read_table(path)
    _check_columns(path, columns, PSF_CATALOG)
    as_float = {name: columns[name].astype(np.float64) for name in columns if name not in ("sourceid", "flags")}
    catalog = PsfCatalog(
        x_px=as_float["xpos"] - 1.0,
        y_px=as_float["ypos"] - 1.0,
        ra_deg=as_float["ra"],
        dec_deg=as_float["dec"],
        flux_adu=as_float["flux"],
        flux_error_adu=as_float["sigflux"],
        chi=as_float["chi"],
        sharp=as_float["sharp"],
        flags=columns["flags"].astype(np.int16),
    )
    return catalog, header


def write_sexcat(path: str | Path, catalog: ApertureCatalog, header: Cards) -> None:
    """Write an aperture catalog in the columns of SExtractor."""
    values = {name: column + 1.0 if name in _PIXEL_POSITIONS else column for name, column in catalog.columns.items()}
    table = _table(APERTURE_CATALOG_NAME, APERTURE_CATALOG, values)
    write_hdus(path, [fits.PrimaryHDU(header=header_of(header)), table])


def read_sexcat(path: str | Path) -> tuple[ApertureCatalog, Cards]:
    """An aperture catalog with zero-based positions, and its header. BadFile when a column is missing."""
    columns, header = read_table(path)
    _check_columns(path, columns, APERTURE_CATALOG)
    zero_based = {name: column - 1.0 if name in _PIXEL_POSITIONS else column for name, column in columns.items()}
    return ApertureCatalog(zero_based), header


def _table(name: str, contract: tuple[Column, ...], values: Mapping[str, NDArray]) -> fits.BinTableHDU:
    formats = {"i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}
    columns = [
        fits.Column(
            name=column.name,
            format=f"{column.width}{formats[column.dtype]}",
            unit=column.unit or None,
            array=np.asarray(values[column.name]).astype(column.dtype),
        )
        for column in contract
    ]
    return fits.BinTableHDU.from_columns(columns, name=name)


def _check_columns(path: str | Path, columns: Mapping[str, NDArray], contract: tuple[Column, ...]) -> None:
    missing = [column.name for column in contract if column.name not in columns]
    if missing:
        raise BadFile(path, f"column {missing[0]} missing")
