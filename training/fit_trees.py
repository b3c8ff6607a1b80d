"""Fit the trees (rb) to samples and write them as plain arrays."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier

from training.samples import Samples, balanced, read_samples
from ztfpipe.methods.difference.real_bogus import FEATURES
from ztfpipe.model.real_bogus import Forest
from ztfpipe.products.weights import write_forest

TREES, DEPTH, LEARNING_RATE, SHARE, LEAF = 150, 5, 0.1, 0.5, 15


def fit_trees(samples: Samples, version: str, *, trees: int = TREES, seed: int = 1) -> Forest:
    """Gradient boosting (Friedman 2001) of the log-loss, each tree on half of the samples."""
    model = GradientBoostingClassifier(
        n_estimators=trees, max_depth=DEPTH, learning_rate=LEARNING_RATE, subsample=SHARE, min_samples_leaf=LEAF,
        random_state=seed,
    )  # fmt: skip
    weight = balanced(samples)
    model.fit(samples.features, samples.real, sample_weight=weight)
    prior = float(np.average(samples.real, weights=weight))
    return _plain([one.tree_ for one in model.estimators_[:, 0]], float(np.log(prior / (1 - prior))), version)


def _plain(trees: list, base: float, version: str) -> Forest:
    """All nodes in one row of arrays."""
    counts = [tree.node_count for tree in trees]
    first = np.cumsum([0, *counts[:-1]])

    def nodes(tree, start: int, side: str) -> NDArray:
        child = getattr(tree, side)
        return np.where(child < 0, np.arange(tree.node_count), child) + start

    starts = list(zip(trees, first, strict=True))
    return Forest(
        version=version,
        features=FEATURES,
        base=base,
        roots=first.astype(np.int32),
        feature=np.concatenate([np.maximum(tree.feature, 0) for tree in trees]).astype(np.int16),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        left=np.concatenate([nodes(tree, start, "children_left") for tree, start in starts]).astype(np.int32),
        right=np.concatenate([nodes(tree, start, "children_right") for tree, start in starts]).astype(np.int32),
        value=np.concatenate([LEARNING_RATE * tree.value[:, 0, 0] for tree in trees]).astype(np.float32),
        depth=max(tree.max_depth for tree in trees),
    )


def main() -> None:
    """Fit and write rb_VERSION.npz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path, nargs="+")
    parser.add_argument("--version", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args()
    write_forest(asked.folder, fit_trees(read_samples(asked.samples), asked.version))


if __name__ == "__main__":
    main()
