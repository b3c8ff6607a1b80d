"""What one quadrant sees in one exposure: the scene the camera renders, and the truth about it."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd

from ztfpipe.camera import Camera
from ztfpipe.config import Simulate
from ztfpipe.simulate.geometry import sky_position
from ztfpipe.simulate.night import ExposurePlan
from ztfpipe.simulate.scene import PointSources, QuadrantScene, Streaks
from ztfpipe.simulate.sky import fixed, moving
from ztfpipe.simulate.telescope.earth import airmass_at
from ztfpipe.simulate.telescope.photometry import zero_point_e
from ztfpipe.simulate.telescope.view import View, view
from ztfpipe.simulate.telescope.weather import psf_field, sky_light

Truth = dict[str, pd.DataFrame]
FITTED_MAGS = (13.5, 18.5)
"""Magnitudes of the stars that a pipeline calibrates with."""


def scene(settings: Simulate, camera: Camera, plan: ExposurePlan, ccdid: int, qid: int) -> tuple[QuadrantScene, Truth]:
    """All that falls on a quadrant in a sky exposure, and truth tables by name.

    Tables: stars (all, with their kind of variability), galaxies, transients, asteroids, streaks, each with those
    within the margin; exposure (one row); wcs (a 17 x 17 grid of pixels with the position each sees). Positions and
    magnitudes are those of the middle of the exposure. Raises BadKey when the camera has no such quadrant.
    """
    looked = view(settings, camera, plan, ccdid, qid)
    rcid = camera.amplifier(ccdid, qid).rcid
    stars, star_truth = fixed.stars(looked)
    galaxies, galaxy_truth = fixed.galaxies(looked)
    transients, transient_truth = fixed.transients(looked)
    slow, fast, asteroid_truth = moving.asteroids(looked)
    crossing, streak_truth = moving.streaks(looked)
    psf = psf_field(settings, plan, looked.truth, rcid)
    zero_point = zero_point_e(settings, camera, looked.code) - looked.truth.extinction_mag
    sky = sky_light(settings, plan, looked.truth, zero_point, camera.pixel_scale_arcsec, rcid)
    points, streaks = _joined(PointSources, stars, transients, slow), _joined(Streaks, fast, crossing)
    tables = {
        "stars": star_truth,
        "galaxies": galaxy_truth,
        "transients": transient_truth,
        "asteroids": asteroid_truth,
        "streaks": streak_truth,
        "exposure": _exposure_truth(looked, float(sky.level_e[0]), star_truth),
        "wcs": _wcs_truth(looked),
    }
    return QuadrantScene(points, galaxies, streaks, psf, sky, plan.exptime_s), tables


def _joined(kind: type, *parts: PointSources | Streaks) -> PointSources | Streaks:
    return kind(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(kind)))


def _exposure_truth(looked: View, sky_e: float, stars: pd.DataFrame) -> pd.DataFrame:
    """One row of numbers about the exposure and the quadrant.

    airmass: at the quadrant's centre in the middle of the exposure; zero_point_mag: there, at colour 0, behind the mean
    cloud; fitted_*: the straight line in colour through the quadrant's constant stars, free of noise, which is the best
    a pipeline that fits a line can find (NaN with fewer than ten stars).
    """
    truth, light, plan = looked.truth, looked.throughput, looked.plan
    ny, nx = looked.camera.quadrant_shape
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, nx - 1, 9), np.linspace(0, ny - 1, 9)))
    vectors = looked.optics.sky(x, y)
    airmass = float(airmass_at(vectors[len(vectors) // 2] @ truth.zenith))
    cloud_mag = float(truth.cloud_extinction_mag(*looked.optics.tangent_plane(vectors)).mean())
    fitted_zero_point, fitted_term = _fitted_line(looked, stars)
    return pd.DataFrame(
        {
            "filefracday": [plan.key.filefracday], "field": plan.key.field, "filter": looked.code,
            "ccdid": looked.ccdid, "qid": looked.qid, "obsjd": plan.obsjd, "exptime_s": plan.exptime_s,
            "airmass": airmass, "zero_point_mag": light.image_zero_point_mag(airmass, cloud_mag),
            "fitted_zero_point_mag": fitted_zero_point, "fitted_colour_term": fitted_term,
            "colour_term": light.colour_term, "colour_curvature": light.curvature,
            "extinction_mag": truth.extinction_mag, "transparency_mag": truth.transparency_mag,
            "cloud_mag": truth.cloud_mag, "cloud_mean_mag": cloud_mag,
            "cloud_rms": truth.cloud_rms if truth.cloud_mag else 0.0,
            "fwhm_px": truth.fwhm_px, "sky_e": sky_e, "turbulence_arcsec": truth.turbulence_arcsec,
            "pointing_error_east_arcsec": truth.pointing_error_deg[0] * 3600,
            "pointing_error_north_arcsec": truth.pointing_error_deg[1] * 3600,
            "rotation_error_deg": truth.rotation_error_deg,
        }
    )  # fmt: skip


def _fitted_line(looked: View, stars: pd.DataFrame) -> tuple[float, float]:
    """Zero point [mag, DN] and colour term of the constant stars of a quadrant, by least squares without noise."""
    middling = stars.mag.between(*FITTED_MAGS) & (stars.kind == 0)
    used = stars[middling & looked.inside(stars.x_px.to_numpy(), stars.y_px.to_numpy(), 0.0)]
    if len(used) < 10:
        return np.nan, np.nan
    instrumental = -2.5 * np.log10(used.flux_e / looked.throughput.gain_e_per_adu)
    design = np.stack([np.ones(len(used)), used.colour_mag], axis=1)
    (constant, term), *_ = np.linalg.lstsq(design, used.mag - instrumental, rcond=None)
    return float(constant), float(term)


def _wcs_truth(looked: View) -> pd.DataFrame:
    """A grid of pixels with the position a star of mean colour would have there, turbulence apart."""
    ny, nx = looked.camera.quadrant_shape
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, nx - 1, 17), np.linspace(0, ny - 1, 17)))
    ra, dec = sky_position(looked.optics.sky(x, y))
    return pd.DataFrame({"x_px": x, "y_px": y, "ra_deg": ra, "dec_deg": dec})
