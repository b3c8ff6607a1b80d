"""Sources that stand still: stars, variable stars, transients, galaxies, as one quadrant sees them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ztfpipe.simulate.geometry import Floats, sky_position, unit_vectors
from ztfpipe.simulate.scene import Galaxies, PointSources
from ztfpipe.simulate.sky.catalog import (
    CATALOG_EPOCH_YEAR,
    GalaxyCatalog,
    StarCatalog,
    galaxies_around,
    select,
    stars_around,
)
from ztfpipe.simulate.sky.tiles import moved
from ztfpipe.simulate.sky.transients import KINDS, transients_around
from ztfpipe.simulate.sky.variables import variation_mag
from ztfpipe.simulate.telescope.view import BRIGHT_MAG, BRIGHT_MARGIN_PX, MARGIN_PX, View, search_box

JD_OF_2000 = 2451545.0
FAINTEST_TRANSIENT_MAG = 24.0


def years_since_catalog(jd: float) -> float:
    """Julian years from the catalog's epoch."""
    return (jd - JD_OF_2000) / 365.25 + 2000.0 - CATALOG_EPOCH_YEAR


def colour_of(table: StarCatalog | GalaxyCatalog, code: str) -> Floats:
    """The filter's colour: g - r for g and r, r - i for i."""
    return table.r_mag - table.i_mag if code == "zi" else table.g_mag - table.r_mag


def stars(looked: View) -> tuple[PointSources, pd.DataFrame]:
    """Stars with their proper motion and variation at the middle of the exposure, and the table of the truth."""
    table = stars_around(looked.settings, *search_box(looked))
    years = years_since_catalog(looked.plan.mid_jd)
    vectors = moved(table.ra_deg, table.dec_deg, table.pm_east_mas, table.pm_north_mas, years)
    x, y, kept = looked.landing(
        vectors, table.g_mag - table.r_mag, np.where(table.r_mag < BRIGHT_MAG, BRIGHT_MARGIN_PX, MARGIN_PX)
    )
    table, vectors = select(table, kept), vectors[kept]
    numbers = (table.kind, table.period_d, table.amplitude_mag, table.phase, table.identifier)
    mag = table.mag(looked.code) + variation_mag(*numbers, looked.plan.mid_jd, looked.code)
    colour = colour_of(table, looked.code)
    flux_e = looked.electrons(vectors, mag, colour)
    ra, dec = sky_position(vectors)
    truth = pd.DataFrame(
        {
            "identifier": table.identifier, "ra_deg": ra, "dec_deg": dec, "x_px": x, "y_px": y, "mag": mag,
            "mean_mag": table.mag(looked.code), "colour_mag": colour, "gaia_g_mag": table.gaia_g_mag,
            "v_mag": table.v_mag, "flux_e": flux_e, "kind": table.kind,
        }
    )  # fmt: skip
    return _points(looked, x, y, flux_e), truth


def galaxies(looked: View) -> tuple[Galaxies, pd.DataFrame]:
    """Galaxies, and the table of the truth."""
    table = galaxies_around(looked.settings, *search_box(looked))
    vectors = unit_vectors(table.ra_deg, table.dec_deg)
    x, y, kept = looked.landing(vectors, table.g_mag - table.r_mag, np.full(len(vectors), MARGIN_PX))
    table, vectors = select(table, kept), vectors[kept]
    colour = colour_of(table, looked.code)
    flux_e = looked.electrons(vectors, table.mag(looked.code), colour)
    radius_px = table.radius_arcsec / looked.camera.pixel_scale_arcsec
    # East of north, on axes x = west and y = south: from +x towards +y the angle is 90 degrees less it, turned by 180.
    angle_deg = (90.0 - table.angle_deg) % 180
    truth = pd.DataFrame(
        {
            "identifier": table.identifier, "ra_deg": table.ra_deg, "dec_deg": table.dec_deg, "x_px": x, "y_px": y,
            "mag": table.mag(looked.code), "colour_mag": colour, "flux_e": flux_e, "radius_px": radius_px,
            "axis_ratio": table.axis_ratio, "angle_deg": angle_deg, "sersic_index": table.sersic_index,
        }
    )  # fmt: skip
    return Galaxies(x, y, flux_e, radius_px, table.axis_ratio, angle_deg, table.sersic_index), truth


def transients(looked: View) -> tuple[PointSources, pd.DataFrame]:
    """Transients brighter than FAINTEST_TRANSIENT_MAG at the time, and the table of the truth."""
    table = transients_around(looked.settings, looked.plan.mid_jd, *search_box(looked))
    g_mag, r_mag, i_mag = table.mags(looked.plan.mid_jd)
    mag = {"zg": g_mag, "zr": r_mag, "zi": i_mag}[looked.code]
    vectors = unit_vectors(table.ra_deg, table.dec_deg)
    x, y, kept = looked.landing(vectors, g_mag - r_mag, np.where(mag < FAINTEST_TRANSIENT_MAG, MARGIN_PX, -np.inf))
    colour = (r_mag - i_mag if looked.code == "zi" else g_mag - r_mag)[kept]
    flux_e = looked.electrons(vectors[kept], mag[kept], colour)
    truth = pd.DataFrame(
        {
            "identifier": table.identifier[kept], "ra_deg": table.ra_deg[kept], "dec_deg": table.dec_deg[kept],
            "x_px": x, "y_px": y, "mag": mag[kept], "colour_mag": colour, "flux_e": flux_e,
            "kind": np.array(KINDS)[table.kind[kept]], "peak_jd": table.peak_jd[kept], "host": table.host[kept],
        }
    )  # fmt: skip
    return _points(looked, x, y, flux_e), truth


def _points(looked: View, x_px: Floats, y_px: Floats, flux_e: Floats) -> PointSources:
    """Points that move with the telescope's drift alone."""
    dx, dy = looked.truth.drift_px
    return PointSources(x_px, y_px, flux_e, np.full(len(x_px), dx), np.full(len(x_px), dy))
