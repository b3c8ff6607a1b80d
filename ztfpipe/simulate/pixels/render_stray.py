"""Light where it should not be: halos and ghosts of very bright stars, and the streaks of passing objects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import SimulateDetector
from ztfpipe.simulate.pixels import render_nb
from ztfpipe.simulate.pixels.detector import Shot
from ztfpipe.simulate.pixels.render import Image, add_sources
from ztfpipe.simulate.scene import Floats, PointSources, PsfField, QuadrantScene, Streaks

GHOST_HOLE = 0.4
"""Inner radius of a ghost, the shadow of the prime-focus camera, in units of the outer."""
STREAK_STEP_PX = 0.5
STREAK_MASK_PX = 5.0
"""The truth mask of a streak reaches this far to either side, or 3 sigma of its own width if that is more."""


def bright_stars(scene: QuadrantScene, settings: SimulateDetector) -> PointSources:
    """The stars of a scene that reflect visibly, on the quadrant or beside it."""
    stars = scene.stars
    chosen = stars.flux_e > settings.reflection_min_e_per_s * scene.exptime_s
    return PointSources(*(values[chosen] for values in vars(stars).values()))


def add_halos(
    light_e: Image, mask: NDArray[np.uint8], bit: int, scene: QuadrantScene, camera: Camera, settings: SimulateDetector
) -> None:
    """Add the disc of reflected light around each bright star."""
    if settings.halo_fraction == 0:
        return
    stars = bright_stars(scene, settings)
    radius_px = settings.halo_radius_arcsec / camera.pixel_scale_arcsec
    flux = settings.halo_fraction * stars.flux_e
    render_nb.add_discs(light_e, mask, bit, stars.x_px, stars.y_px, flux, 0.0, radius_px)


def add_ghosts(
    light_e: Image, mask: NDArray[np.uint8], bit: int, shot: Shot, qid: int, scenes: Mapping[int, QuadrantScene]
) -> None:
    """Add the ghosts that fall on quadrant `qid`: of the bright stars of all quadrants of the CCD, mirrored about its
    centre."""
    camera, settings = shot.camera, shot.settings
    if settings.ghost_fraction == 0:
        return
    outer_px = settings.ghost_radius_arcsec / camera.pixel_scale_arcsec
    ny, nx = camera.quadrant_shape
    for source, scene in scenes.items():
        stars = bright_stars(scene, settings)
        # A scene lists stars beside its quadrant too; each makes its ghost once.
        own = (abs(stars.x_px - (nx - 1) / 2) <= nx / 2) & (abs(stars.y_px - (ny - 1) / 2) <= ny / 2)
        x_px, y_px = mirrored(stars.x_px[own], stars.y_px[own], source, qid, shot.ccdid, camera)
        flux = settings.ghost_fraction * stars.flux_e[own]
        render_nb.add_discs(light_e, mask, bit, x_px, y_px, flux, GHOST_HOLE * outer_px, outer_px)


def mirrored(x_px: Floats, y_px: Floats, source: int, target: int, ccdid: int, camera: Camera) -> tuple[Floats, Floats]:
    """Positions on quadrant `target` of points on quadrant `source` after reflection about the centre of the CCD."""
    amplifiers = [camera.amplifier(ccdid, qid) for qid in camera.qids]
    middle_east = sum(amplifier.east_deg for amplifier in amplifiers) / len(amplifiers)
    middle_north = sum(amplifier.north_deg for amplifier in amplifiers) / len(amplifiers)
    px_per_deg = 3600 / camera.pixel_scale_arcsec

    def centre(qid: int) -> tuple[float, float]:
        amplifier = camera.amplifier(ccdid, qid)
        # +x goes west, +y goes south.
        return -(amplifier.east_deg - middle_east) * px_per_deg, -(amplifier.north_deg - middle_north) * px_per_deg

    (xs, ys), (xt, yt) = centre(source), centre(target)
    x0, y0 = camera.reference_pixel
    return 2 * x0 - x_px - xs - xt, 2 * y0 - y_px - ys - yt


def add_streaks(
    light_e: Image, mask: NDArray[np.uint8], bit: int, streaks: Streaks, psf: PsfField, noise_e: float
) -> None:
    """Add streaks: the PSF, blurred by each streak's own width, drawn along a line of constant brightness."""
    ny, nx = light_e.shape
    for k in range(streaks.flux_e.size):
        x0, y0, x1, y1 = (float(v[k]) for v in (streaks.x0_px, streaks.y0_px, streaks.x1_px, streaks.y1_px))
        width_px = float(streaks.width_px[k])
        steps = max(1, int(np.ceil(np.hypot(x1 - x0, y1 - y0) / STREAK_STEP_PX)))
        along = (np.arange(steps) + 0.5) / steps
        x, y = x0 + along * (x1 - x0), y0 + along * (y1 - y0)
        reach = 60.0 + 5 * width_px
        near = (x > -reach) & (x < nx + reach) & (y > -reach) & (y < ny + reach)
        flux = np.full(int(near.sum()), float(streaks.flux_e[k]) / steps)
        # Steps overlap: the noise that a stamp's edge is compared with is that of the steps within one pixel.
        add_sources(light_e, x[near], y[near], flux, psf, noise_e * STREAK_STEP_PX, width_px)
        _mark(mask, bit, x[near], y[near], max(STREAK_MASK_PX, 3 * width_px))


def _mark(mask: NDArray[np.uint8], bit: int, x_px: Floats, y_px: Floats, radius_px: float) -> None:
    nothing = np.zeros(mask.shape, np.float32)
    thinned = slice(None, None, max(1, int(0.5 * radius_px / STREAK_STEP_PX)))
    x, y = x_px[thinned], y_px[thinned]
    render_nb.add_discs(nothing, mask, bit, x, y, np.zeros(x.size), 0.0, radius_px)
