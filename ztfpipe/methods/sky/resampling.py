"""Resampling of an image onto another pixel grid: Lanczos interpolation, distortion taken out, flux conserved.

`pixel_mapping` works out once where the pixels of the output lie on the input, as a polynomial that stands for both
projections. `resample` fills the defects of the input from their neighbours, so that a bad pixel is no number that a
kernel could spread, and then interpolates any band of output rows, alone and to the same bits as all at once. Mask bits
go to every output pixel whose kernel has the defect under its core.

The kernel is Lanczos' of order 3 along either axis, L(t) = sinc(t) sinc(t/3) for |t| < 3 (Duchon 1979, J. Appl.
Meteorol. 18, 1016), divided by its sum over the six pixels, so that a constant stays a constant. The kernel follows the
axes of the input; a pixel's rotation on the scale of a kernel does not matter for a band-limited image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev, polynomial
from numpy.typing import NDArray

from ztfpipe.methods.sky import projection, resampling_nb
from ztfpipe.model.wcs import TpvWcs

Image = NDArray[np.float32]
Mask = NDArray[np.uint16]
Floats = NDArray[np.float64]

MARGIN_PX = resampling_nb.REACH + resampling_nb.FILL_PX
"""Rows of the input beyond those a kernel is centred on that a band needs: the kernel's reach, and the filling's."""
_DEGREES = (7, 11, 15)


@dataclass(frozen=True)
class PixelMapping:
    """Where the pixel centres of an output grid lie on an input image, and how many input pixels one of them covers.

    shape_out, shape_in: (rows, columns); box: the part of the output that can touch the input, half open
    (first row, end row, first column, end column), empty when they do not meet. coefficients: (3, degree + 1,
    degree + 1) of x_in, y_in and area in powers of the output's row (axis 1) and column (axis 2), both mapped from the
    box to [-1, 1]. error_px: the largest difference from the projections at points between the nodes.
    """

    shape_out: tuple[int, int]
    shape_in: tuple[int, int]
    box: tuple[int, int, int, int]
    coefficients: Floats
    error_px: float

    def __call__(self, x_px: Floats, y_px: Floats) -> tuple[Floats, Floats, Floats]:
        """x and y on the input and the area in input pixels, at zero-based positions of the output, of any shape."""
        v, u = (_unit(p, *self.box[k : k + 2]) for p, k in ((y_px, 0), (x_px, 2)))
        x, y, area = (polynomial.polyval2d(v, u, c) for c in self.coefficients)
        return x, y, area


@dataclass(frozen=True)
class Resampled:
    """A band of an output grid.

    image: float32 (rows, columns), unit of the input; NaN where the output lies off the input, and where it was asked
    to be blank. mask: uint16, the input's bits under the kernel's core. noise: float32, the standard deviation of a
    pixel over that of an input pixel, for white noise: at most one times the pixel area, as averaging makes neighbours
    share their noise (`noise_correlation`); NaN where the image is off the input.
    """

    image: Image
    mask: Mask
    noise: Image


def pixel_mapping(
    wcs_out: TpvWcs,
    shape_out: tuple[int, int],
    wcs_in: TpvWcs,
    shape_in: tuple[int, int],
    *,
    tolerance_px: float = 1e-3,
) -> PixelMapping:
    """Where the pixels of `wcs_out` lie on the image of `wcs_in`, both (rows, columns), to better than tolerance_px.

    Positions are computed exactly at Chebyshev nodes of the part of the output that meets the input, and a polynomial
    goes through them; its error is measured between the nodes. ValueError when degree 15 does not suffice.
    """
    box = _meeting(wcs_out, shape_out, wcs_in, shape_in)
    if box[0] >= box[1] or box[2] >= box[3]:
        return PixelMapping(shape_out, shape_in, (0, 0, 0, 0), np.zeros((3, 1, 1)), 0.0)
    error = np.inf
    for degree in _DEGREES:
        mapping = _fitted(wcs_out, shape_out, wcs_in, shape_in, box, degree)
        error = mapping.error_px
        if error < tolerance_px:
            return mapping
    raise ValueError(f"no polynomial maps the pixels: the best errs by {error:.2g} px of {tolerance_px:.2g}")


def input_rows(mapping: PixelMapping, first: int, stop: int) -> tuple[int, int]:
    """The rows of the input, half open, that output rows first..stop need, filling of defects included."""
    top, end, left, right = mapping.box
    first, stop = max(first, top), min(stop, end)
    if first >= stop:
        return 0, 0
    rows = np.unique(np.linspace(first, stop - 1, 9).astype(int))
    columns = np.unique(np.linspace(left, right - 1, 257).astype(int))
    _, y, _ = mapping(*(a.astype(np.float64) for a in np.meshgrid(columns, rows)))
    # A pixel more on either side: extremes between the points looked at.
    low, high = int(np.floor(y.min())) - MARGIN_PX - 1, int(np.ceil(y.max())) + MARGIN_PX + 2
    low, high = max(low, 0), min(high, mapping.shape_in[0])
    return (low, high) if low < high else (0, 0)


def resample(
    image: Image,
    mask: Mask | None,
    mapping: PixelMapping,
    *,
    rows: tuple[int, int] | None = None,
    first_input_row: int = 0,
    defect_bits: int = 0,
    core_px: int = 1,
    blank: bool = True,
) -> Resampled:
    """Output rows `rows` (half open; all by default) of an image on the grid of a mapping; flux is conserved.

    image: (n, columns), any unit per pixel, background removed or not; mask: uint16 of the same shape or None. They
    hold the input's rows from `first_input_row` on, at least those of `input_rows(mapping, *rows)`.
    defect_bits: bits of pixels whose value is worthless, as values that are not finite always are: they are replaced
    from good neighbours within 3 px. core_px: pixels to either side of a position that are the kernel's core (1: the
    four that surround it, beyond which the kernel is below 0.14; 2: sixteen, 0.025). blank: output pixels with a
    defect under the core become NaN; otherwise they keep the filled value.
    ValueError when rows are missing or shapes do not fit.
    """
    first, stop = (0, mapping.shape_out[0]) if rows is None else rows
    need = input_rows(mapping, first, stop)
    if need[0] < first_input_row or need[1] > first_input_row + image.shape[0]:
        raise ValueError(f"rows {need[0]} to {need[1]} of the input are needed, from {first_input_row} are given")
    if image.shape[1] != mapping.shape_in[1] or (mask is not None and mask.shape != image.shape):
        raise ValueError(f"shapes {image.shape} and {None if mask is None else mask.shape} do not fit the mapping")
    shape = (stop - first, mapping.shape_out[1])
    out = Resampled(np.full(shape, np.nan, np.float32), np.zeros(shape, np.uint16), np.full(shape, np.nan, np.float32))
    if need[0] < need[1]:
        part = slice(need[0] - first_input_row, need[1] - first_input_row)
        given = np.zeros_like(image[part], np.uint16) if mask is None else mask[part]
        resample_into(image[part], given, mapping, (first, stop), need[0], defect_bits, core_px, blank, out)
    return out


def resample_into(
    image: Image,
    mask: Mask,
    mapping: PixelMapping,
    rows: tuple[int, int],
    first_input_row: int,
    defect_bits: int,
    core_px: int,
    blank: bool,
    out: Resampled,
) -> None:
    """As `resample`, unchecked and into arrays that hold NaN, 0 and NaN: for callers with bands of many images."""
    filled, flags = resampling_nb.fill(image, mask, np.uint16(defect_bits))
    resampling_nb.interpolate(
        filled, flags, mapping.coefficients, np.array(mapping.box), np.array(mapping.shape_in), first_input_row,
        rows[0], core_px, blank, out.image, out.mask, out.noise,
    )  # fmt: skip


def noise_correlation(noise: Image, area: float = 1.0) -> float:
    """How many times noisier the mean of a large area is than its pixels, taken as independent, would have it.

    noise: of `Resampled`. Interpolation keeps the noise power of long waves and damps that of short ones, so the
    pixels' variance falls below the white noise's while that of large areas does not. area: input pixels per pixel.
    """
    return float(np.sqrt(area / np.nanmean(np.square(noise, dtype=np.float64))))


def _unit(positions: Floats, first: int, stop: int) -> Floats:
    """Positions from first..stop-1 to -1..1; a single pixel is 0."""
    return (2.0 * np.asarray(positions, np.float64) - (first + stop - 1)) / max(stop - 1 - first, 1)


def _meeting(
    wcs_out: TpvWcs, shape_out: tuple[int, int], wcs_in: TpvWcs, shape_in: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The box of the output that holds all of the input's border, cut at the output's own."""
    ny, nx = shape_in
    along = np.linspace(-0.5, 0.5, 65)
    x = np.concatenate([along, along, np.full(65, -0.5), np.full(65, 0.5)]) * nx + (nx - 1) / 2
    y = np.concatenate([np.full(65, -0.5), np.full(65, 0.5), along, along]) * ny + (ny - 1) / 2
    x_out, y_out = projection.sky_to_pixel(wcs_out, *projection.pixel_to_sky(wcs_in, x, y))
    if not np.isfinite(x_out + y_out).any():
        return 0, 0, 0, 0
    # Two pixels for the border's bending between the points.
    low_y, high_y = int(np.floor(np.nanmin(y_out))) - 2, int(np.ceil(np.nanmax(y_out))) + 3
    low_x, high_x = int(np.floor(np.nanmin(x_out))) - 2, int(np.ceil(np.nanmax(x_out))) + 3
    return max(low_y, 0), min(high_y, shape_out[0]), max(low_x, 0), min(high_x, shape_out[1])


