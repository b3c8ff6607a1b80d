"""Kernels of the streak search: sums along lines of any ends, and the best stretch of a line."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def along(image, x0, y0, x1, y1, count, out):
    """Fill out[:count] with the image at equal steps from (x0, y0) to (x1, y1), both included; bilinear, 0 outside."""
    ny, nx = image.shape
    for k in range(count):
        f = k / (count - 1.0) if count > 1 else 0.0
        x, y = x0 + f * (x1 - x0), y0 + f * (y1 - y0)
        i, j = int(np.floor(x)), int(np.floor(y))
        if i < 0 or j < 0 or i >= nx - 1 or j >= ny - 1:
            out[k] = 0.0
            continue
        a, b = x - i, y - j
        out[k] = (1 - b) * ((1 - a) * image[j, i] + a * image[j, i + 1]) + b * (
            (1 - a) * image[j + 1, i] + a * image[j + 1, i + 1]
        )


@njit(cache=True)
def line_gain(image, norm, x0, y0, x1, y1, work):
    """Signal-to-noise ratio of a streak between two points: the integral of the filtered image over its noise.

    norm: the noise of the integral over lengths 0, 1, 2, ... px.
    """
    length = np.hypot(x1 - x0, y1 - y0)
    if length > len(norm) - 2.0:
        return -1e9
    count = int(np.ceil(length)) + 1
    along(image, x0, y0, x1, y1, count, work)
    total = 0.5 * (work[0] + work[count - 1]) if count > 1 else work[0]
    for k in range(1, count - 1):
        total += work[k]
    low = int(length)
    noise = norm[low] + (length - low) * (norm[low + 1] - norm[low])
    step = length / (count - 1.0) if count > 1 else 0.0
    return total * step / noise if step > 0.0 else total / norm[0]


@njit(cache=True)
def best_shift(image, norm, ends, reach, step, work):
    """Shift both ends across the line by up to `reach` for the highest gain; returns the ends (4,) and the gain."""
    x0, y0, x1, y1 = ends
    length = np.hypot(x1 - x0, y1 - y0)
    ux, uy = -(y1 - y0) / length, (x1 - x0) / length
    best, found = -1e9, ends.copy()
    n = int(np.round(reach / step))
    for a in range(-n, n + 1):
        for b in range(-n, n + 1):
            p, q = a * step, b * step
            gain = line_gain(image, norm, x0 + p * ux, y0 + p * uy, x1 + q * ux, y1 + q * uy, work)
            if gain > best:
                best = gain
                found[0], found[1], found[2], found[3] = x0 + p * ux, y0 + p * uy, x1 + q * ux, y1 + q * uy
    return found, best


@njit(cache=True)
def best_stretch(values, step, norm, shortest):
    """First and last sample of the stretch of `values` with the highest gain, at least `shortest` samples long."""
    n = len(values)
    cumulated = np.zeros(n + 1)
    for k in range(n):
        cumulated[k + 1] = cumulated[k] + values[k]
    best, first, last = -1e9, 0, n - 1
    for a in range(n):
        for b in range(a + shortest, n):
            length = (b - a) * step
            low = int(length)
            if low + 1 >= len(norm):
                break
            total = (cumulated[b + 1] - cumulated[a] - 0.5 * (values[a] + values[b])) * step
            gain = total / (norm[low] + (length - low) * (norm[low + 1] - norm[low]))
            if gain > best:
                best, first, last = gain, a, b
    return first, last, best


@njit(cache=True)
def best_short(image, norm, x, y, lengths, angles, slides, work):
    """The best of the short lines through a point: ends (4,) and gain; slides: shares of the length ahead of it."""
    best, ends = -1e9, np.zeros(4)
    for length in lengths:
        for angle in angles:
            ux, uy = np.cos(angle), np.sin(angle)
            for slide in slides:
                x0, y0 = x - slide * length * ux, y - slide * length * uy
                gain = line_gain(image, norm, x0, y0, x0 + length * ux, y0 + length * uy, work)
                if gain > best:
                    best = gain
                    ends[0], ends[1], ends[2], ends[3] = x0, y0, x0 + length * ux, y0 + length * uy
    return ends, best


def warm() -> None:
    """Compile the kernels of this module."""
    image, norm, work = np.ones((16, 16), np.float32), np.ones(40), np.empty(64)
    along(image, 1.0, 1.0, 5.0, 5.0, 4, work)
    line_gain(image, norm, 1.0, 1.0, 5.0, 5.0, work)
    best_shift(image, norm, np.array([1.0, 1.0, 8.0, 8.0]), 1.0, 0.5, work)
    best_stretch(np.ones(9), 1.0, norm, 2)
    best_short(image, norm, 8.0, 8.0, np.array([5.0]), np.array([0.1]), np.array([0.5]), work)
