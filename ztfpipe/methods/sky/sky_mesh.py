"""A coarse map of an image's sky and noise from 3 x 3 pixels joined: what each input of a co-addition needs.

`background.estimate` gives full-size maps for photometry. A co-add of forty images needs a map of a few hundred nodes
of each, in a tenth of the time. Means of 3 x 3 pixels show faint stars, which are left out of a second pass.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, generic_filter

from ztfpipe.methods.sky import sky_mesh_nb

Image = NDArray[np.float32]
Mask = NDArray[np.uint16]
Floats = NDArray[np.float64]

_CLIP = 3.0
_DEVIANT = 3.6
_LEAST_SAMPLES = 50


@dataclass(frozen=True)
class SkyMesh:
    """Sky level and noise (1 sigma of a pixel) at nodes, in the unit of the image.

    level, noise: float64 (gy, gx); x_px, y_px: zero-based columns (gx,) and rows (gy,) of the nodes. Both are bilinear
    between nodes, and go on as they were beyond the outermost.
    """

    level: Floats
    noise: Floats
    x_px: Floats
    y_px: Floats

    def noise_at(self, x_px: Floats, y_px: Floats) -> Floats:
        """Noise at positions of any shape."""
        return _bilinear(self.noise, self.x_px, self.y_px, x_px, y_px)

    def level_at(self, x_px: Floats, y_px: Floats) -> Floats:
        """Sky level at positions of any shape."""
        return _bilinear(self.level, self.x_px, self.y_px, x_px, y_px)


def flat_sky(level: float, noise: float) -> SkyMesh:
    """The same sky and noise everywhere."""
    return SkyMesh(np.array([[level]]), np.array([[noise]]), np.zeros(1), np.zeros(1))


def measure_sky(image: Image, mask: Mask, *, excluded_bits: int = 0xFFFF, mesh_px: int = 256) -> SkyMesh:
    """Sky and noise of an image (ny, nx) in cells of about mesh_px.

    Pixels with one of excluded_bits, or not finite, are left out. The level of a cell is that of the means of its
    squares of 3 x 3, its noise the scatter of their middle pixels: clipped at 3 sigma until nothing changes, the mode
    as 2.5 median - 1.5 mean (Bertin and Arnouts 1996, section 7.1), the median where the two differ by more than 0.3
    sigma, and the noise for what the clip took off it. A second pass leaves out squares that deviate from the first by
    more than 3.6 sigma, either way, and those beside them. Cells with fewer than 50 squares take the values of their
    neighbours; every node is the median of 3 x 3. All NaN when no cell has enough.
    """
    means, middles = sky_mesh_nb.squares(image, mask, np.uint16(excluded_bits))
    cells = tuple(np.linspace(0, n, max(1, round(3 * n / mesh_px)) + 1).astype(int) for n in means.shape)
    level, scatter = _cells(means, cells)
    nodes = [(edges[:-1] + edges[1:] - 1) / 2.0 for edges in cells]
    first = SkyMesh(_smoothed(level), _smoothed(scatter), nodes[1], nodes[0])
    deviation = without_sky(means, first, 0, 1.0)
    rows, columns = (np.repeat(np.arange(len(e) - 1), np.diff(e)) for e in cells)
    deviant = np.abs(deviation) > _DEVIANT * first.noise[rows][:, columns]
    near = binary_dilation(deviant, np.ones((3, 3), bool))
    means[near], middles[near] = np.nan, np.nan
    level, (_, noise) = _cells(means, cells)[0], _cells(middles, cells)
    # The middle of square k is pixel 3 k + 1.
    return SkyMesh(_smoothed(level), _smoothed(noise), 3 * nodes[1] + 1, 3 * nodes[0] + 1)


def _cells(squares: Image, edges: tuple[NDArray[np.int64], ...]) -> tuple[Floats, Floats]:
    """Clipped mode and scatter of each cell of known values; NaN where there are too few."""
    rows, columns = edges
    level = np.full((len(rows) - 1, len(columns) - 1), np.nan)
    noise = level.copy()
    for j, i in np.ndindex(*level.shape):
        values = squares[rows[j] : rows[j + 1], columns[i] : columns[i + 1]]
        values = values[np.isfinite(values)]
        if values.size >= _LEAST_SAMPLES:
            level[j, i], noise[j, i] = _clipped(np.sort(values).astype(np.float64))
    return level, noise


def without_sky(image: Image, sky: SkyMesh, first_row: int, scale: float) -> Image:
    """Rows of an image (n, nx), from first_row on, less the sky, times `scale`."""
    rows = first_row + np.arange(image.shape[0], dtype=np.float64)
    along = sky.level_at(*np.meshgrid(sky.x_px, rows))
    return sky_mesh_nb.subtract(image, along, sky.x_px, np.float32(scale))


def _clipped(values: Floats) -> tuple[float, float]:
    """Mode and standard deviation of sorted values, clipped about the median until nothing changes."""
    centred = values - values[values.size // 2]
    sums = np.concatenate([[0.0], np.cumsum(centred)])
    squares = np.concatenate([[0.0], np.cumsum(centred**2)])
    first, last = 0, values.size
    while True:
        n = last - first
        mean = (sums[last] - sums[first]) / n
        sigma = math.sqrt(max((squares[last] - squares[first]) / n - mean**2, 0.0))
        median = (centred[(first + last) // 2] + centred[(first + last - 1) // 2]) / 2
        low, high = np.searchsorted(centred, (median - _CLIP * sigma, median + _CLIP * sigma))
        if high - low < 3 or (max(low, first), min(high, last)) == (first, last):
            break
        first, last = max(low, first), min(high, last)
    crowded = abs(mean - median) > 0.3 * sigma
    mode = median if crowded else 2.5 * median - 1.5 * mean
    return float(values[values.size // 2] + mode), sigma / _sigma_kept()


@functools.cache
def _sigma_kept() -> float:
    """What repeated clipping leaves of a normal distribution's standard deviation: a fixed point, 0.985 at 3 sigma."""
    kept = 1.0
    for _ in range(50):
        c = _CLIP * kept
        inside = math.erf(c / math.sqrt(2))
        kept = math.sqrt(1.0 - 2 * c * math.exp(-c * c / 2) / math.sqrt(2 * math.pi) / inside)
    return kept


