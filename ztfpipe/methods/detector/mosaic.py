"""Put the quadrants of a camera side by side, averaged down, to look at."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Tile = tuple[int, int]
"""CCD and quadrant."""


def block_mean(image: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Mean of each block of `factor` x `factor` pixels, NaN pixels left out; rows and columns over the edge dropped.

    image: (ny, nx). Returns float32 (ny // factor, nx // factor), NaN where a block has no good pixel.
    """
    ny, nx = (size // factor for size in image.shape)
    blocks = image[: ny * factor, : nx * factor].reshape(ny, factor, nx, factor)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.nanmean(blocks, axis=(1, 3), dtype=np.float64).astype(np.float32)


def tile_corners(centres_px: Mapping[Tile, tuple[float, float]], shape: tuple[int, int]) -> dict[Tile, tuple[int, int]]:
    """Zero-based (y, x) of the first pixel of each tile on the smallest canvas that holds all.

    centres_px: (x, y) of the centre of each tile on the focal plane [px]; shape: (ny, nx) of a tile.
    """
    ny, nx = shape
    # Half pixels all go up: round() would take neighbours to even numbers, one apart from where they belong.
    corners = {
        tile: (math.floor(y - (ny - 1) / 2 + 0.5), math.floor(x - (nx - 1) / 2 + 0.5))
        for tile, (x, y) in centres_px.items()
    }
    y0, x0 = min(y for y, _ in corners.values()), min(x for _, x in corners.values())
    return {tile: (y - y0, x - x0) for tile, (y, x) in corners.items()}


def assemble(
    tiles: Mapping[Tile, NDArray[np.float32]], corners: Mapping[Tile, tuple[int, int]], factor: int
) -> NDArray[np.float32]:
    """The canvas of all `corners` [px of the detector] with the averaged-down `tiles` on it, NaN elsewhere.

    tiles: float32 images of one shape, averaged down by `factor`; a tile may be missing.
    """
    ny, nx = next(iter(tiles.values())).shape
    places = {tile: (y // factor, x // factor) for tile, (y, x) in corners.items()}
    height, width = max(y for y, _ in places.values()) + ny, max(x for _, x in places.values()) + nx
    canvas = np.full((height, width), np.nan, np.float32)
    for tile, image in tiles.items():
        y, x = places[tile]
        canvas[y : y + ny, x : x + nx] = image
    return canvas
