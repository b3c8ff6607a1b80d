"""Low-frequency responsivity: what the screen flat gets wrong on large scales, found from stars (design document 7.5).

The sky does not light the detector as the screen does. Photometric residuals of many stars over many nights, binned and
smoothed, show the ratio; the map is divided into science pixels after the high-frequency flat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from ztfpipe.errors import Unusable
from ztfpipe.methods.statistics import MAD_TO_SIGMA

Floats = NDArray[np.float64]


def responsivity_map(
    x_px: Floats,
    y_px: Floats,
    residual_mag: Floats,
    error_mag: Floats,
    star: NDArray[np.intp],
    shape: tuple[int, int],
    *,
    cell_px: int,
    smooth_cells: float,
    clip_sigma: float = 3.0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Relative responsivity of a quadrant and its error, each (ny, nx), from photometric residuals.

    x_px, y_px: (n,) positions; residual_mag: (n,) calibrated minus catalog magnitude, the zero point of each exposure
    already taken out (positive: the star came out too faint, the pixel responds too little); error_mag: (n,);
    star: (n,) numbers from 0, equal where the star is the same: what its catalog has wrong comes back at each visit,
    and the error of the map is raised for it. Cells of `cell_px` get a clipped weighted mean. The map at a cell is a
    parabola fitted to the cells around with Gaussian weights of `smooth_cells`, so that slopes survive at the edges,
    where they are largest. Its median is 1. Raises Unusable when there are no residuals.
    """
    cells = tuple(-(-size // cell_px) for size in shape)
    row = np.clip((y_px // cell_px).astype(int), 0, cells[0] - 1)
    column = np.clip((x_px // cell_px).astype(int), 0, cells[1] - 1)
    index = row * cells[1] + column
    n_cells = cells[0] * cells[1]
    good = np.isfinite(residual_mag) & (error_mag > 0)
    if not good.any():
        raise Unusable("responsivity", "no star has a residual")
    for _ in range(5):
        weight = np.where(good, error_mag**-2.0, 0.0)
        total = np.bincount(index, weight, n_cells)
        value = np.where(good, residual_mag, 0.0)
        mean = np.bincount(index, weight * value, n_cells) / np.where(total > 0, total, 1.0)
        pull = np.abs(residual_mag - mean[index]) / error_mag
        scatter = max(1.0, MAD_TO_SIGMA * float(np.median(pull[good])))
        good = np.isfinite(residual_mag) & (error_mag > 0) & (pull <= clip_sigma * scatter)
    smooth, error = _local_parabolas(mean.reshape(cells), total.reshape(cells) / scatter**2, smooth_cells)
    about = np.where(good, (residual_mag - smooth.ravel()[index]) / np.where(good, error_mag, 1.0) ** 2, 0.0)
    error *= _repetition(about, star)
    response = _to_pixels(10 ** (-0.4 * smooth), shape, cell_px)
    response /= np.median(response)
    return response, _to_pixels(0.4 * np.log(10) * error, shape, cell_px) * response


def _repetition(weighted: Floats, star: NDArray[np.intp]) -> float:
    """How much larger the error of a weighted mean is than if each value were of another star; at least 1.

    weighted: (n,) residuals times their weights. The variance of their sum, of independent stars, is the sum over stars
    of the square of what each contributes (the cluster-robust estimate of Liang and Zeger 1986).
    """
    of_stars = np.bincount(star, weighted)
    alone = float(np.sum(weighted**2))
    return float(np.sqrt(max(1.0, np.sum(of_stars**2) / alone))) if alone > 0 else 1.0


def _local_parabolas(value: Floats, weight: Floats, sigma_cells: float) -> tuple[Floats, Floats]:
    """Value at each cell, and its error, of a second-order polynomial fitted to all cells with Gaussian weights.

    value, weight: (my, mx), weight the inverse variance of a cell, 0 where it is empty.
    """
    y, x = (axis.ravel() for axis in np.indices(value.shape, dtype=float))
    flat, weights = value.ravel(), weight.ravel()
    out, variance = np.empty(flat.size), np.empty(flat.size)
    for cell in range(flat.size):
        dx, dy = (x - x[cell]) / sigma_cells, (y - y[cell]) / sigma_cells
        near = np.exp(-0.5 * (dx**2 + dy**2))
        terms = np.stack([np.ones_like(dx), dx, dy, dx**2, dx * dy, dy**2], axis=1)
        weighted = terms * (weights * near)[:, None]
        # The pseudo-inverse: where a corner has too few filled cells for a parabola, the flattest one is taken.
        inverse = np.linalg.pinv(terms.T @ weighted, rcond=1e-8, hermitian=True)
        out[cell] = inverse[0] @ (weighted.T @ flat)
        variance[cell] = inverse[0] @ (weighted.T @ (terms * near[:, None])) @ inverse[0]
    return out.reshape(value.shape), np.sqrt(variance).reshape(value.shape)


def _to_pixels(cells: Floats, shape: tuple[int, int], cell_px: int) -> NDArray[np.float32]:
    """Cells to pixels by cubic splines, cell centres staying where they are."""
    large = zoom(cells, cell_px, order=3, mode="nearest", grid_mode=True)
    return np.ascontiguousarray(large[: shape[0], : shape[1]], dtype=np.float32)
