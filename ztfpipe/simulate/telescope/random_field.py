"""Smooth Gaussian random fields as sums of waves: continuous everywhere, cheap at any set of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ztfpipe.simulate.geometry import Floats

WAVES = 64


@dataclass(frozen=True)
class RandomField:
    """A field of unit rms with several components: sum over waves of cosine and sine coefficients.

    wave_vectors: (waves, 2) [rad per unit of position]; cosine, sine: (waves, components).
    """

    wave_vectors: Floats
    cosine: Floats
    sine: Floats

    def __call__(self, x: Floats, y: Floats) -> Floats:
        """Values (components, n) at positions (n,)."""
        # Single precision is good to 1e-5 of the rms and several times faster: numpy has vector code for it.
        waves = self.wave_vectors.astype(np.float32)
        phase = np.outer(waves[:, 0], x.astype(np.float32)) + np.outer(waves[:, 1], y.astype(np.float32))
        values = self.cosine.T.astype(np.float32) @ np.cos(phase)
        values += self.sine.T.astype(np.float32) @ np.sin(phase, out=phase)
        return values.astype(float)


def draw_field(
    rng: np.random.Generator, scale: float, components: int, mixture: tuple[float, ...] = (0.5, 1, 2)
) -> RandomField:
    """A stationary, isotropic field whose correlation is the mean of exp(-r^2 / 2 (m scale)^2) over the `mixture` of m.

    The spectrum of each term is a Gaussian of width 1 / (m scale); waves of equal power and random phase.
    """
    size = scale * np.array([mixture[k % len(mixture)] for k in range(WAVES)])
    wave_vectors = rng.standard_normal((WAVES, 2)) / size[:, None]
    phase = rng.uniform(0, 2 * np.pi, (WAVES, components))
    amplitude = np.sqrt(2 / WAVES)
    return RandomField(wave_vectors, amplitude * np.cos(phase), amplitude * np.sin(phase))


def slow_series(rng: np.random.Generator, t: float, memory: float) -> float:
    """A stationary Gaussian process of unit rms and correlation length `memory`, at one time of the same unit."""
    field = draw_field(rng, memory, 1, mixture=(1.0,))
    return float(field(np.array([t]), np.zeros(1))[0, 0])
