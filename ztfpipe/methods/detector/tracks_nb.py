"""Kernels of the track search: binning, the fast discrete Radon transform, and drawing thick lines."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def binned_significance(residual, noise, excluded, bin_px, limit):
    """Significance of the light in each bin of bin_px x bin_px, clipped to +-limit; 0 where under half is known."""
    ny, nx = residual.shape[0] // bin_px, residual.shape[1] // bin_px
    out = np.zeros((ny, nx), np.float32)
    for y in range(ny):
        for x in range(nx):
            total, n = np.float32(0.0), 0
            for j in range(y * bin_px, (y + 1) * bin_px):
                for i in range(x * bin_px, (x + 1) * bin_px):
                    if not excluded[j, i]:
                        total += residual[j, i] / noise[j, i]
                        n += 1
            if 2 * n >= bin_px * bin_px:
                value = total / np.sqrt(np.float32(n))
                if value == value:
                    out[y, x] = min(max(value, -limit), limit)
    return out


@njit(cache=True)
def strongest_lines(image, sigma, first_level, threshold):
    """The most significant line of each length among those that rise by 0 to 45 degrees towards larger x.

    Fast discrete Radon transform (Brady 1998): sums over strips of 2^k columns for all rises 0 to 2^k - 1, from two
    strips of half the width. image: (ny, nx) of independent values of scatter sigma. Returns rows (significance, x0,
    y0, x1, y1) [px], one per level from first_level on, significance nought where nothing exceeds the threshold.
    """
    ny, nx = image.shape
    levels = 0
    while (1 << levels) < nx:
        levels += 1
    n = 1 << levels
    height = ny + n
    # Rows start n below the image, so that lines may enter through its lower edge. Sums are at
    # [strip * rises + rise, y].
    old = np.zeros((n, height), np.float32)
    for x in range(nx):
        for y in range(ny):
            old[x, y + n] = image[y, x]
    new = np.zeros((n, height), np.float32)
    best = np.zeros((levels + 1, 5))
    for level in range(1, levels + 1):
        half, width = 1 << (level - 1), 1 << level
        for strip in range(n // width):
            if strip * width >= nx:
                break
            for rise in range(width):
                left = old[strip * width + rise // 2]
                right = old[strip * width + half + rise // 2]
                up = (rise + 1) // 2
                row = new[strip * width + rise]
                row[: height - up] = left[: height - up] + right[up:]
                row[height - up :] = left[height - up :]
            if level >= first_level:
                _look(new, strip, width, n, nx, ny, sigma, threshold, best[level])
        old, new = new, old
    return best[first_level:]


@njit(cache=True)
def _look(sums, strip, width, n, nx, ny, sigma, threshold, best):
    """Keep in `best` the most significant line of a strip if it exceeds what is there and the threshold."""
    columns = min(width, nx - strip * width)
    for rise in range(width):
        row = sums[strip * width + rise]
        # A line inside the image has all its columns; only promising sums deserve the exact count.
        promising = max(threshold, best[0]) * sigma
        for y in range(n - rise, n + ny):
            value = row[y]
            if value * value <= promising * promising * 8.0 or value <= 0.0:
                continue
            slope = rise / (width - 1.0)
            bottom, top = np.float64(y - n), y - n + slope * (columns - 1)
            inside = columns * 1.0
            if slope > 0.0:
                if bottom < 0.0:
                    inside -= -bottom / slope
                if top > ny - 1.0:
                    inside -= (top - (ny - 1.0)) / slope
            if inside < 8.0:
                continue
            significance = value / (sigma * np.sqrt(inside))
            if significance > threshold and significance > best[0]:
                best[0] = significance
                best[1], best[2] = strip * width, bottom
                best[3], best[4] = strip * width + columns - 1, top


@njit(cache=True)
def draw_segment(mask, x0, y0, x1, y1, half_width):
    """Set pixels (in place) within half_width of the segment between two points [px], ends squared off."""
    ny, nx = mask.shape
    dx, dy = x1 - x0, y1 - y0
    length = np.sqrt(dx * dx + dy * dy)
    if length == 0.0:
        return
    ux, uy = dx / length, dy / length
    for y in range(max(int(min(y0, y1) - half_width), 0), min(int(max(y0, y1) + half_width) + 2, ny)):
        # On this row |(x - x0) uy - (y - y0) ux| <= half_width bounds x, unless the line is level.
        low, high = 0, nx - 1
        if abs(uy) > 1e-9:
            a = x0 + ((y - y0) * ux - half_width) / uy
            b = x0 + ((y - y0) * ux + half_width) / uy
            low, high = max(int(np.floor(min(a, b))), 0), min(int(np.ceil(max(a, b))), nx - 1)
        for x in range(low, high + 1):
            along = (x - x0) * ux + (y - y0) * uy
            across = (x - x0) * uy - (y - y0) * ux
            if 0.0 <= along <= length and abs(across) <= half_width:
                mask[y, x] = True


def warm() -> None:
    """Compile the kernels of this module."""
    image, mask = np.zeros((16, 16), np.float32), np.zeros((16, 16), np.bool_)
    binned_significance(image, np.ones_like(image), mask, 4, np.float32(5))
    strongest_lines(image, 1.0, 1, 5.0)
    draw_segment(mask, 1.0, 1.0, 5.0, 4.0, 1.0)
