"""Scores of candidates: boosted trees on their features (rb), a convolutional network on their three cutouts (drb).

The network sees a candidate twice: the middle of the cutouts pixel by pixel, where a PSF, a dipole or a hit is told,
and the whole of them in blocks of 3 x 3 pixels, where streaks, ghosts and halos are. For a candidate of negative sign
science and reference change places, and packets hold the difference with its sign turned: the first cutout is always
the one with more light.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztfpipe.methods.difference.cutouts import SIZE_PX
from ztfpipe.methods.statistics import MAD_TO_SIGMA
from ztfpipe.model.candidates import Cutouts
from ztfpipe.model.difference import Candidates
from ztfpipe.model.real_bogus import Forest, Network

Floats = NDArray[np.float32]
FEATURES = (
    "scorr", "snr", "chipsf", "converged", "magdiff", "bigdiff", "sky", "seeratio", "classtar", "aimagerat",
    "bimagerat", "elong", "mindtoedge", "nneg", "nbad", "sumrat", "dsnrms", "ssnrms", "dsratio", "isdiffpos",
)  # fmt: skip
"""What the trees are asked, in this order: columns of a candidate, made free of magnitudes and zero points."""
MIDDLE_PX, BLOCK_PX = 29, 3
"""Side of what the network sees pixel by pixel; side of the blocks in which it sees the whole cutout."""
_UNKNOWN = -99.0
_EDGE_MAX_PX = 50.0
_EMPTY_ADU = 1e30
"""Beyond this a pixel of a packet is a filler."""
_BATCH = 128
_THIN = 2


def features(found: Candidates) -> Floats:
    """Features of candidates, float32 (n, len(FEATURES)); what is not finite is -99."""
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = (
            found.scorr, found.flux_adu / found.sigma_flux_adu, found.chi, found.converged,
            found.aperture_mag - found.mag, found.big_aperture_mag - found.aperture_mag,
            found.sky_adu / found.sigma_flux_adu, found.seeing_ratio, found.stellarity, found.major_px / found.fwhm_px,
            found.minor_px / found.fwhm_px, found.major_px / found.minor_px,
            np.minimum(found.edge_distance_px, _EDGE_MAX_PX), found.negative_pixels, found.bad_pixels, found.sum_ratio,
            found.d_over_rms, found.s_over_rms, found.d_over_rms / found.s_over_rms, found.positive,
        )  # fmt: skip
    table = np.stack([np.asarray(column, np.float32) for column in columns], axis=1)
    return np.where(np.isfinite(table), table, np.float32(_UNKNOWN))


def forest_scores(forest: Forest, table: Floats) -> Floats:
    """Scores float32 (n,) of features (n, features): 1 / (1 + exp(-(base + sum over trees)))."""
    node = np.broadcast_to(forest.roots, (len(table), len(forest.roots)))
    row = np.arange(len(table))[:, None]
    for _ in range(forest.depth):
        low = table[row, forest.feature[node]] <= forest.threshold[node]
        node = np.where(low, forest.left[node], forest.right[node])
    return probability(forest.base + forest.value[node].sum(axis=1, dtype=np.float64))


def network_scores(network: Network, cutouts: Cutouts, positive: NDArray[np.bool_]) -> Floats:
    """Scores float32 (n,) of the cutouts of candidates, as packets hold them: the difference of a candidate of negative
    sign has its sign turned, so that the candidate is bright; NaN and fillers beyond 1e30 are unknown pixels."""
    out = np.empty(len(cutouts), np.float32)
    for start in range(0, len(out), _BATCH):
        part = slice(start, start + _BATCH)
        some = Cutouts(cutouts.science[part], cutouts.template[part], cutouts.difference[part])
        inner, outer = views(planes(some, positive[part]))
        out[part] = probability(network_log_odds(network, inner, outer))
    return out


def network_log_odds(network: Network, inner: NDArray, outer: NDArray) -> NDArray[np.float64]:
    """Log of the odds (n,) of both views of candidates, (n, 29, 29, 3) and (n, 21, 21, 3)."""
    return forward(np, network.weights, inner.astype(np.float32), outer.astype(np.float32)).astype(np.float64)


def planes(cutouts: Cutouts, positive: NDArray[np.bool_]) -> Floats:
    """What the network is shown, float32 (n, 63, 63, 3): the image with more light, the other, the difference.

    Each is asinh of its pixels above their median in units of their robust scatter; unknown pixels are nought.
    """
    turned = ~np.asarray(positive, bool)[:, None, None]
    more = np.where(turned, cutouts.template, cutouts.science)
    less = np.where(turned, cutouts.science, cutouts.template)
    return np.stack([_levelled(one) for one in (more, less, cutouts.difference)], axis=-1)


def views(shown: Floats) -> tuple[Floats, Floats]:
    """The middle of planes (n, 63, 63, 3) and the whole in blocks: float32 (n, 29, 29, 3) and (n, 21, 21, 3)."""
    first = (SIZE_PX - MIDDLE_PX) // 2
    middle = slice(first, first + MIDDLE_PX)
    blocks = SIZE_PX // BLOCK_PX
    outer = shown.reshape(-1, blocks, BLOCK_PX, blocks, BLOCK_PX, shown.shape[-1]).mean(axis=(2, 4))
    return np.ascontiguousarray(shown[:, middle, middle]), outer


def forward(xp: ModuleType, weights: Mapping[str, Any], inner: Any, outer: Any) -> Any:
    """The network: log of the odds (n,) of both views. xp: the module whose arrays these are, numpy's or one like it
    that can differentiate, so that the network that is trained is the one that scores."""

    def layer(name: str, values: Any) -> Any:
        return values @ weights[f"{name}_w"] + weights[f"{name}_b"]

    def convolved(name: str, values: Any) -> Any:
        rows, columns = values.shape[1] - 2, values.shape[2] - 2
        squares = [values[:, j : j + rows, i : i + columns] for j in range(3) for i in range(3)]
        return xp.maximum(layer(name, xp.concatenate(squares, axis=-1)), 0)

    near = _pooled(convolved("near2", convolved("near1", inner)))
    near = _pooled(convolved("near3", near))
    far = _pooled(convolved("far1", outer))
    far = _pooled(convolved("far2", far))
    seen = xp.concatenate([near.reshape(near.shape[0], -1), far.reshape(far.shape[0], -1)], axis=1)
    return layer("out", xp.maximum(layer("dense", seen), 0))[:, 0]


LAYERS = {
    "near1": (27, 12), "near2": (108, 16), "near3": (144, 24), "far1": (27, 8), "far2": (72, 12),
    "dense": (5 * 5 * 24 + 3 * 3 * 12, 32), "out": (32, 1),
}  # fmt: skip
"""Inputs and outputs of the layers of `forward`."""


def _pooled(values: Any) -> Any:
    """The largest of each 2 x 2 pixels; a last odd row or column is dropped."""
    n, rows, columns, planes_ = values.shape
    even = values[:, : rows // 2 * 2, : columns // 2 * 2]
    return even.reshape(n, rows // 2, 2, columns // 2, 2, planes_).max(axis=(2, 4))


def _levelled(stamps: Floats) -> Floats:
    """asinh((pixel - median) / scatter) of stamps (n, 63, 63); nought where unknown."""
    known = np.abs(stamps) < _EMPTY_ADU  # NaN is not
    values = np.where(known, stamps, np.float32(np.nan))
    some = values[:, ::_THIN, ::_THIN].reshape(len(values), -1)
    level = _middle(some)
    scatter = MAD_TO_SIGMA * _middle(np.abs(some - level[:, None]))
    scaled = (values - level[:, None, None]) / np.where(scatter > 0, scatter, np.inf)[:, None, None]
    return np.where(known, np.arcsinh(scaled), 0).astype(np.float32)


def _middle(values: Floats) -> Floats:
    """Median of what is known in rows, 0 where nothing is."""
    values = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(values).sum(axis=1)
    middle = values[np.arange(len(values)), np.maximum(count - 1, 0) // 2]
    return np.where(count > 0, middle, np.float32(0))


def probability(log_odds: NDArray) -> Floats:
    """1 / (1 + exp(-log_odds)), which overflows nowhere."""
    return (0.5 * (1 + np.tanh(0.5 * log_odds))).astype(np.float32)