def _smoothed(nodes: Floats) -> Floats:
    """Median of 3 x 3 nodes without those unknown, outwards until none is unknown; all NaN stays so."""
    if np.isnan(nodes).all():
        return nodes
    out = _nanmedians(nodes)
    while np.isnan(out).any():
        out = np.where(np.isnan(out), _nanmedians(out), out)
    return out


def _nanmedians(nodes: Floats) -> Floats:
    def median(values: Floats) -> float:
        known = values[np.isfinite(values)]
        return float(np.median(known)) if known.size else np.nan

    # Mirrored with the opposite sign, a slope goes on beyond the edge and its median there is unbiased.
    padded = np.pad(nodes, 1, mode="reflect", reflect_type="odd") if min(nodes.shape) > 1 else np.pad(nodes, 1, "edge")
    return generic_filter(padded, median, size=3)[1:-1, 1:-1]


def _bilinear(nodes: Floats, node_x: Floats, node_y: Floats, x_px: Floats, y_px: Floats) -> Floats:
    j, g = _interval(node_y, y_px)
    i, f = _interval(node_x, x_px)
    below = nodes[j, i] * (1 - f) + nodes[j, np.minimum(i + 1, len(node_x) - 1)] * f
    j = np.minimum(j + 1, len(node_y) - 1)
    above = nodes[j, i] * (1 - f) + nodes[j, np.minimum(i + 1, len(node_x) - 1)] * f
    return below * (1 - g) + above * g


def _interval(nodes: Floats, positions: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The node before each position, the last but one for all beyond, and how far it is on the way to the next."""
    before = np.clip(np.searchsorted(nodes, positions, side="right") - 1, 0, max(len(nodes) - 2, 0))
    step = nodes[np.minimum(before + 1, len(nodes) - 1)] - nodes[before]
    return before, np.where(step > 0, (positions - nodes[before]) / np.where(step > 0, step, 1.0), 0.0)
