"""How variable stars vary: magnitudes to add at a time, by kind. Everything follows from a star's own few numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ztfpipe.simulate.geometry import Floats

KINDS = ("constant", "rrlyrae", "eclipsing", "rotating", "mira", "stochastic")
"""A star's kind is an index into this."""
AMPLITUDE_BY_FILTER = {
    "rrlyrae": {"zg": 1.0, "zr": 0.71, "zi": 0.56},
    "eclipsing": {"zg": 1.0, "zr": 0.97, "zi": 0.94},
    "rotating": {"zg": 1.0, "zr": 0.8, "zi": 0.6},
    "mira": {"zg": 1.0, "zr": 0.8, "zi": 0.5},
    "stochastic": {"zg": 1.0, "zr": 0.9, "zi": 0.8},
}
"""Amplitude relative to g."""
_JD_ZERO = 2457388.5
_WAVES = 48


def draw_kinds(rng: np.random.Generator, n: int, fractions: dict[str, float]) -> NDArray[np.int8]:
    """Kind of each of `n` stars, given the fraction of each kind."""
    edges = np.cumsum([fractions.get(kind, 0.0) for kind in KINDS[1:]])
    position = np.searchsorted(edges, rng.uniform(size=n), side="right")
    return np.where(position < len(edges), position + 1, 0).astype(np.int8)


def draw_parameters(rng: np.random.Generator, kinds: NDArray[np.int8]) -> tuple[Floats, Floats, Floats]:
    """Period [d] and full amplitude in g [mag] (stochastic ones: time scale and rms), and phase (0 to 1)."""
    n = len(kinds)
    u, v = rng.uniform(size=n), rng.uniform(size=n)
    period, amplitude = np.zeros(n), np.zeros(n)
    ranges = {
        "rrlyrae": ((0.30, 0.80), (0.3, 1.2)),
        "eclipsing": ((0.25, 6.0), (0.15, 1.0)),
        "rotating": ((0.3, 40.0), (0.02, 0.25)),
        "mira": ((120.0, 450.0), (1.5, 4.0)),
        "stochastic": ((20.0, 300.0), (0.08, 0.40)),
    }
    for kind, (periods, amplitudes) in ranges.items():
        mine = kinds == KINDS.index(kind)
        period[mine] = periods[0] * (periods[1] / periods[0]) ** u[mine]
        amplitude[mine] = amplitudes[0] * (amplitudes[1] / amplitudes[0]) ** v[mine]
    return period, amplitude, rng.uniform(size=n)


def variation_mag(
    kinds: NDArray[np.int8],
    period_d: Floats,
    amplitude_mag: Floats,
    phase: Floats,
    identifiers: NDArray[np.int64],
    jd: float,
    filter_code: str,
) -> Floats:
    """Magnitudes (n,) to add to the mean of each star at a Julian date; 0 for constant ones."""
    change = np.zeros(len(kinds))
    for index, kind in enumerate(KINDS[1:], start=1):
        mine = np.flatnonzero(kinds == index)
        if len(mine) == 0:
            continue
        turns = (jd - _JD_ZERO) / period_d[mine] + phase[mine]
        shape = _stochastic(identifiers[mine], turns) if kind == "stochastic" else _SHAPES[kind](turns % 1)
        change[mine] = amplitude_mag[mine] * AMPLITUDE_BY_FILTER[kind][filter_code] * shape
    return change


def _rrlyrae(phase: Floats) -> Floats:
    """Saw tooth of unit range and zero mean: a rise of 0.15 of the period, a slowing decline."""
    rise = 0.15
    falling = np.clip(phase / (1 - rise), 0, 1) ** 0.6
    rising = 0.5 + 0.5 * np.cos(np.pi * np.clip((phase - (1 - rise)) / rise, 0, 1))
    mean = (1 - rise) / 1.6 + rise / 2
    return np.where(phase < 1 - rise, falling, rising) - mean


def _eclipsing(phase: Floats) -> Floats:
    """Two rounded eclipses, the second half as deep, out of eclipse 0."""
    away = np.minimum(phase, 1 - phase)
    return np.exp(-((away / 0.035) ** 4)) + 0.5 * np.exp(-(((phase - 0.5) / 0.035) ** 4))


def _rotating(phase: Floats) -> Floats:
    """One spot: a sine of unit range with a weaker first overtone."""
    return 0.45 * np.sin(2 * np.pi * phase) + 0.1 * np.sin(4 * np.pi * phase + 1.0)


def _mira(phase: Floats) -> Floats:
    """A skewed sine of unit range."""
    return 0.5 * np.sin(2 * np.pi * phase + 0.4 * np.sin(2 * np.pi * phase))


_SHAPES = {"rrlyrae": _rrlyrae, "eclipsing": _eclipsing, "rotating": _rotating, "mira": _mira}


def _stochastic(identifiers: NDArray[np.int64], turns: Floats) -> Floats:
    """A stationary process of unit rms and exponential correlation (a damped random walk) with time scale 1 turn.

    A sum of waves whose angular frequencies follow the process' spectrum, a Cauchy distribution; cut at 200 per turn.
    """
    values = np.empty(len(identifiers))
    for k, (identifier, turn) in enumerate(zip(identifiers, turns, strict=True)):
        rng = np.random.default_rng(int(identifier))
        frequency = np.tan(0.5 * np.pi * rng.uniform(0, 0.9968, _WAVES))
        values[k] = np.sqrt(2 / _WAVES) * np.cos(frequency * turn + rng.uniform(0, 2 * np.pi, _WAVES)).sum()
    return values
