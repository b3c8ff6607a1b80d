"""What one quadrant sees in one exposure: the scene the camera renders, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.catalog import (
    CATALOG_EPOCH_YEAR,
    GalaxyCatalog,
    StarCatalog,
    galaxies_around,
    select,
    stars_around,
)
from ztfpipe.simulate.earth import airmass_at
from ztfpipe.simulate.geometry import Floats, sky_position, unit_vectors
from ztfpipe.simulate.night import ExposurePlan
from ztfpipe.simulate.optics import QuadrantOptics, quadrant_optics
from ztfpipe.simulate.photometry import Throughput, throughput, zero_point_e
from ztfpipe.simulate.scene import Galaxies, PointSources, QuadrantScene, Streaks
from ztfpipe.simulate.tiles import moved
from ztfpipe.simulate.variables import variation_mag
from ztfpipe.simulate.weather import Conditions, conditions, psf_field, sky_light

Truth = dict[str, pd.DataFrame]
MARGIN_PX = 40.0
"""Sources this far outside a quadrant are rendered: their wings reach in."""
BRIGHT_MARGIN_PX = 500.0
"""The same for stars brighter than BRIGHT_MAG, whose halos are wide."""
BRIGHT_MAG = 10.5
JULIAN_YEAR_2000_JD = 2451545.0


@dataclass(frozen=True)
class View:
    """One quadrant in one exposure: all that places and weighs a source."""

    settings: Simulate
    camera: Camera
    plan: ExposurePlan
    ccdid: int
    qid: int
    truth: Conditions
    optics: QuadrantOptics
    throughput: Throughput

    @property
    def code(self) -> str:
        """Filter."""
        return self.plan.key.filter

    def inside(self, x_px: Floats, y_px: Floats, margin_px: Floats | float) -> np.ndarray:
        """Mask (n,) of positions within a margin of the quadrant."""
        ny, nx = self.camera.quadrant_shape
        x_in = (x_px > -0.5 - margin_px) & (x_px < nx - 0.5 + margin_px)
        return x_in & (y_px > -0.5 - margin_px) & (y_px < ny - 0.5 + margin_px)

    def landing(
        self, vectors: Floats, table: StarCatalog | GalaxyCatalog, margin_px: Floats
    ) -> tuple[Floats, Floats, NDArray[np.intp]]:
        """Pixels x, y and indices of the sources that fall within their margins."""
        # A cheap cut first: where they fall without the small effects.
        east, north = self.optics.tangent_plane(vectors)
        rough = self.optics.rough_pixels(east, north)
        near = np.flatnonzero(self.inside(*rough, margin_px + self.optics.slack_px))
        x, y = self.optics.place(vectors[near], (table.g_mag - table.r_mag)[near])
        kept = self.inside(x, y, margin_px[near])
        return x[kept], y[kept], near[kept]

    def electrons(self, vectors: Floats, mag: Floats, colour: Floats) -> Floats:
        """Electrons (n,) of sources at unit vectors (n, 3), each through its own air and clouds."""
        east, north = self.optics.tangent_plane(vectors)
        cloud_mag = self.truth.cloud_extinction_mag(east, north)
        airmass = airmass_at(vectors @ self.truth.zenith)
        return self.throughput.electrons(mag, colour, airmass, cloud_mag)


def view(settings: Simulate, camera: Camera, plan: ExposurePlan, ccdid: int, qid: int) -> View:
    """Draw the conditions of an exposure and set up one of its quadrants."""
    truth = conditions(settings, camera, plan)
    optics = quadrant_optics(settings, camera, plan, truth, ccdid, qid)
    light = throughput(settings, camera, plan, truth, ccdid, qid)
    return View(settings, camera, plan, ccdid, qid, truth, optics, light)


def scene(settings: Simulate, camera: Camera, plan: ExposurePlan, ccdid: int, qid: int) -> tuple[QuadrantScene, Truth]:
    """All that falls on a quadrant in a sky exposure, and truth tables by name.

    Tables: stars, galaxies (those within the margin), exposure (one row), wcs (a 17 x 17 grid of pixels with the
    position each sees). Positions are of the middle of the exposure.
    """
    looked = view(settings, camera, plan, ccdid, qid)
    rcid = camera.amplifier(ccdid, qid).rcid
    stars, star_truth = _stars(looked)
    galaxies, galaxy_truth = _galaxies(looked)
    psf = psf_field(settings, plan, looked.truth, rcid)
    zero_point = zero_point_e(settings, camera, looked.code) - looked.truth.extinction_mag
    sky = sky_light(settings, plan, looked.truth, zero_point, camera.pixel_scale_arcsec, rcid)
    streaks = Streaks(*(np.zeros(0) for _ in range(6)))
    tables = {
        "stars": star_truth,
        "galaxies": galaxy_truth,
        "exposure": _exposure_truth(looked, float(sky.level_e[0])),
        "wcs": _wcs_truth(looked),
    }
    return QuadrantScene(stars, galaxies, streaks, psf, sky, plan.exptime_s), tables


def years_since_catalog(jd: float) -> float:
    """Julian years from the catalog's epoch."""
    return (jd - JULIAN_YEAR_2000_JD) / 365.25 + 2000.0 - CATALOG_EPOCH_YEAR


