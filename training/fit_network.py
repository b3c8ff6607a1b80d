"""Fit the network (drb) to samples and write it as plain arrays.

The network is the one that scores, `real_bogus.forward`, handed the arrays of JAX, which knows its gradient; the steps
are Adam's (Kingma & Ba 2015, algorithm 1) with a decay of the weights, the rate falling as a cosine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from training.samples import Samples, balanced, read_samples
from ztfpipe.methods.difference.real_bogus import LAYERS, forward
from ztfpipe.model.real_bogus import Network
from ztfpipe.products.weights import write_network

EPOCHS, BATCH, RATE, DECAY = 16, 64, 2e-3, 1e-2
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_WARM_STEPS = 100
"""Over which the rate rises, or a tenth of all."""
_NOISE = 0.05
"""Added to what the network is shown, so that it leans on no single pixel."""
_DROPPED = 0.05
"""Share of samples of which one cutout is blank: an edge, a mask."""


def fit_network(samples: Samples, version: str, *, epochs: int = EPOCHS, seed: int = 1) -> Network:
    """Fit by mean log-loss, classes balanced, samples turned and mirrored at random."""
    rng = np.random.default_rng(seed)
    state = initial(rng)
    moments = (jax.tree.map(jnp.zeros_like, state), jax.tree.map(jnp.zeros_like, state))
    weight = balanced(samples)
    count = epochs * (len(samples) // BATCH)
    warm = max(1, min(_WARM_STEPS, count // 10))
    for step, (inner, outer, which) in enumerate(_batches(samples, rng, epochs), start=1):
        rate = RATE * 0.5 * (1 + np.cos(np.pi * step / count)) * min(1.0, step / warm)
        real = samples.real[which].astype(np.float32)
        state, moments, loss = _step(state, moments, inner, outer, real, weight[which], rate, step)
        if step % (len(samples) // BATCH) == 0:
            print(f"epoch {step // (len(samples) // BATCH)}: loss of its last step {float(loss):.4f}", file=sys.stderr)
    return Network(version, {name: np.asarray(value, np.float32) for name, value in state.items()})


def initial(rng: np.random.Generator) -> dict[str, Any]:
    """Weights before training: normal, of variance 2 / inputs (He et al. 2015, equation 10)."""
    state = {}
    for name, (inputs, outputs) in LAYERS.items():
        state[f"{name}_w"] = jnp.asarray(rng.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs), jnp.float32)
        state[f"{name}_b"] = jnp.zeros(outputs, jnp.float32)
    return state


def _loss(state, inner, outer, real, weight):
    log_odds = forward(jnp, state, inner, outer)
    return jnp.sum(weight * (jnp.logaddexp(0.0, log_odds) - real * log_odds)) / jnp.sum(weight)


@jax.jit
def _step(state, moments, inner, outer, real, weight, rate, step):
    """One step of Adam."""
    loss, gradient = jax.value_and_grad(_loss)(state, inner, outer, real, weight)
    first = jax.tree.map(lambda m, g: _BETA1 * m + (1 - _BETA1) * g, moments[0], gradient)
    second = jax.tree.map(lambda v, g: _BETA2 * v + (1 - _BETA2) * g * g, moments[1], gradient)

    def moved(value, m, v):
        m, v = m / (1 - _BETA1**step), v / (1 - _BETA2**step)
        return value - rate * (m / (jnp.sqrt(v) + _EPSILON) + DECAY * value)

    return jax.tree.map(moved, state, first, second), (first, second), loss


def _batches(samples: Samples, rng: np.random.Generator, epochs: int) -> Iterator[tuple[NDArray, NDArray, NDArray]]:
    """Both views of BATCH samples in random order and posture, and which they are."""
    for _ in range(epochs):
        order = rng.permutation(len(samples))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            which = order[start : start + BATCH]
            turn, mirror = int(rng.integers(4)), bool(rng.integers(2))
            views = [np.rot90(one[which].astype(np.float32), turn, (1, 2)) for one in (samples.inner, samples.outer)]
            views = [one[:, ::-1] if mirror else one for one in views]
            blank = np.flatnonzero(rng.uniform(size=BATCH) < _DROPPED)
            plane = rng.integers(0, 2, len(blank))
            for one in views:
                one += _NOISE * rng.standard_normal(one.shape, np.float32)
                one[blank, :, :, plane] = 0
            yield *map(np.ascontiguousarray, views), which


def main() -> None:
    """Fit and write drb_VERSION.npz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path, nargs="+")
    parser.add_argument("--version", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    asked = parser.parse_args()
    write_network(asked.folder, fit_network(read_samples(asked.samples), asked.version, epochs=asked.epochs))


if __name__ == "__main__":
    main()
