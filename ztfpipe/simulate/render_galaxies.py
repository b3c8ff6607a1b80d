"""Galaxies: Sersic profiles convolved with the local PSF.

A galaxy is a cloud of weighted points on a grid aligned with the pixels, denser in its centre; each point is a stamp of
the PSF. Stamps are tabulated per part of the quadrant and for a few positions within the pixel: a galaxy costs little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma, gammaincinv

from ztfpipe.simulate import render_nb
from ztfpipe.simulate.render import Image, add_broad_component, moffat_scale, quadratic, shapes_at, stamp_radius_px
from ztfpipe.simulate.scene import Floats, Galaxies, PsfField

PHASES = 4
"""Positions within a pixel, per axis, at which points of a galaxy's centre may stand."""
FINE_RADIUS_PX = 3
"""Pixels nearer to the centre than this are cut into PHASES^2 points."""
EDGE_RADII = 8.0
"""A galaxy ends at this many half-light radii, or where it sinks into the noise."""
EDGE_NOISE = 0.03
TILES = 4
"""The quadrant is cut into TILES x TILES parts of one PSF each, for galaxies."""


def add_galaxies(light_e: Image, galaxies: Galaxies, psf: PsfField, noise_e: float) -> None:
    """Add galaxies to light_e, float32 (ny, nx), with both components of the PSF; noise_e: the sky's noise [e-]."""
    if galaxies.x_px.size == 0:
        return
    ny, nx = light_e.shape
    edge_px = edge_radius_px(galaxies, noise_e)
    inside = (galaxies.x_px > -edge_px) & (galaxies.x_px < nx + edge_px)
    inside &= (galaxies.y_px > -edge_px) & (galaxies.y_px < ny + edge_px)
    column = np.clip(galaxies.x_px * TILES / nx, 0, TILES - 1).astype(int)
    row = np.clip(galaxies.y_px * TILES / ny, 0, TILES - 1).astype(int)
    for tile in np.unique((row * TILES + column)[inside]):
        stamps = stamp_table(psf, light_e.shape, (tile % TILES + 0.5) * nx / TILES, (tile // TILES + 0.5) * ny / TILES)
        members = np.flatnonzero(inside & (row * TILES + column == tile))
        for k in members:
            x, y, phase, weight = galaxy_points(galaxies, int(k), float(edge_px[k]))
            flux = galaxies.flux_e[k] * (1 - psf.halo_fraction) * weight
            render_nb.add_stamps(light_e, x, y, phase, flux, stamps)
    add_broad_component(light_e, galaxies.x_px[inside], galaxies.y_px[inside], galaxies.flux_e[inside], psf)


def stamp_table(psf: PsfField, shape: tuple[int, int], x_px: float, y_px: float) -> NDArray[np.float32]:
    """The PSF's core at one place for sources at each of PHASES^2 positions within a pixel.

    Returns float32 (PHASES^2, n, n), each of sum 1; phase k stands for an offset of ((k % PHASES + 0.5) / PHASES - 0.5,
    (k // PHASES + 0.5) / PHASES - 0.5) pixels, and the last of PHASES^2 + 1 for the pixel's centre.
    """
    alpha = moffat_scale(quadratic(psf.fwhm_px, *_unit(x_px, y_px, shape)), psf.beta)
    # Points of a galaxy are faint: the stamps of its many points together are cut where one star's would lose 1e-3.
    half = int(np.ceil(stamp_radius_px(np.float64(1.0), alpha, psf.beta, 1.0)))
    offsets = [((k % PHASES + 0.5) / PHASES - 0.5, (k // PHASES + 0.5) / PHASES - 0.5) for k in range(PHASES**2)]
    table = np.zeros((PHASES**2 + 1, 2 * half + 1, 2 * half + 1), np.float32)
    form = shapes_at(psf, np.array([x_px]), np.array([y_px]), shape)
    for stamp, (dx, dy) in zip(table, [*offsets, (0.0, 0.0)], strict=True):
        at = np.array([half + dx]), np.array([half + dy])
        render_nb.add_sources(stamp, *at, np.ones(1), form, psf.beta, np.array([2.0 * half]))
        stamp /= stamp.sum()
    return table


def galaxy_points(galaxies: Galaxies, k: int, edge_px: float) -> tuple[NDArray[np.int64], ...]:
    """Points of galaxy k within edge_px: pixel x, y, phase (see `stamp_table`), and weights, which sum to 1."""
    x0, y0 = galaxies.x_px[k], galaxies.y_px[k]
    half = int(np.ceil(edge_px))
    xi, yi = round(float(x0)), round(float(y0))
    axis = np.arange(-half, half + 1)
    gx, gy = (grid.ravel() for grid in np.meshgrid(axis, axis))
    coarse = gx * gx + gy * gy > FINE_RADIUS_PX**2
    fine = np.flatnonzero(~coarse)
    within = np.tile(np.arange(PHASES**2), fine.size)
    px = np.concatenate([gx[coarse], np.repeat(gx[fine], PHASES**2)])
    py = np.concatenate([gy[coarse], np.repeat(gy[fine], PHASES**2)])
    phase = np.concatenate([np.full(int(coarse.sum()), PHASES**2), within])
    sub_x = np.where(phase < PHASES**2, (phase % PHASES + 0.5) / PHASES - 0.5, 0.0)
    sub_y = np.where(phase < PHASES**2, (phase // PHASES + 0.5) / PHASES - 0.5, 0.0)
    area = np.where(phase < PHASES**2, 1 / PHASES**2, 1.0)
    radius = _elliptical_radius(px + sub_x + xi - x0, py + sub_y + yi - y0, galaxies, k)
    # Inside the central points the cusp of a high index is held at the radius of a point's own area.
    floor = 0.3 / PHASES if FINE_RADIUS_PX else 0.3
    n = galaxies.sersic_index[k]
    weight = area * np.exp(-gammaincinv(2 * n, 0.5) * (np.maximum(radius, floor) / galaxies.radius_px[k]) ** (1 / n))
    keep = radius < edge_px
    return px[keep] + xi, py[keep] + yi, phase[keep], weight[keep] / weight[keep].sum()


def edge_radius_px(galaxies: Galaxies, noise_e: float) -> Floats:
    """Semi-major axis at which each galaxy ends: where it falls below EDGE_NOISE, at least 3 and at most EDGE_RADII
    half-light radii."""
    n = galaxies.sersic_index
    b = gammaincinv(2 * n, 0.5)
    area = 2 * np.pi * n * galaxies.radius_px**2 * galaxies.axis_ratio * gamma(2 * n) / b ** (2 * n)
    peak = galaxies.flux_e / area
    depth = np.log(np.maximum(peak / (EDGE_NOISE * noise_e), 1.0)) / b
    return galaxies.radius_px * np.clip(depth**n, 3.0, EDGE_RADII) + 1


def _elliptical_radius(dx: Floats, dy: Floats, galaxies: Galaxies, k: int) -> Floats:
    angle = np.radians(galaxies.angle_deg[k])
    along = np.cos(angle) * dx + np.sin(angle) * dy
    across = (np.cos(angle) * dy - np.sin(angle) * dx) / galaxies.axis_ratio[k]
    return np.hypot(along, across)


def _unit(x_px: float, y_px: float, shape: tuple[int, int]) -> tuple[float, float]:
    return 2 * x_px / (shape[1] - 1) - 1, 2 * y_px / (shape[0] - 1) - 1
