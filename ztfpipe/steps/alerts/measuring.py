"""Forced photometry on difference images: what packets and the service have in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ztfpipe.config import Alerts
from ztfpipe.methods.difference.forced import SIZE_PX, forced_flux, psf_at
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.model.alerts import Floats, ForcedFlux
from ztfpipe.model.keys import QuadrantKey, ReferenceVersionKey
from ztfpipe.pipelines.alerts.forced import Measured, Neighbours, Sources, forced_table, nearest_sources
from ztfpipe.products.alerts import history
from ztfpipe.products.alerts.squares import read_squares
from ztfpipe.products.catalogs.catalogs import read_psfcat
from ztfpipe.products.images.difference import read_difference_psf
from ztfpipe.products.images.headers import known
from ztfpipe.products.names import path_of


def measure_images(images: pd.DataFrame, ra_deg: Floats, dec_deg: Floats, settings: Alerts) -> pd.DataFrame:
    """Forced photometry of places on each image of some rows of coverage, as `forced_table` has it.

    A reference is looked at once, however many images stand on it. Raises BadFile when a file cannot be read.
    """
    near: dict[tuple[object, int], Neighbours] = {}
    found = []
    for _, image in images.iterrows():
        key = history.quadrant_of(image)
        reference = key.reference, int(image["refvers"])
        if reference not in near:
            near[reference] = _neighbours(key, reference[1], ra_deg, dec_deg, settings)
        on_image, fluxes = _measure(key, image, ra_deg, dec_deg, settings)
        found.append(Measured(on_image, fluxes, near[reference]))
    return forced_table(images, found)


def _measure(
    key: QuadrantKey, image: pd.Series, ra_deg: Floats, dec_deg: Floats, settings: Alerts
) -> tuple[np.ndarray, list[ForcedFlux]]:
    """Whether each place is within the edges of an image, and the flux there."""
    x, y = sky_to_pixel(history.wcs_from(image["wcs"]), ra_deg, dec_deg)
    on_image = (x >= -0.5) & (x <= image["nx"] - 0.5) & (y >= -0.5) & (y <= image["ny"] - 0.5)
    column, row = (np.floor(np.where(on_image, v, -1e6) + 0.5).astype(np.int64) for v in (x, y))
    squares = read_squares(path_of("scimrefdiffimg", key), column, row, SIZE_PX)
    psf, width = read_difference_psf(path_of("diffimgpsf", key))
    return on_image, [
        forced_flux(
            square, psf_at(psf, i, j), i - c, j - r, gain_e_per_adu=float(image["gain"]), fwhm_px=width,
            radius_fwhm=settings.forced_radius_fwhm,
        )
        for square, i, j, c, r in zip(squares, x, y, column, row, strict=True)
    ]  # fmt: skip


def _neighbours(key: QuadrantKey, version: int, ra_deg: Floats, dec_deg: Floats, settings: Alerts) -> Neighbours:
    """What a version of the reference says of places; nothing when it is no longer there."""
    sources, jd_range = None, (np.nan, np.nan)
    if key.reference is not None and 1 <= version <= 999:
        path = Path(path_of("vrefpsfcat", ReferenceVersionKey(key.reference, version)))
        if path.exists():
            catalog, header = read_psfcat(path)
            mag = catalog.mag + known(header, "MAGZP")
            sources = Sources(catalog.ra_deg, catalog.dec_deg, mag, catalog.mag_error, catalog.chi, catalog.sharp)
            jd_range = known(header, "JDSTART"), known(header, "JDEND")
    return Neighbours(nearest_sources(sources, ra_deg, dec_deg, settings.neighbour_arcsec), jd_range)
