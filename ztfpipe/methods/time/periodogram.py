"""Periods of light curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.timeseries import LombScargle
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Periodogram:
    """Power (n,), from 0 to 1, by frequency [1/d]; the period of the highest peak [d] and the probability that noise
    alone has one as high."""

    frequency_per_d: Floats
    power: Floats
    period_d: float
    false_alarm: float


def periodogram(
    time_d: Floats, mag: Floats, error_mag: Floats, curve: NDArray[np.int64], *, period_min_d: float = 0.05,
    samples_per_peak: int = 10, measurements_min: int = 10,
) -> Periodogram | None:  # fmt: skip
    """Lomb-Scargle periodogram of light curves (curve: which, of each measurement) that share a period, each less its
    weighted mean, with periods from period_min_d to the timespan.

    None with fewer than measurements_min measurements, or when they are all at one time. Source: Zechmeister & Kuerster
    2009 (A&A 496, 577), floating mean; false-alarm probability of Baluev 2008 (MNRAS 385, 1279).
    """
    span = np.ptp(time_d) if time_d.size else 0.0
    if time_d.size < measurements_min or span <= period_min_d:
        return None
    weight = error_mag**-2.0
    _, which = np.unique(curve, return_inverse=True)
    mean = np.bincount(which, weight * mag) / np.bincount(which, weight)
    step = 1.0 / (span * samples_per_peak)
    frequency = 1.0 / span + step * np.arange(max(int((1.0 / period_min_d - 1.0 / span) / step), 2))
    model = LombScargle(time_d, mag - mean[which], error_mag)
    power = model.power(frequency, assume_regular_frequency=True)
    best = int(np.argmax(power))
    false_alarm = model.false_alarm_probability(power[best], method="baluev", maximum_frequency=frequency[-1])
    return Periodogram(frequency, power, float(1.0 / frequency[best]), float(false_alarm))
