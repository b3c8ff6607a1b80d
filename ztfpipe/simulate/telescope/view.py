"""One quadrant in one exposure: all that places and weighs a source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import Floats, sky_position
from ztfpipe.simulate.night import ExposurePlan
from ztfpipe.simulate.telescope.earth import airmass_at
from ztfpipe.simulate.telescope.optics import QuadrantOptics, quadrant_optics
from ztfpipe.simulate.telescope.photometry import Throughput, throughput
from ztfpipe.simulate.telescope.weather import Conditions, conditions

MARGIN_PX = 40.0
"""Sources this far outside a quadrant are rendered: their wings reach in."""
BRIGHT_MARGIN_PX = 500.0
"""The same for stars brighter than BRIGHT_MAG, whose halos are wide."""
BRIGHT_MAG = 10.5


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

    def landing(self, vectors: Floats, g_r_mag: Floats, margin_px: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
        """Pixels x, y and indices of the sources that fall within their margins."""
        # A cheap cut first: where they fall without the small effects.
        east, north = self.optics.tangent_plane(vectors)
        rough = self.optics.rough_pixels(east, north)
        near = np.flatnonzero(self.inside(*rough, margin_px + self.optics.slack_px))
        x, y = self.optics.place(vectors[near], g_r_mag[near])
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


def search_box(looked: View) -> tuple[float, float, float, float]:
    """Centre and half sides [deg] of the part of the sky that may fall on the quadrant, whatever the pointing error."""
    camera = looked.camera
    ny, nx = camera.quadrant_shape
    centre = looked.optics.sky(np.array([(nx - 1) / 2]), np.array([(ny - 1) / 2]))
    ra, dec = sky_position(centre)
    half = (np.array([nx, ny]) / 2 + BRIGHT_MARGIN_PX) * camera.pixel_scale_arcsec / 3600
    return float(ra[0]), float(dec[0]), float(half[0]), float(half[1])
