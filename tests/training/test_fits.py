"""A tiny training, in the environment that has what it needs: `make test-training`."""

import os

import numpy as np
import pytest

from training.samples import Samples
from ztfpipe.methods.difference.real_bogus import FEATURES, forest_scores, forward

if not os.environ.get("ZTFPIPE_TRAINING"):
    pytest.skip("training has an environment of its own: make test-training", allow_module_level=True)

from training.fit_network import fit_network, initial
from training.fit_trees import fit_trees


@pytest.fixture(scope="module")
def samples():
    """Real ones are round and smooth, bogus ones one hot pixel; the first feature tells as much with an error."""
    rng = np.random.default_rng(2)
    count = 512
    real = rng.uniform(size=count) < 0.5
    inner = rng.standard_normal((count, 29, 29, 3), np.float32)
    y, x = np.indices((29, 29)) - 14
    inner[real, ..., 2] += 5 * np.exp(-0.5 * (x**2 + y**2))
    inner[~real, 14, 14, 2] += 12
    table = rng.standard_normal((count, len(FEATURES)), np.float32)
    table[:, 0] += 4 * real
    none = np.full(count, np.nan, np.float32)
    return Samples(
        inner.astype(np.float16), rng.standard_normal((count, 21, 21, 3)).astype(np.float16), table, real, none,
        np.where(real, "real", "hit"), np.zeros(count, np.int32), none,
    )  # fmt: skip


def test_trees_as_plain_arrays_score_as_the_model_that_was_fitted(samples):
    forest = fit_trees(samples, "test", trees=20)
    scores = forest_scores(forest, samples.features)
    # Two normals four sigma apart: 2.3 % of each are on the wrong side of the best cut; three times that is a poor fit.
    assert np.mean((scores > 0.5) == samples.real) > 1 - 3 * 0.023
    assert forest.features == FEATURES


def test_the_network_learns(samples):
    network = fit_network(samples, "test", epochs=20)
    inner, outer = (one.astype(np.float32) for one in (samples.inner, samples.outer))
    log_odds = forward(np, network.weights, inner, outer)
    assert np.mean((log_odds > 0) == samples.real) > 0.95


def test_both_arrays_give_the_same_network(samples):
    import jax.numpy as jnp

    state = initial(np.random.default_rng(1))
    views = [one[:8].astype(np.float32) for one in (samples.inner, samples.outer)]
    plain = {name: np.asarray(value) for name, value in state.items()}
    np.testing.assert_allclose(forward(jnp, state, *map(jnp.asarray, views)), forward(np, plain, *views), atol=1e-4)
