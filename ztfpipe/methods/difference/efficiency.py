"""Efficiency against magnitude: a logistic curve by maximum likelihood, and what noise alone lets expect."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit, ndtr

from ztfpipe.model.planted import Logistic

Floats = NDArray[np.float64]
_LEAST_OF_EACH = 5
"""Found and missed ones below which there is no step to fit."""
_FLOOR = 1e-9
_WIDTH_MAG, _WIDTH_SPREAD = 0.13, 0.7
"""Width of the step that white noise makes at a limit of five sigma, 1.0857 / 5 / 1.7, and how far, in its logarithm,
that of a survey may differ: what is assumed of it beforehand, so that few sources do not make a step of no width."""


def chance(snr: Floats, threshold: float) -> Floats:
    """Probability that a source of this signal-to-noise ratio is above the threshold: Phi(snr - threshold)."""
    return ndtr(np.asarray(snr, np.float64) - threshold)


def pull(found: NDArray[np.bool_], expected: Floats) -> float:
    """The number found less that expected, over the standard deviation of independent trials; NaN without any."""
    expected = np.asarray(expected, np.float64)
    variance = np.sum(expected * (1 - expected))
    return float((found.sum() - expected.sum()) / np.sqrt(variance)) if variance > 0 else float("nan")


def fit_logistic(mag: Floats, found: NDArray[np.bool_]) -> Logistic:
    """Fit plateau / (1 + exp((m - half) / width)) to sources found and missed, both (n,); Fisher errors.

    The plateau carries a prior of one found and half a one missed, which keeps it off one exactly, and the width one
    about that of white noise. Not converged, all NaN, with fewer than five found or five missed.
    """
    none = Logistic(*[float("nan")] * 6, False)
    mag, found = np.asarray(mag, np.float64), np.asarray(found, np.bool_)
    if min(found.sum(), (~found).sum()) < _LEAST_OF_EACH:
        return none
    middle = 0.5 * (mag[found].mean() + mag[~found].mean())

    def cost(values: Floats) -> float:
        half, log_width, plateau = values
        share = np.clip(expit(plateau) * expit((half - mag) / np.exp(log_width)), _FLOOR, 1 - _FLOOR)
        prior = np.log(expit(plateau)) + 0.5 * np.log(expit(-plateau))
        prior -= 0.5 * ((log_width - np.log(_WIDTH_MAG)) / _WIDTH_SPREAD) ** 2
        return -float(np.log(share[found]).sum() + np.log1p(-share[~found]).sum() + prior)

    start = np.array([middle, np.log(0.2), logit(0.97)])
    best = minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-6, "maxiter": 4000})
    half, width, plateau = best.x[0], np.exp(best.x[1]), expit(best.x[2])
    if not best.success or not mag.min() < half < mag.max():
        return none
    step = expit((half - mag) / width)
    share = np.clip(plateau * step, _FLOOR, 1 - _FLOOR)
    slope = plateau * step * (1 - step)
    gradient = np.stack([slope / width, slope * (mag - half) / width**2, step])
    fisher = (gradient / (share * (1 - share))) @ gradient.T
    fisher[1, 1] += 1 / (_WIDTH_SPREAD * width) ** 2
    fisher[2, 2] += 1 / plateau**2 + 0.5 / max(1 - plateau, 1e-6) ** 2
    error = np.sqrt(np.diag(np.linalg.inv(fisher)))
    return Logistic(*(float(v) for v in (half, error[0], width, error[1], plateau, error[2])), converged=True)
