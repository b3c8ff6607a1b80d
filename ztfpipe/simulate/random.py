"""Random streams by name: the same seed and the same words give the same numbers, in any order, in any process."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *words: str | int) -> np.random.Generator:
    """A generator of its own for (seed, words), independent of every other."""
    entropy = [word & 0xFFFFFFFF if isinstance(word, int) else zlib.crc32(word.encode()) for word in (seed, *words)]
    return np.random.default_rng(entropy)
