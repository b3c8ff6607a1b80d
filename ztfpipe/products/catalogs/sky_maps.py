"""Maps of the sky in HEALPix: a table of the pixels seen, as other programs read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from ztfpipe.errors import BadFile
from ztfpipe.model.coverage import SkyMap
from ztfpipe.model.keys import SKY_FILTERS
from ztfpipe.products.formats.fits import read_header, read_table, write_hdus

_PREFIX = "N_"


def write_sky_map(path: str | Path, found: SkyMap, first: str, last: str) -> None:
    """Write a map of nights first..last: pixels seen, explicitly numbered, and exposures in each filter, atomically."""
    codes = [code for code in SKY_FILTERS if code in found.exposures]
    # As narrow as the numbers allow: a full night has a million rows.
    columns = [fits.Column("PIXEL", "J", array=found.pixels.astype(np.int32))]
    for code in codes:
        counts = found.exposures[code]
        narrow = counts.max(initial=0) <= np.iinfo(np.int16).max
        columns.append(fits.Column(_PREFIX + code.upper(), "I" if narrow else "J", array=counts))
    table = fits.BinTableHDU.from_columns(columns, name="COVERAGE")
    cards = {
        "PIXTYPE": ("HEALPIX", "pixels of equal area"),
        "ORDERING": ("NESTED", "numbering of the pixels"),
        "COORDSYS": ("C", "ICRS"),
        "NSIDE": (1 << found.order, "resolution"),
        "INDXSCHM": ("EXPLICIT", "column PIXEL has the numbers"),
        "OBJECT": ("PARTIAL", "pixels that were not seen have no row"),
        "NIGHT1": (first, "first night"),
        "NIGHT2": (last, "last night"),
    }
    for keyword, card in cards.items():
        table.header[keyword] = card
    write_hdus(path, [fits.PrimaryHDU(), table])


def read_sky_map(path: str | Path) -> SkyMap:
    """Read a map. BadFile when it is missing or none."""
    columns, _ = read_table(path)
    header = read_header(path, 1)
    try:
        order = int(header["NSIDE"][0]).bit_length() - 1
        exposures = {
            name.removeprefix(_PREFIX).lower(): values.astype(np.int32)
            for name, values in columns.items()
            if name.startswith(_PREFIX)
        }
        return SkyMap(order, columns["PIXEL"].astype(np.int64), exposures)
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(path, f"no map of the sky: {error}") from error