def _search_box(looked: View) -> tuple[float, float, float, float]:
    """Centre and half sides [deg] of the part of the sky that may fall on the quadrant, whatever the pointing error."""
    camera = looked.camera
    ny, nx = camera.quadrant_shape
    centre = looked.optics.sky(np.array([(nx - 1) / 2]), np.array([(ny - 1) / 2]))
    ra, dec = sky_position(centre)
    half = (np.array([nx, ny]) / 2 + BRIGHT_MARGIN_PX) * camera.pixel_scale_arcsec / 3600
    return float(ra[0]), float(dec[0]), float(half[0]), float(half[1])


def colour_of(table: StarCatalog | GalaxyCatalog, code: str) -> Floats:
    """The filter's colour: g - r for g and r, r - i for i."""
    return table.r_mag - table.i_mag if code == "zi" else table.g_mag - table.r_mag


def _stars(looked: View) -> tuple[PointSources, pd.DataFrame]:
    table = stars_around(looked.settings, *_search_box(looked))
    years = years_since_catalog(looked.plan.mid_jd)
    vectors = moved(table.ra_deg, table.dec_deg, table.pm_east_mas, table.pm_north_mas, years)
    x, y, kept = looked.landing(vectors, table, np.where(table.r_mag < BRIGHT_MAG, BRIGHT_MARGIN_PX, MARGIN_PX))
    table, vectors = select(table, kept), vectors[kept]
    numbers = (table.kind, table.period_d, table.amplitude_mag, table.phase, table.identifier)
    mag = table.mag(looked.code) + variation_mag(*numbers, looked.plan.mid_jd, looked.code)
    colour = colour_of(table, looked.code)
    flux_e = looked.electrons(vectors, mag, colour)
    ra, dec = sky_position(vectors)
    still = np.zeros(len(x))
    truth = pd.DataFrame(
        {
            "identifier": table.identifier, "ra_deg": ra, "dec_deg": dec, "x_px": x, "y_px": y, "mag": mag,
            "mean_mag": table.mag(looked.code), "colour_mag": colour, "gaia_g_mag": table.gaia_g_mag,
            "v_mag": table.v_mag, "flux_e": flux_e, "kind": table.kind,
        }
    )  # fmt: skip
    return PointSources(x, y, flux_e, still, still), truth


def _galaxies(looked: View) -> tuple[Galaxies, pd.DataFrame]:
    table = galaxies_around(looked.settings, *_search_box(looked))
    vectors = unit_vectors(table.ra_deg, table.dec_deg)
    x, y, kept = looked.landing(vectors, table, np.full(len(vectors), MARGIN_PX))
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


def _exposure_truth(looked: View, sky_e: float) -> pd.DataFrame:
    truth, light, plan = looked.truth, looked.throughput, looked.plan
    return pd.DataFrame(
        {
            "filefracday": [plan.key.filefracday], "field": plan.key.field, "filter": looked.code,
            "ccdid": looked.ccdid, "qid": looked.qid, "obsjd": plan.obsjd, "exptime_s": plan.exptime_s,
            "airmass": truth.airmass, "zero_point_mag": light.image_zero_point_mag(truth.airmass, truth.cloud_mag),
            "colour_term": light.colour_term, "colour_curvature": light.curvature,
            "extinction_mag": truth.extinction_mag, "transparency_mag": truth.transparency_mag,
            "cloud_mag": truth.cloud_mag, "cloud_rms": truth.cloud_rms if truth.cloud_mag else 0.0,
            "fwhm_px": truth.fwhm_px, "sky_e": sky_e, "turbulence_arcsec": truth.turbulence_arcsec,
            "pointing_error_east_arcsec": truth.pointing_error_deg[0] * 3600,
            "pointing_error_north_arcsec": truth.pointing_error_deg[1] * 3600,
            "rotation_error_deg": truth.rotation_error_deg,
        }
    )  # fmt: skip


def _wcs_truth(looked: View) -> pd.DataFrame:
    """A grid of pixels with the position a star of mean colour would have there, turbulence apart."""
    ny, nx = looked.camera.quadrant_shape
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, nx - 1, 17), np.linspace(0, ny - 1, 17)))
    ra, dec = sky_position(looked.optics.sky(x, y))
    return pd.DataFrame({"x_px": x, "y_px": y, "ra_deg": ra, "dec_deg": dec})
