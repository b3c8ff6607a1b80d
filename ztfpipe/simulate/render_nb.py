"""Kernels that lay light on pixels. Each has a slow twin in tests/simulate/test_render.py."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FINE_PX, MIDDLE_PX = 4.0, 8.0
"""Pixels nearer than FINE_PX to a source are integrated with 3 x 3 Gauss-Legendre points, those nearer than MIDDLE_PX
with 2 x 2, the rest by their centre: there the wings are so flat that the error is below 1e-4 of the flux."""


@njit(cache=True)
def _surface(dx, dy, shape, beta):
    """Skewed elliptical Moffat of unit flux at (dx, dy) pixels from its centroid; shape as in `shapes_at`."""
    px = shape[1] * (dx + shape[6]) + shape[2] * (dy + shape[7])
    py = shape[2] * (dx + shape[6]) + shape[3] * (dy + shape[7])
    q = 1.0 / (1.0 + px * px + py * py)
    return shape[0] * q**beta * (1.0 + (shape[4] * px + shape[5] * py) * q)


@njit(cache=True)
def _pixel(dx, dy, shape, beta):
    """Integral of `_surface` over the pixel whose centre is (dx, dy) from the source."""
    distance2 = dx * dx + dy * dy
    if distance2 > MIDDLE_PX * MIDDLE_PX:
        return _surface(dx, dy, shape, beta)
    total = 0.0
    if distance2 > FINE_PX * FINE_PX:
        h = 0.5 / math.sqrt(3.0)
        for sy in (-h, h):
            for sx in (-h, h):
                total += _surface(dx + sx, dy + sy, shape, beta)
        return 0.25 * total
    h = 0.5 * math.sqrt(0.6)
    for iy in range(-1, 2):
        wy = 4.0 / 9.0 if iy == 0 else 2.5 / 9.0
        for ix in range(-1, 2):
            wx = 4.0 / 9.0 if ix == 0 else 2.5 / 9.0
            total += wx * wy * _surface(dx + ix * h, dy + iy * h, shape, beta)
    return total


@njit(cache=True)
def add_sources(image, x_px, y_px, flux, shapes, beta, radius_px):
    """Add point sources, each pixel-integrated within a disc of its own radius.

    image: float32 (ny, nx), changed in place; x_px, y_px, flux, radius_px: float64 (n,); shapes: float64 (n, 8), rows
    as in `shapes_at`; beta: slope of the wings.
    """
    ny, nx = image.shape
    for k in range(x_px.size):
        r = radius_px[k]
        y_first, y_last = max(0, math.ceil(y_px[k] - r)), min(ny - 1, math.floor(y_px[k] + r))
        for y in range(y_first, y_last + 1):
            dy = y - y_px[k]
            half = math.sqrt(max(0.0, r * r - dy * dy))
            x_first, x_last = max(0, math.ceil(x_px[k] - half)), min(nx - 1, math.floor(x_px[k] + half))
            for x in range(x_first, x_last + 1):
                image[y, x] += flux[k] * _pixel(x - x_px[k], dy, shapes[k], beta)


@njit(cache=True)
def deposit(grid, x_px, y_px, flux, cell_px, margin):
    """Share fluxes among the four nearest points of a coarse grid (cloud in cell).

    grid: float64, point [j, i] at pixel x = (i - margin) * cell_px, y = (j - margin) * cell_px. Sources beyond its
    edges are left out.
    """
    nj, ni = grid.shape
    for k in range(x_px.size):
        gx, gy = x_px[k] / cell_px + margin, y_px[k] / cell_px + margin
        i, j = math.floor(gx), math.floor(gy)
        if i < 0 or j < 0 or i >= ni - 1 or j >= nj - 1:
            continue
        fx, fy = gx - i, gy - j
        grid[j, i] += flux[k] * (1 - fx) * (1 - fy)
        grid[j, i + 1] += flux[k] * fx * (1 - fy)
        grid[j + 1, i] += flux[k] * (1 - fx) * fy
        grid[j + 1, i + 1] += flux[k] * fx * fy


@njit(cache=True)
def add_interpolated(image, grid, cell_px, margin, scale):
    """Add `scale` times a grid as in `deposit`, linear between its points, to image: float32 (ny, nx)."""
    for y in range(image.shape[0]):
        gy = y / cell_px + margin
        j = int(gy)
        fy = gy - j
        for x in range(image.shape[1]):
            gx = x / cell_px + margin
            i = int(gx)
            fx = gx - i
            low = grid[j, i] * (1 - fx) + grid[j, i + 1] * fx
            high = grid[j + 1, i] * (1 - fx) + grid[j + 1, i + 1] * fx
            image[y, x] += scale * (low * (1 - fy) + high * fy)


@njit(cache=True)
def add_discs(image, mask, bit, x_px, y_px, flux, inner_px, outer_px):
    """Add annuli of uniform brightness with edges one pixel soft, and set `bit` in the mask where they lie.

    image: float32, mask: uint8 (ny, nx); x_px, y_px, flux: float64 (n,); one inner and outer radius for all.
    """
    ny, nx = image.shape
    for k in range(x_px.size):
        brightness = flux[k] / (math.pi * (outer_px * outer_px - inner_px * inner_px))
        for y in range(max(0, math.ceil(y_px[k] - outer_px - 1)), min(ny - 1, math.floor(y_px[k] + outer_px + 1)) + 1):
            for x in range(
                max(0, math.ceil(x_px[k] - outer_px - 1)), min(nx - 1, math.floor(x_px[k] + outer_px + 1)) + 1
            ):
                r = math.hypot(x - x_px[k], y - y_px[k])
                share = min(1.0, max(0.0, outer_px - r + 0.5))
                if inner_px > 0:
                    share *= min(1.0, max(0.0, r - inner_px + 0.5))
                if share > 0:
                    image[y, x] += brightness * share
                    mask[y, x] |= bit


@njit(cache=True)
def add_stamps(image, x_px, y_px, phase, flux, stamps):
    """Add tabulated stamps at whole pixels: image += flux[k] * stamps[phase[k]] centred at (x_px[k], y_px[k]).

    image: float32 (ny, nx); x_px, y_px, phase: int64 (n,); flux: float64 (n,); stamps: float32 (phases, m, m), m odd.
    """
    ny, nx = image.shape
    half = stamps.shape[1] // 2
    for k in range(x_px.size):
        stamp = stamps[phase[k]]
        weight = np.float32(flux[k])
        x_first, x_last = max(0, x_px[k] - half), min(nx - 1, x_px[k] + half)
        for y in range(max(0, y_px[k] - half), min(ny - 1, y_px[k] + half) + 1):
            row = y - y_px[k] + half
            for x in range(x_first, x_last + 1):
                image[y, x] += weight * stamp[row, x - x_px[k] + half]