def _fitted(
    wcs_out: TpvWcs,
    shape_out: tuple[int, int],
    wcs_in: TpvWcs,
    shape_in: tuple[int, int],
    box: tuple[int, int, int, int],
    degree: int,
) -> PixelMapping:
    """The polynomial of a degree through Chebyshev nodes, its area by differentiation, and its error between them."""
    scale = [max(box[k + 1] - 1 - box[k], 1) / 2 for k in (0, 2)]
    middle = [(box[k] + box[k + 1] - 1) / 2 for k in (0, 2)]

    def exact(unit: Floats) -> tuple[Floats, Floats]:
        x_out, y_out = np.meshgrid(middle[1] + scale[1] * unit, middle[0] + scale[0] * unit)
        return projection.sky_to_pixel(wcs_in, *projection.pixel_to_sky(wcs_out, x_out, y_out))

    n = degree + 1
    nodes = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    basis = np.linalg.inv(chebyshev.chebvander(nodes, degree))
    to_powers = np.zeros((n, n))
    for k in range(n):
        to_powers[: k + 1, k] = chebyshev.cheb2poly(np.eye(n)[k, : k + 1])
    inverse = to_powers @ basis
    x, y = (inverse @ values @ inverse.T for values in exact(nodes))
    grid = np.meshgrid(nodes, nodes, indexing="ij")
    x_v, y_v = (polynomial.polyval2d(*grid, polynomial.polyder(c, axis=0)) / scale[0] for c in (x, y))
    x_u, y_u = (polynomial.polyval2d(*grid, polynomial.polyder(c, axis=1)) / scale[1] for c in (x, y))
    area = inverse @ np.abs(x_u * y_v - x_v * y_u) @ inverse.T
    between = np.linspace(-1.0, 1.0, 2 * n + 1)
    truth = exact(between)
    check = np.meshgrid(between, between, indexing="ij")
    error = max(np.max(np.abs(polynomial.polyval2d(*check, c) - t)) for c, t in zip((x, y), truth, strict=True))
    return PixelMapping(shape_out, shape_in, box, np.stack([x, y, area]), float(error))
