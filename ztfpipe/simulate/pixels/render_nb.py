"""Kernels that lay light on pixels. Each has a slow twin in tests/simulate/pixels/test_render.py."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FINE_PX, MIDDLE_PX = 4.0, 8.0
"""Pixels nearer than FINE_PX to a source are integrated with 3 x 3 Gauss-Legendre points, those nearer than MIDDLE_PX
with 2 x 2, the rest by their centre: there the wings are so flat that the error is below 1e-4 of the flux."""
TABLE_CELLS, TABLE_FROM = 4096, 0.02
"""q^beta is interpolated in a table for q above TABLE_FROM, to 2e-4 of its value at worst and 1e-6 in the core."""


@njit(cache=True)
def wing_table(beta):
    """q^beta at q = k / TABLE_CELLS, float64 (TABLE_CELLS + 2,), for linear interpolation."""
    table = np.empty(TABLE_CELLS + 2)
    for k in range(TABLE_CELLS + 2):
        table[k] = (k / TABLE_CELLS) ** beta
    return table


@njit(cache=True)
def _surface(dx, dy, shape, beta, table):
    """Skewed elliptical Moffat of unit flux at (dx, dy) pixels from its centroid; shape as in `shapes_at`."""
    peak, xx, xy, yy, skew_x, skew_y, shift_x, shift_y = shape
    px = xx * (dx + shift_x) + xy * (dy + shift_y)
    py = xy * (dx + shift_x) + yy * (dy + shift_y)
    q = 1.0 / (1.0 + px * px + py * py)
    if q < TABLE_FROM:
        wing = q**beta
    else:
        place = q * TABLE_CELLS
        cell = int(place)
        wing = table[cell] + (place - cell) * (table[cell + 1] - table[cell])
    return peak * wing * (1.0 + (skew_x * px + skew_y * py) * q)


@njit(cache=True)
def _pixel(dx, dy, shape, beta, table):
    """Integral of `_surface` over the pixel whose centre is (dx, dy) from the source."""
    distance2 = dx * dx + dy * dy
    if distance2 > MIDDLE_PX * MIDDLE_PX:
        return _surface(dx, dy, shape, beta, table)
    total = 0.0
    if distance2 > FINE_PX * FINE_PX:
        h = 0.5 / math.sqrt(3.0)
        for sy in (-h, h):
            for sx in (-h, h):
                total += _surface(dx + sx, dy + sy, shape, beta, table)
        return 0.25 * total
    h = 0.5 * math.sqrt(0.6)
    for iy in range(-1, 2):
        wy = 4.0 / 9.0 if iy == 0 else 2.5 / 9.0
        for ix in range(-1, 2):
            wx = 4.0 / 9.0 if ix == 0 else 2.5 / 9.0
            total += wx * wy * _surface(dx + ix * h, dy + iy * h, shape, beta, table)
    return total


@njit(cache=True)
def add_sources(image, x_px, y_px, flux, shapes, beta, radius_px):
    """Add point sources, each pixel-integrated within a disc of its own radius.

    image: float32 (ny, nx), changed in place; x_px, y_px, flux, radius_px: float64 (n,); shapes: float64 (n, 8), rows
    as in `shapes_at`; beta: slope of the wings.
    """
    ny, nx = image.shape
    table = wing_table(beta)
    for k in range(x_px.size):
        s = shapes[k]
        shape = (s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
        x0, y0, r, weight = x_px[k], y_px[k], radius_px[k], flux[k]
        for y in range(max(0, math.ceil(y0 - r)), min(ny - 1, math.floor(y0 + r)) + 1):
            dy = y - y0
            half = math.sqrt(max(0.0, r * r - dy * dy))
            for x in range(max(0, math.ceil(x0 - half)), min(nx - 1, math.floor(x0 + half)) + 1):
                image[y, x] += weight * _pixel(x - x0, dy, shape, beta, table)


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
def galaxy_weights(x0, y0, cosine, sine, axis_ratio, exponent, fine_px, edge_px, phases, weights):
    """Light of a Sersic profile at points on a grid aligned with the pixels.

    exponent: (b, radius, 1 / n) of exp(-b (r / radius)^(1 / n)), r along the major axis. Pixels within fine_px of the
    centre's pixel hold phases^2 points, the others one. weights: float64 (phases^2 + 1, m, m), m = 2 half + 1, set to
    the light of each point, middle pixel [half, half] being that of the centre; a point's first index is its phase as
    in `stamp_table`, the last for points in the middle of their pixels. Returns the sum.
    """
    half = weights.shape[1] // 2
    xi, yi = math.floor(x0 + 0.5), math.floor(y0 + 0.5)
    b, radius_px, power = exponent
    total = 0.0
    for j in range(-half, half + 1):
        for i in range(-half, half + 1):
            fine = i * i + j * j <= fine_px * fine_px
            cells = phases if fine else 1
            for k in range(cells * cells):
                dx = i + xi - x0 + (k % cells + 0.5) / cells - 0.5
                dy = j + yi - y0 + (k // cells + 0.5) / cells - 0.5
                along, across = cosine * dx + sine * dy, (cosine * dy - sine * dx) / axis_ratio
                r = math.hypot(along, across)
                if r > edge_px:
                    continue
                # The cusp of a high index is held at the radius of a point's own area.
                light = math.exp(-b * (max(r, 0.3 / cells) / radius_px) ** power) / (cells * cells)
                weights[k if fine else phases * phases, j + half, i + half] = light
                total += light
    return total


@njit(cache=True)
def add_galaxy(image, x0, y0, flux, form, fine_px, edge_px, phases, stamps):
    """Add one galaxy: `galaxy_weights` times stamps of the PSF.

    image: float32 (ny, nx); form: (cosine, sine, axis ratio, b, radius, 1 / n); stamps: float32 (phases^2 + 1, m, m).
    """
    ny, nx = image.shape
    half = math.ceil(edge_px)
    weights = np.zeros((phases * phases + 1, 2 * half + 1, 2 * half + 1))
    exponent = (form[3], form[4], form[5])
    total = galaxy_weights(x0, y0, form[0], form[1], form[2], exponent, fine_px, edge_px, phases, weights)
    reach = stamps.shape[1] // 2
    xi, yi = math.floor(x0 + 0.5) - half, math.floor(y0 + 0.5) - half
    for phase in range(phases * phases + 1):
        for j in range(2 * half + 1):
            y_middle = yi + j
            for i in range(2 * half + 1):
                weight = np.float32(flux * weights[phase, j, i] / total)
                x_first, x_end = max(0, xi + i - reach), min(nx, xi + i + reach + 1)
                if weight == 0 or x_first >= x_end:
                    continue
                from_column = x_first - (xi + i - reach)
                for y in range(max(0, y_middle - reach), min(ny, y_middle + reach + 1)):
                    # Slices, so that the innermost loop is one of vector instructions.
                    target = image[y, x_first:x_end]
                    stamp = stamps[phase, y - y_middle + reach, from_column:]
                    for x in range(target.size):
                        target[x] += weight * stamp[x]
