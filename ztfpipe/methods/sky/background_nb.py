"""Kernels of the background: where there is light or its lack, and the noise model."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def deviant(image, level, noise, limit, grow, excluded):
    """Excluded pixels, and those within `grow` px of a 3 x 3 mean more than limit * noise off the level, either way.

    Both signs, so that what is left of pure noise keeps its mean. level and noise are (ny, nx). The border counts as
    excluded in the means only.
    """
    ny, nx = image.shape
    out = excluded.copy()
    deviation = np.empty((3, nx), np.float32)
    for y in range(ny):
        # Rows y-1, y and y+1 of the normalised image, each computed once.
        first = y + 1 if y > 0 else 0
        for j in range(first, min(y + 2, ny)):
            for x in range(nx):
                d = (image[j, x] - level[j, x]) / noise[j, x]
                deviation[j % 3, x] = d if not excluded[j, x] and d == d else np.float32(0.0)
        if y == 0 or y == ny - 1:
            continue
        for x in range(1, nx - 1):
            total = np.float32(0.0)
            for j in range(3):
                total += deviation[j, x - 1] + deviation[j, x] + deviation[j, x + 1]
            if abs(total) > 9.0 * limit:
                for j in range(max(y - grow, 0), min(y + grow + 1, ny)):
                    for i in range(max(x - grow, 0), min(x + grow + 1, nx)):
                        out[j, i] = True
    return out


@njit(cache=True)
def pixel_variance(light, gain, read_noise_e, response):
    """Variance of flat-fielded pixels; light and response are (ny, nx), NaN where either is not a positive number."""
    out = np.empty_like(light)
    for y in range(light.shape[0]):
        for x in range(light.shape[1]):
            r = gain * response[y, x]
            out[y, x] = max(light[y, x], np.float32(0.0)) / r + (read_noise_e / r) ** 2 if r > 0.0 else np.nan
    return out


def warm() -> None:
    """Compile the kernels of this module."""
    image = np.ones((4, 4), np.float32)
    one = np.float32(1)
    deviant(image, image, image, one, 1, np.zeros((4, 4), np.bool_))
    pixel_variance(image, one, one, image)
    pixel_variance(image, one, one, np.broadcast_to(one, image.shape))
