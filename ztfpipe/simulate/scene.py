"""What a quadrant looks at during one exposure: the door between the synthetic sky and the synthetic camera.

The sky (positions, fluxes, weather) fills a `QuadrantScene`; the camera (PSF, detector, electronics) renders it.
Positions are zero-based pixels of the stored frame, fluxes are photo-electrons collected over the whole exposure
after the atmosphere's and the clouds' losses, that is, what a perfect detector would count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PointSources:
    """Stars, transients, slow asteroids: positions at mid-exposure [px] (some outside the quadrant), fluxes [e-], and
    motion over the whole exposure [px] (0 for stars)."""

    x_px: Floats
    y_px: Floats
    flux_e: Floats
    dx_px: Floats
    dy_px: Floats


@dataclass(frozen=True)
class Galaxies:
    """Extended sources: half-light radius along the major axis [px], axis ratio, angle of the major axis from +x to
    +y [deg], Sersic index."""

    x_px: Floats
    y_px: Floats
    flux_e: Floats
    radius_px: Floats
    axis_ratio: Floats
    angle_deg: Floats
    sersic_index: Floats


@dataclass(frozen=True)
class Streaks:
    """Satellites, aircraft and fast asteroids: end points [px] (may lie outside), total flux inside and outside [e-],
    Gaussian width added to the PSF [px] (aircraft are out of focus)."""

    x0_px: Floats
    y0_px: Floats
    x1_px: Floats
    y1_px: Floats
    flux_e: Floats
    width_px: Floats


@dataclass(frozen=True)
class PsfField:
    """The PSF of an exposure over one quadrant: a two-component Moffat-like family that varies smoothly.

    fwhm_px, ellipticity (e1, e2) and coma-like skewness each are coefficients of 1, u, v, u^2, uv, v^2 with u, v from
    -1 to 1 over the quadrant; beta: slope of the core's wings; halo_fraction, halo_fwhm_px: the broad second component.
    """

    fwhm_px: Floats
    e1: Floats
    e2: Floats
    skew_x: Floats
    skew_y: Floats
    beta: float
    halo_fraction: float
    halo_fwhm_px: float


@dataclass(frozen=True)
class SkyLight:
    """Sky background [e- / px over the exposure]: coefficients of 1, u, v, u^2, uv, v^2; fringe_fraction: peak
    amplitude of the fringes relative to the level (0 except in i); fringe_phase drifts slowly between exposures [rad].
    """

    level_e: Floats
    fringe_fraction: float
    fringe_phase_rad: float


@dataclass(frozen=True)
class QuadrantScene:
    """All that falls on one quadrant in one exposure."""

    stars: PointSources
    galaxies: Galaxies
    streaks: Streaks
    psf: PsfField
    sky: SkyLight
    exptime_s: float
