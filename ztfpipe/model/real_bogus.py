"""What tells real candidates from bogus ones: a forest of trees, a convolutional network, and the scores they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.columns import Column


@dataclass(frozen=True)
class Forest:
    """Boosted decision trees, all nodes in one row of arrays (nodes,); the log of the odds is `base` plus what the
    leaves give.

    roots: (trees,) first node of each tree; feature: place in `features` that a node asks for; threshold: values up to
    it go to `left`, others to `right`, nodes by number; a leaf is its own left and right; value: what a leaf gives;
    depth: questions from a root to the deepest leaf.
    """

    version: str
    features: tuple[str, ...]
    base: float
    roots: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float32]
    depth: int


@dataclass(frozen=True)
class Network:
    """A convolutional network by the names of its layers: `NAME_w` (inputs, outputs) and `NAME_b` (outputs,), float32.

    The inputs of a convolution are rows, columns and planes of its square, in this order.
    """

    version: str
    weights: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Scorers:
    """The classifiers in force."""

    forest: Forest
    network: Network


SCORE_COLUMNS = (
    Column("rb", "f4", "", "Score of the trees on the features, 0 bogus to 1 real"),
    Column("rbversion", "str", "", "Version of the trees"),
    Column("drb", "f4", "", "Score of the network on the cutouts, 0 bogus to 1 real"),
    Column("drbversion", "str", "", "Version of the network"),
)
