"""The astrometric solution of a header, TPV or plain gnomonic: from keywords to numbers and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ztfpipe.errors import BadFile
from ztfpipe.model.images import Cards
from ztfpipe.model.wcs import PV_INDICES, TpvWcs, undistorted_pv
from ztfpipe.products.images.headers import Card, needed


def wcs_of(path: str | Path, header: Cards) -> TpvWcs:
    """The WCS of an image's keywords; `path` is for the message. BadFile when one is missing, or of another kind."""
    kinds = tuple(str(header.get(f"CTYPE{axis}", ("", ""))[0]) for axis in (1, 2))
    if kinds not in (("RA---TPV", "DEC--TPV"), ("RA---TAN", "DEC--TAN")):
        raise BadFile(path, f"its projection is {kinds}, not gnomonic with or without TPV distortion")
    cd = np.array([[needed(path, header, f"CD{row}_{column}") for column in (1, 2)] for row in (1, 2)])
    crpix = np.array([needed(path, header, f"CRPIX{axis}") - 1.0 for axis in (1, 2)])
    crval = np.array([needed(path, header, f"CRVAL{axis}") for axis in (1, 2)])
    pv = undistorted_pv()
    if kinds[0].endswith("TPV"):
        for axis, row in enumerate(pv, start=1):
            for column, m in enumerate(PV_INDICES):
                if (keyword := f"PV{axis}_{m}") in header:
                    row[column] = needed(path, header, keyword)
    return TpvWcs(crval, crpix, cd, pv)


def wcs_cards(wcs: TpvWcs, *, distorted: bool) -> Iterator[Card]:
    """The keywords of a solution, in the order of the archive's; TAN, without coefficients, where not `distorted`."""
    projection = "TPV" if distorted else "TAN"
    yield "WCSAXES", 2, "Number of WCS axes"
    yield "RADESYS", "ICRS", "Coordinate reference system"
    yield "CTYPE1", f"RA---{projection}", "Name of coord X axis"
    yield "CTYPE2", f"DEC--{projection}", "Name of coord Y axis"
    for axis in (0, 1):
        yield f"CRPIX{axis + 1}", float(wcs.crpix_px[axis]) + 1.0, f"Coord system {'XY'[axis]} ref pixel"
    for axis in (0, 1):
        yield f"CRVAL{axis + 1}", float(wcs.crval_deg[axis]), f"Coord system value at CRPIX{axis + 1}"
    for axis in (0, 1):
        yield f"CUNIT{axis + 1}", "deg", f"Units for axis {axis + 1}"
    for row in (0, 1):
        for column in (0, 1):
            yield f"CD{row + 1}_{column + 1}", float(wcs.cd_deg[row, column]), "WCS matrix"
    if distorted:
        for axis in (0, 1):
            for index, value in zip(PV_INDICES, wcs.pv[axis], strict=True):
                yield f"PV{axis + 1}_{index}", float(value), "Projection distortion parameter"
