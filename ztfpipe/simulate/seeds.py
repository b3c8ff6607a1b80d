"""Random numbers by purpose: each effect draws from a stream of its own, so that none shifts the draws of another."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Generator that depends on the seed, the purpose and the numbers (field, tile, exposure ...) alone."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])
