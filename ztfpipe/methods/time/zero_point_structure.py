"""Structure of an epoch's zero point that no polynomial follows: clouds, a few arc minutes across.

What the calibrators of an epoch leave of their own means is interpolated as a Gaussian process (methods.smooth_field),
whose strength they tell themselves; an epoch whose neighbouring calibrators do not agree better than distant ones has
none. Means of stars count an epoch for what it is worth: clouds must not be learned as the stars' own light.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.smooth_field import field_at, fit_leaving_out
from ztfpipe.methods.time.grouping_nb import group, group_median_sigma
from ztfpipe.model.difference import SmoothField

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
_CELLS = 10
"""Cells along a side in which neighbouring calibrators are compared."""
_RATIO = 1.6
"""Mean square of cells' means over that of single calibrators, in units of their errors: 1 without structure, with
a hundred cells to 0.14."""
_TURNS = 2
_MOST = 1500
"""Calibrators of an epoch that its structure is learned from, the best measured ones."""


@dataclass(frozen=True)
class Structure:
    """Fields [mag] to be taken off, by epoch, and each epoch's robust scatter about the solution then (n_epochs,).

    own_mag: by epoch, what the field at each star (n_stars,) owes to the star's own measurement, which is not taken off
    it: 0 for what was no calibrator there.
    """

    fields: Mapping[int, SmoothField]
    own_mag: Mapping[int, Floats]
    rms_mag: Floats


def learn_structure(
    star: Indices,
    epoch: Indices,
    x_px: Floats,
    y_px: Floats,
    level_mag: Floats,
    sigma_mag: Floats,
    *,
    n_stars: int,
    n_epochs: int,
    shape: tuple[int, int],
    scale_px: float,
    least: int,
) -> Structure:
    """Learn structure from calibrators' measurements (n,): magnitudes with zero points and polynomials taken off.

    shape: of the image; scale_px: correlation length; least: fewest calibrators of an epoch that has structure.
    """
    by_epoch = group(epoch, np.arange(epoch.size, dtype=np.int32), n_epochs)
    count = np.diff(by_epoch[0])
    field = np.zeros(level_mag.size)
    fields: dict[int, SmoothField] = {}
    own: dict[int, Floats] = {}
    rms = _spread(level_mag - _means(star, level_mag, sigma_mag**-2.0, n_stars), by_epoch)
    typical = group_median_sigma(sigma_mag, *by_epoch)[0]
    for _ in range(_TURNS):
        # The epoch's own scatter joins the errors, by how much it is beyond theirs.
        excess = np.nan_to_num(np.maximum(rms**2 - typical**2, 0.0))[epoch]
        left = level_mag - _means(star, level_mag - field, 1 / (sigma_mag**2 + excess), n_stars)
        for e in np.flatnonzero(_structured(epoch, x_px, y_px, left / sigma_mag, n_epochs, shape) & (count >= least)):
            rows = by_epoch[1][by_epoch[0][e] : by_epoch[0][e + 1]]
            best = rows[np.argsort(sigma_mag[rows], kind="stable")[:_MOST]]
            fields[int(e)], others = fit_leaving_out(
                x_px[best], y_px[best], left[best], sigma_mag[best], shape, scale_px=scale_px
            )
            field[rows] = field_at(fields[int(e)], x_px[rows], y_px[rows])
            own[int(e)] = np.zeros(n_stars)
            own[int(e)][star[best]] = field[best] - others
            field[best] = others
        rms = _spread(left - field, by_epoch)
        if not fields:
            break
    return Structure(fields, own, rms)


def _means(star: Indices, mag: Floats, weight: Floats, n_stars: int) -> Floats:
    """The weighted mean of each measurement's star, (n,)."""
    with np.errstate(invalid="ignore"):
        return (np.bincount(star, weight * mag, n_stars) / np.bincount(star, weight, n_stars))[star]


def _spread(left_mag: Floats, by_epoch: tuple[NDArray[np.int64], NDArray[np.int32]]) -> Floats:
    return group_median_sigma(left_mag, *by_epoch)[1]


def _structured(
    epoch: Indices, x_px: Floats, y_px: Floats, pull: Floats, n_epochs: int, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Whether an epoch's calibrators agree with their neighbours, (n_epochs,)."""
    ny, nx = shape
    column, row = (np.clip((_CELLS * v / n).astype(np.int64), 0, _CELLS - 1) for v, n in ((x_px, nx), (y_px, ny)))
    cell = (epoch * _CELLS + row) * _CELLS + column
    pull = np.clip(pull, -30.0, 30.0)
    size = n_epochs * _CELLS**2
    number = np.bincount(cell, minlength=size).reshape(n_epochs, -1)
    total = np.bincount(cell, pull, size).reshape(n_epochs, -1)
    one = np.bincount(epoch, pull**2, n_epochs) / np.maximum(number.sum(axis=1), 1)
    filled = number > 0
    means = np.where(filled, total**2 / np.maximum(number, 1), 0.0).sum(axis=1) / np.maximum(filled.sum(axis=1), 1)
    return means > _RATIO * one
