"""Galaxies: Sersic profiles convolved with the local PSF.

A galaxy is a cloud of weighted points on a grid aligned with the pixels, denser in its centre; each point is a stamp of
the PSF. Stamps are tabulated per part of the quadrant and for a few positions within the pixel: a galaxy costs little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma, gammaincinv

from ztfpipe.simulate.pixels import render_nb
from ztfpipe.simulate.pixels.render import LOST_FLUX, LOST_NOISE, Image, add_broad_component, shapes_at
from ztfpipe.simulate.scene import Floats, Galaxies, PsfField

FAINT_NOISE, BRIGHT_NOISE = 100.0, 1000.0
"""Flux [sky noise of a pixel] at which a galaxy is drawn with more care: with narrower, then with wider PSF stamps."""
CARE = ((2, 2), (4, 2), (4, 3))
"""For faint, middling and bright galaxies: positions per axis at which points may stand within a pixel of the centre,
and how far from the centre [px] pixels are cut so."""
EDGE_RADII = 8.0
"""A galaxy ends at this many half-light radii, or where it sinks into the noise."""
EDGE_NOISE = 0.03
TILES = 4
"""The quadrant is cut into TILES x TILES parts of one PSF each, for galaxies."""


def add_galaxies(light_e: Image, galaxies: Galaxies, psf: PsfField, noise_e: float) -> None:
    """Add galaxies to light_e, float32 (ny, nx), with both components of the PSF; noise_e: the sky's noise [e-]."""
    ny, nx = light_e.shape
    edge_px = edge_radius_px(galaxies, noise_e)
    inside = (galaxies.x_px > -edge_px) & (galaxies.x_px < nx + edge_px)
    inside &= (galaxies.y_px > -edge_px) & (galaxies.y_px < ny + edge_px)
    column = np.clip(galaxies.x_px * TILES / nx, 0, TILES - 1).astype(int)
    row = np.clip(galaxies.y_px * TILES / ny, 0, TILES - 1).astype(int)
    care = np.digitize(galaxies.flux_e / noise_e, (FAINT_NOISE, BRIGHT_NOISE))
    part = (row * TILES + column) * len(CARE) + care
    forms = _forms(galaxies)
    for number in np.unique(part[inside]):
        members = np.flatnonzero(inside & (part == number))
        tile, level = divmod(int(number), len(CARE))
        phases, fine_px = CARE[level]
        middle = (tile % TILES + 0.5) * nx / TILES, (tile // TILES + 0.5) * ny / TILES
        brightest = float(galaxies.flux_e[members].max()) / noise_e
        stamps = stamp_table(psf, light_e.shape, middle, brightest, phases)
        for k in members:
            at = float(galaxies.x_px[k]), float(galaxies.y_px[k])
            flux = float(galaxies.flux_e[k] * (1 - psf.halo_fraction))
            render_nb.add_galaxy(light_e, *at, flux, forms[k], fine_px, float(edge_px[k]), phases, stamps)
    add_broad_component(light_e, galaxies.x_px[inside], galaxies.y_px[inside], galaxies.flux_e[inside], psf)


def stamp_table(
    psf: PsfField, shape: tuple[int, int], position_px: tuple[float, float], flux_noise: float, phases: int
) -> NDArray[np.float32]:
    """The PSF's core at one place for sources at each of phases^2 positions within a pixel.

    flux_noise: flux of the brightest source in units of the sky's noise, which sets the stamps' size. Returns float32
    (phases^2 + 1, n, n), each of sum 1; stamp k stands for an offset of ((k % phases + 0.5) / phases - 0.5,
    (k // phases + 0.5) / phases - 0.5) pixels, the last for the pixel's centre.
    """
    at = np.array([position_px[0]]), np.array([position_px[1]])
    form = shapes_at(psf, *at, shape)
    alpha = float(np.sqrt((psf.beta - 1) / (np.pi * form[0, 0])))
    lost = np.clip(LOST_NOISE / max(flux_noise, np.finfo(float).tiny), *LOST_FLUX)
    half = int(np.ceil(alpha * np.sqrt(lost ** (1 / (1 - psf.beta)) - 1)))
    offsets = [((k % phases + 0.5) / phases - 0.5, (k // phases + 0.5) / phases - 0.5) for k in range(phases**2)]
    table = np.zeros((phases**2 + 1, 2 * half + 1, 2 * half + 1), np.float32)
    for stamp, (dx, dy) in zip(table, [*offsets, (0.0, 0.0)], strict=True):
        centre = np.array([half + dx]), np.array([half + dy])
        render_nb.add_sources(stamp, *centre, np.ones(1), form, psf.beta, np.array([2.0 * half]))
        stamp /= stamp.sum()
    return table


def _forms(galaxies: Galaxies) -> list[tuple[float, ...]]:
    """(cosine, sine, axis ratio, b, radius, 1 / n) of each galaxy."""
    angle, n = np.radians(galaxies.angle_deg), galaxies.sersic_index
    columns = np.cos(angle), np.sin(angle), galaxies.axis_ratio, gammaincinv(2 * n, 0.5), galaxies.radius_px, 1 / n
    return list(zip(*(column.tolist() for column in columns), strict=True))


def edge_radius_px(galaxies: Galaxies, noise_e: float) -> Floats:
    """Semi-major axis at which each galaxy ends: where it falls below EDGE_NOISE, at least 3 and at most EDGE_RADII
    half-light radii."""
    n = galaxies.sersic_index
    b = gammaincinv(2 * n, 0.5)
    area = 2 * np.pi * n * galaxies.radius_px**2 * galaxies.axis_ratio * gamma(2 * n) / b ** (2 * n)
    peak = galaxies.flux_e / area
    depth = np.log(np.maximum(peak / (EDGE_NOISE * noise_e), 1.0)) / b
    return galaxies.radius_px * np.clip(depth**n, 3.0, EDGE_RADII) + 1
