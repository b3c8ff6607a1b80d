"""Forced photometry on one difference image: what packets and the service have in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.config import Alerts
from ztfpipe.methods.difference.forced import SIZE_PX, forced_flux
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.model.alerts import Floats
from ztfpipe.model.keys import QuadrantKey, ReferenceVersionKey
from ztfpipe.pipelines.alerts.forced import Sources, forced_table, nearest_sources
from ztfpipe.products.alerts import history
from ztfpipe.products.alerts.squares import read_squares
from ztfpipe.products.catalogs.catalogs import read_psfcat
from ztfpipe.products.formats.fits import read_image
from ztfpipe.products.images.headers import known
from ztfpipe.products.names import path_of


def measure_image(image: pd.Series, ra_deg: Floats, dec_deg: Floats, settings: Alerts) -> pd.DataFrame:
    """Forced photometry of places on the image of a row of coverage, as `forced_table` has it.

    Further columns: `on_image`, whether a place is within its edges; `refjdstart`, `refjdend`, the range of the
    reference's epochs. Raises BadFile when a file of it cannot be read.
    """
    key = history.quadrant_of(image)
    x, y = sky_to_pixel(history.wcs_from(image["wcs"]), ra_deg, dec_deg)
    on_image = (x >= -0.5) & (x <= image["nx"] - 0.5) & (y >= -0.5) & (y <= image["ny"] - 0.5)
    column, row = (np.floor(np.where(on_image, v, -1e6) + 0.5).astype(np.int64) for v in (x, y))
    squares = read_squares(path_of("scimrefdiffimg", key), column, row, SIZE_PX)
    psf, header = read_image(path_of("diffimgpsf", key))
    width = known(header, "DIFFWHM")
    fluxes = [
        forced_flux(
            square, psf, i - c, j - r, gain_e_per_adu=float(image["gain"]), fwhm_px=width,
            radius_fwhm=settings.forced_radius_fwhm,
        )
        for square, i, j, c, r in zip(squares, x, y, column, row, strict=True)
    ]  # fmt: skip
    sources, jd_range = _sources(key, int(image["refvers"]))
    near = nearest_sources(sources, ra_deg, dec_deg, settings.neighbour_arcsec)
    return forced_table(image, fluxes, near).assign(on_image=on_image, refjdstart=jd_range[0], refjdend=jd_range[1])


def _sources(key: QuadrantKey, version: int) -> tuple[Sources | None, tuple[float, float]]:
    """The reference's catalog and range of Julian dates; None and NaN when the version is no longer there."""
    if key.reference is None or not 1 <= version <= 999:
        return None, (np.nan, np.nan)
    path = Path(path_of("vrefpsfcat", ReferenceVersionKey(key.reference, version)))
    if not path.exists():
        return None, (np.nan, np.nan)
    catalog, header = read_psfcat(path)
    mag = catalog.mag + known(header, "MAGZP")
    sources = Sources(catalog.ra_deg, catalog.dec_deg, mag, catalog.mag_error, catalog.chi, catalog.sharp)
    return sources, (known(header, "JDSTART"), known(header, "JDEND"))
