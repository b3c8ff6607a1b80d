"""The numbers of the pictures: robust scatter of positions and fluxes by quadrant, magnitude and epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.figure_data import Epoch

Floats = NDArray[np.float64]
BRIGHT_MAG = (14.0, 16.0)
STEP_MAG = 0.5


def half_width(values: Floats, axis: int = -1) -> Floats:
    """Half the interval between the 16th and 84th percentile, the paper's robust RMS."""
    low, high = np.percentile(values, [16, 84], axis=axis)
    return (high - low) / 2


def robust_rms(one: Epoch, snr_min: float = 10.0) -> Floats:
    """Of right ascension and declination [mas] of a quadrant's stars above an S/N; NaN for fewer than ten."""
    chosen = one.snr > snr_min
    return half_width(one.offset_mas[:, chosen]) if chosen.sum() >= 10 else np.full(2, np.nan)


def rms_by_magnitude(one: Epoch) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Middle of bins of magnitude, robust RMS per axis [mas] (n, 2), and number of stars, where there are twenty."""
    low = np.arange(13.0, 21.5, STEP_MAG)
    inside = [(one.mag > edge) & (one.mag <= edge + STEP_MAG) for edge in low]
    full = [(edge, chosen) for edge, chosen in zip(low, inside, strict=True) if chosen.sum() >= 20]
    middle = np.array([edge + STEP_MAG / 2 for edge, _ in full])
    rms = np.array([half_width(one.offset_mas[:, chosen]) for _, chosen in full])
    return middle, rms, np.array([chosen.sum() for _, chosen in full])


@dataclass(frozen=True)
class Repeated:
    """Stars seen in at least four fifths of the epochs: true magnitude, relative standard deviation of the flux."""

    mag: Floats
    flux_rms: Floats
    epochs: int

    def bright_rms(self) -> float:
        """Median of the bright stars."""
        return float(np.median(self.flux_rms[(self.mag > BRIGHT_MAG[0]) & (self.mag < BRIGHT_MAG[1])]))


def repeated(epochs: Sequence[Epoch], code: str) -> Repeated:
    """Stars of one filter in several epochs, each epoch by its own zero point, not refined."""
    chosen = [one for one in epochs if one.code == code]
    star = np.concatenate([one.star for one in chosen])
    ratio = np.concatenate([10 ** (-0.4 * (one.calibrated_mag - one.mag)) for one in chosen])
    mag = np.concatenate([one.mag for one in chosen])
    _, first, index, count = np.unique(star, return_index=True, return_inverse=True, return_counts=True)
    mean = np.bincount(index, ratio) / count
    variance = np.bincount(index, (ratio - mean[index]) ** 2) / np.maximum(count - 1, 1)
    often = count >= max(0.8 * len(chosen), 3)
    return Repeated(mag[first][often], (np.sqrt(variance) / mean)[often], len(chosen))


def flux_rms_bins(found: Repeated) -> tuple[Floats, Floats]:
    """Middle of bins of magnitude, and the median relative scatter, where there are ten stars."""
    low = np.arange(13.5, 22.0, STEP_MAG)
    inside = [(found.mag > edge) & (found.mag <= edge + STEP_MAG) for edge in low]
    full = [
        (edge + STEP_MAG / 2, np.median(found.flux_rms[k]))
        for edge, k in zip(low, inside, strict=True)
        if k.sum() >= 10
    ]
    return np.array([edge for edge, _ in full]), np.array([value for _, value in full])


def limit_from(middle: Floats, rms: Floats) -> float:
    """Magnitude at which the scatter is a fifth of the flux, from the faintest bin below a tenth.

    Fainter stars are found often only where noise made them brighter. From there the noise is that of the sky, and the
    relative scatter grows as 10^(0.4 mag).
    """
    k = np.flatnonzero(rms < 0.1)[-1]
    return float(middle[k] + 2.5 * np.log10(0.2 / rms[k]))
