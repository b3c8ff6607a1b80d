"""Kernels of the cosmic-ray search: filter responses at bright pixels only."""

from __future__ import annotations

import numpy as np
from numba import njit

HALF = 2
"""The filters are 5 x 5."""


@njit(cache=True)
def best_response(image, noise, gain, excluded, filters, psf_error, y, x):
    """Largest significance among the filters at a pixel.

    Where a pixel of the window is excluded or outside the image, it is taken to be as bright as the window's brightest
    if that lowers the response and dark if not: what is not known never makes a ray.
    """
    ny, nx = image.shape
    n_filters = filters.shape[0]
    width = 2 * HALF + 1
    value = np.empty(width * width, np.float32)
    spread = np.empty(width * width, np.float32)
    known = np.empty(width * width, np.bool_)
    brightest = np.float32(0.0)
    for dy in range(-HALF, HALF + 1):
        for dx in range(-HALF, HALF + 1):
            j, i = y + dy, x + dx
            k = (dy + HALF) * width + dx + HALF
            inside = 0 <= j < ny and 0 <= i < nx
            known[k] = inside and not excluded[j, i]
            value[k] = image[j, i] if known[k] else np.float32(0.0)
            brightest = max(brightest, value[k])
            sigma = noise[j, i] if inside else noise[y, x]
            spread[k] = sigma * sigma
    all_known = True
    for k in range(width * width):
        if not known[k]:
            value[k] = brightest
            all_known = False
        light = max(value[k], np.float32(0.0))
        spread[k] += light / gain + (psf_error * light) ** 2
    best = np.float32(-np.inf)
    for f in range(n_filters):
        response, variance = np.float32(0.0), np.float32(0.0)
        for k in range(width * width):
            w = filters[f, k]
            if not all_known and not known[k]:
                w = min(w, np.float32(0.0))
            response += w * value[k]
            variance += w * w * spread[k]
        significance = response / np.sqrt(variance)
        if significance > best:
            best = significance
    return best


@njit(cache=True)
def _is_ridge(image, y, x):
    """Whether a pixel is not below both neighbours along some direction: no ray pixel is on a slope in all four."""
    ny, nx = image.shape
    if y == 0 or x == 0 or y == ny - 1 or x == nx - 1:
        return True
    c = image[y, x]
    return (
        (c >= image[y, x - 1] and c >= image[y, x + 1])
        or (c >= image[y - 1, x] and c >= image[y + 1, x])
        or (c >= image[y - 1, x - 1] and c >= image[y + 1, x + 1])
        or (c >= image[y - 1, x + 1] and c >= image[y + 1, x - 1])
    )


@njit(cache=True)
def mark_rays(image, noise, gain, excluded, filters, psf_error, peak_sigma, threshold, grow_threshold, max_rounds):
    """Rays, boolean (ny, nx): the most significant pixel of a neighbourhood first, and then the others without its
    help.

    A pixel is marked when its response exceeds the threshold (grow_threshold beside a marked pixel) and no response
    within two pixels is higher; it is then replaced by the median of its unmarked neighbours, and responses near it
    are taken anew. So a star beside a ray does not look sharp for the ray's sake.
    """
    ny, nx = image.shape
    rays = np.zeros((ny, nx), np.bool_)
    clean = image.copy()
    response = np.zeros((ny, nx), np.float32)
    ys, xs = _seeds(image, noise, gain, excluded, filters, psf_error, peak_sigma, threshold, response)
    for _ in range(max_rounds):
        new_y, new_x = [np.int64(0)][:0], [np.int64(0)][:0]
        for k in range(len(ys)):
            y, x = ys[k], xs[k]
            if response[y, x] > 0.0 and not rays[y, x] and _is_highest(response, y, x):
                new_y.append(y)
                new_x.append(x)
        if len(new_y) == 0:
            break
        for k in range(len(new_y)):
            rays[new_y[k], new_x[k]] = True
            response[new_y[k], new_x[k]] = 0.0
        for k in range(len(new_y)):
            clean[new_y[k], new_x[k]] = _beneath(clean, excluded, rays, new_y[k], new_x[k])
        for k in range(len(new_y)):
            y, x = new_y[k], new_x[k]
            for j in range(max(y - HALF, 0), min(y + HALF + 1, ny)):
                for i in range(max(x - HALF, 0), min(x + HALF + 1, nx)):
                    beside = abs(j - y) <= 1 and abs(i - x) <= 1
                    if rays[j, i] or excluded[j, i] or (response[j, i] <= 0.0 and not beside):
                        continue
                    limit = grow_threshold if beside or _touches(rays, j, i) else threshold
                    floor = peak_sigma * (0.5 if limit == grow_threshold else 1.0)
                    best = np.float32(0.0)
                    if image[j, i] > floor * noise[j, i]:
                        best = best_response(clean, noise, gain, excluded, filters, psf_error, j, i)
                    if best > limit:
                        if response[j, i] <= 0.0:
                            ys.append(j)
                            xs.append(i)
                        response[j, i] = best
                    else:
                        response[j, i] = 0.0
    return rays


@njit(cache=True)
def _seeds(image, noise, gain, excluded, filters, psf_error, peak_sigma, threshold, response):
    """Lists of the pixels above peak_sigma whose response exceeds the threshold; fills `response` there."""
    ny, nx = image.shape
    ys, xs = [np.int64(0)][:0], [np.int64(0)][:0]
    for y in range(ny):
        for x in range(nx):
            if image[y, x] <= peak_sigma * noise[y, x] or excluded[y, x] or not _is_ridge(image, y, x):
                continue
            best = best_response(image, noise, gain, excluded, filters, psf_error, y, x)
            if best > threshold:
                response[y, x] = best
                ys.append(y)
                xs.append(x)
    return ys, xs


@njit(cache=True)
def _is_highest(response, y, x):
    """Whether no response within two pixels is higher; of equals the first in reading order counts as the highest."""
    ny, nx = response.shape
    own = response[y, x]
    for j in range(max(y - HALF, 0), min(y + HALF + 1, ny)):
        for i in range(max(x - HALF, 0), min(x + HALF + 1, nx)):
            other = response[j, i]
            if other > own or (other == own and (j < y or (j == y and i < x))):
                return False
    return True


@njit(cache=True)
def _touches(rays, y, x):
    ny, nx = rays.shape
    for j in range(max(y - 1, 0), min(y + 2, ny)):
        for i in range(max(x - 1, 0), min(x + 2, nx)):
            if rays[j, i]:
                return True
    return False


@njit(cache=True)
def _beneath(clean, excluded, rays, y, x):
    """What lies beneath a ray: the median of the neighbours that are known and not marked, nought if there are none."""
    ny, nx = clean.shape
    around = np.empty(8, np.float32)
    n = 0
    for j in range(max(y - 1, 0), min(y + 2, ny)):
        for i in range(max(x - 1, 0), min(x + 2, nx)):
            if not rays[j, i] and not excluded[j, i]:
                around[n] = clean[j, i]
                n += 1
    return np.float32(np.median(around[:n])) if n > 0 else np.float32(0.0)


def warm() -> None:
    """Compile the kernels of this module."""
    image, known = np.ones((8, 8), np.float32), np.zeros((8, 8), np.bool_)
    filters, one = np.ones((2, (2 * HALF + 1) ** 2), np.float32), np.float32(1)
    best_response(image, image, one, known, filters, one, 4, 4)
    mark_rays(image, image, one, known, filters, one, one, one, one, 1)
