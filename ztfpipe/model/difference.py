"""What differencing knows: the pair that goes in, the difference that comes out, the candidates found on it.

Arrays are [y, x] on the science image's pixels; fluxes are in DN of the science image; positions are zero-based.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ztfpipe.model.stars import PsfModel

Image = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Exposed:
    """One of the two images of a difference.

    image_adu: float32 (ny, nx), background taken off; variance_adu2: of each pixel, background, read noise and the
    photons of sources, smooth enough not to follow the pixel's own noise; bad: bool (ny, nx), pixels that mean nothing
    (their image and variance are not looked at); psf: on these pixels.
    """

    image_adu: Image
    variance_adu2: Image
    bad: NDArray[np.bool_]
    psf: PsfModel


@dataclass(frozen=True)
class SmoothField:
    """A smooth function of position: sum_ij c_ij cos(pi i (x + m) / (nx + 2m)) cos(pi j (y + m) / (ny + 2m)).

    coefficients: float64 (J, I), [j, i]; margin_px: m; shape: (ny, nx); scatter: of the data about it beyond their own
    errors, one sigma; error: typical one-sigma uncertainty of the function; amplitude: its own one-sigma size.
    """

    coefficients: Floats
    margin_px: float
    shape: tuple[int, int]
    scatter: float
    error: float
    amplitude: float


@dataclass(frozen=True)
class Registration:
    """How a reference on the science image's pixels lies and shines relative to the science image.

    dx, dy: reference minus science position of the same star [px]. sigma_x_px, sigma_y_px: what is left once the
    fields are taken out: scatter from star to star beyond their errors, and error of the fields. log_ratio: natural
    logarithm of science over reference flux. flux_error: relative scatter of that ratio from star to star beyond noise.
    """

    dx: SmoothField
    dy: SmoothField
    log_ratio: SmoothField
    sigma_x_px: float
    sigma_y_px: float
    flux_ratio: float
    flux_error: float
    n_matches: int


@dataclass(frozen=True)
class Tiling:
    """The rectangles within which one PSF holds: tile (j, i) has rows y_edges[j] to y_edges[j + 1], columns alike."""

    y_edges: NDArray[np.int64]
    x_edges: NDArray[np.int64]

    def index(self, x_px: Floats, y_px: Floats) -> NDArray[np.int64]:
        """Number of the tile, j times the tiles in a row plus i, of positions; those outside belong to the nearest."""
        i = np.clip(np.searchsorted(self.x_edges, np.asarray(x_px) + 0.5, "right") - 1, 0, len(self.x_edges) - 2)
        j = np.clip(np.searchsorted(self.y_edges, np.asarray(y_px) + 0.5, "right") - 1, 0, len(self.y_edges) - 2)
        return j * (len(self.x_edges) - 1) + i

    @property
    def boxes(self) -> list[tuple[slice, slice]]:
        """Rows and columns of every tile."""
        rows = [slice(int(a), int(b)) for a, b in zip(self.y_edges[:-1], self.y_edges[1:], strict=True)]
        columns = [slice(int(a), int(b)) for a, b in zip(self.x_edges[:-1], self.x_edges[1:], strict=True)]
        return [(row, column) for row in rows for column in columns]


@dataclass(frozen=True)
class Difference:
    """A ZOGY difference, science minus reference, in DN of the science image; the negative is minus one times it.

    image_adu: D / F_D, noise white; scorr: S_corr, the significance of a new point source at each pixel, registration
    noise included; flux_adu, flux_sigma_adu: matched-filter flux S / F_S of a point source at each pixel and its sigma
    from the pixels' noise alone; all float32 (ny, nx). bad: joint mask. tiling, and per tile: psf: P_D at a pixel's
    centre, float32 (tiles, n, n), unit sum; knots, reference_knots: P_D as a PsfModel's coefficients for a source new
    in the science image and for one gone from it, float32 (tiles, M, M); noise_adu: sigma of image_adu in empty sky.
    oversampling, reference_oversampling, radius_px: of the knots. fwhm_px: of P_D at the centre. scale: factor by which
    the predicted noise of S_corr was multiplied to make its width in empty sky one.
    """

    image_adu: Image
    scorr: Image
    flux_adu: Image
    flux_sigma_adu: Image
    bad: NDArray[np.bool_]
    tiling: Tiling
    psf: Image
    knots: Image
    reference_knots: Image
    oversampling: int
    reference_oversampling: int
    radius_px: int
    noise_adu: Floats
    fwhm_px: float
    scale: float
