"""Kernels of resampling.py: the filling of defects, and interpolation by runs.

Along an output row the input pixel that a kernel is centred on mostly moves on by one with every output pixel and
stays in its row. Such runs, a few to some thousand pixels long, are interpolated together: all their loads are
contiguous, and the compiler turns 42 multiplications a pixel into vector instructions. A grid turned by 45 degrees has
runs of one or two pixels; it takes longer and comes to the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.polynomial import polynomial

REACH = 3
"""Pixels a kernel of order 3 reaches from the pixel it is centred on."""
FILL_PX = 3
"""How far the filling looks for good pixels: as far as a kernel whose core is good can reach into a defect."""
FILLED, UNFILLED = 1 << 16, 1 << 17
"""Flags of a defect above the 16 bits of the mask: filled from neighbours, or with none to fill it from."""
_EDGE_PX = 1e-3


def lanczos(t):
    """Lanczos' kernel of order 3 at distances t [px] of any shape: sinc(t) sinc(t/3) within 3 px, nought beyond."""
    t = np.asarray(t, np.float64)
    return np.where(np.abs(t) < REACH, np.sinc(t) * np.sinc(t / REACH), 0.0)


def _kernel_polynomials():
    """The normalised weights of the pixels at -2, -1 and 0 as polynomials of the phase in [0, 1], float32 (3, 12).

    Powers of phase - 1/2, ascending. Degree 11 leaves 2e-8, less than float32 holds of a weight of one; a polynomial is
    vector arithmetic where a table is not.
    """
    phase = (np.cos(np.pi * (np.arange(64) + 0.5) / 64) + 1) / 2
    weights = lanczos(phase - np.arange(-2, 4)[:, None])
    weights /= weights.sum(axis=0)
    return np.array([polynomial.polyfit(phase - 0.5, w, 11) for w in weights[:3]], np.float32)


KERNEL = _kernel_polynomials()


@njit(cache=True)
def fill(image, mask, defect_bits):
    """The image (ny, nx) with its defects filled, and flags: the mask's bits, FILLED and UNFILLED; both padded.

    A border of REACH pixels repeats the outermost ones, with flags of 0. A defect gets the mean of the good pixels
    within FILL_PX, weighted by the inverse fourth power of their distance; where there is none, 0 and UNFILLED.
    """
    ny, nx = image.shape
    filled = np.empty((ny + 2 * REACH, nx + 2 * REACH), np.float32)
    flags = np.zeros((ny + 2 * REACH, nx + 2 * REACH), np.uint32)
    one, none = np.uint32(FILLED), np.uint32(0)
    defects = np.zeros(ny, np.int64)
    for y in range(ny):
        values, bits = filled[y + REACH, REACH : REACH + nx], flags[y + REACH, REACH : REACH + nx]
        n = 0
        for x in range(nx):
            value = image[y, x]
            bad = ((mask[y, x] & defect_bits) != 0) | (not abs(value) < np.inf)
            values[x] = np.float32(0) if bad else value
            bits[x] = np.uint32(mask[y, x]) | (one if bad else none)
            n += bad
        defects[y] = n
    for y in range(ny):
        if defects[y] > 0:
            for x in range(nx):
                if flags[y + REACH, x + REACH] & one:
                    _fill_one(filled, flags, y + REACH, x + REACH)
        for k in range(REACH):
            filled[y + REACH, k] = filled[y + REACH, REACH]
            filled[y + REACH, REACH + nx + k] = filled[y + REACH, REACH + nx - 1]
    for k in range(REACH):
        filled[k] = filled[REACH]
        filled[REACH + ny + k] = filled[REACH + ny - 1]
    return filled, flags


@njit(cache=True)
def _fill_one(filled, flags, row, column):
    """Fill a defect at a place of the padded arrays from pixels that are none."""
    total, weights = 0.0, 0.0
    for j in range(max(row - FILL_PX, REACH), min(row + FILL_PX + 1, filled.shape[0] - REACH)):
        for i in range(max(column - FILL_PX, REACH), min(column + FILL_PX + 1, filled.shape[1] - REACH)):
            if flags[j, i] & np.uint32(FILLED | UNFILLED) == 0:
                square = (j - row) ** 2 + (i - column) ** 2
                weight = 1.0 / (square * square)
                total += weight * filled[j, i]
                weights += weight
    if weights > 0.0:
        filled[row, column] = total / weights
    else:
        flags[row, column] ^= np.uint32(FILLED | UNFILLED)


@njit(cache=True, fastmath={"contract"})
def _positions(coefficients, box, row, rows_in, columns_in, first_input_row, centre, phase, area):
    """Of the box's pixels in an output row: the input pixel left of and below each, phases from there, and area.

    centre: int64 (2, n), column and row, -1 where the position is off the input; phase: float32 (2, n).
    """
    n, degree = centre.shape[1], coefficients.shape[1] - 1
    along = np.zeros((3, degree + 1))
    v = (2.0 * row - (box[0] + box[1] - 1)) / max(box[1] - 1 - box[0], 1)
    for q in range(3):
        for k in range(degree + 1):
            for j in range(degree, -1, -1):
                along[q, k] = along[q, k] * v + coefficients[q, j, k]
    step = 2.0 / max(n - 1, 1)
    value = np.empty((3, n))
    for q in range(3):
        line = value[q]
        for i in range(n):
            line[i] = along[q, degree]
        for k in range(degree - 1, -1, -1):
            c = along[q, k]
            for i in range(n):
                line[i] = line[i] * (i * step - 1.0) + c
    xs, ys, areas = value[0], value[1], value[2]
    columns, rows, fx, fy = centre[0], centre[1], phase[0], phase[1]
    for i in range(n):
        x, y = xs[i], ys[i]
        inside = (x >= -_EDGE_PX) & (x <= columns_in - 1 + _EDGE_PX) & (y >= -_EDGE_PX) & (y <= rows_in - 1 + _EDGE_PX)
        # A position on the last pixel belongs to the interval before it.
        x0 = min(max(np.floor(x), 0.0), max(columns_in - 2.0, 0.0))
        y0 = min(max(np.floor(y), 0.0), max(rows_in - 2.0, 0.0))
        fx[i] = np.float32(min(max(x - x0, 0.0), 1.0))
        fy[i] = np.float32(min(max(y - y0, 0.0), 1.0))
        columns[i] = np.int64(x0) if inside else -1
        rows[i] = np.int64(y0) - first_input_row if inside else -1
        area[i] = np.float32(areas[i])


@njit(cache=True, fastmath={"contract"})
def _weights(phase, weights, squares):
    """Weights (6, n) of the pixels at -2..3 for phases (n,), and the sum of their squares (n,)."""
    w0, w1, w2, w3, w4, w5 = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5]
    for i in range(phase.size):
        p = phase[i] - np.float32(0.5)
        q = p * p
        e0, e1, e2, o0, o1, o2 = (
            KERNEL[0, 10],
            KERNEL[1, 10],
            KERNEL[2, 10],
            KERNEL[0, 11],
            KERNEL[1, 11],
            KERNEL[2, 11],
        )
        for k in range(8, -1, -2):
            e0, e1, e2 = e0 * q + KERNEL[0, k], e1 * q + KERNEL[1, k], e2 * q + KERNEL[2, k]
            o0, o1, o2 = o0 * q + KERNEL[0, k + 1], o1 * q + KERNEL[1, k + 1], o2 * q + KERNEL[2, k + 1]
        a, b, c = e0 + p * o0, e1 + p * o1, e2 + p * o2
        # The weight of pixel 1 - k is that of pixel k for the complement of the phase: the odd powers change sign.
        d, e, f = e2 - p * o2, e1 - p * o1, e0 - p * o0
        w0[i], w1[i], w2[i], w3[i], w4[i], w5[i] = a, b, c, d, e, f
        squares[i] = a * a + b * b + c * c + d * d + e * e + f * f


@njit(cache=True, fastmath={"contract"})
def _run(filled, row, column, wx, wy, area, out):
    """A run of n output pixels: row, column are the padded place of the first pixel's first tap; wx, wy are (6, n)."""
    n = out.size
    last = column + n + 5
    r0, r1, r2 = filled[row, column:last], filled[row + 1, column:last], filled[row + 2, column:last]
    r3, r4, r5 = filled[row + 3, column:last], filled[row + 4, column:last], filled[row + 5, column:last]
    x0, x1, x2, x3, x4, x5 = wx[0], wx[1], wx[2], wx[3], wx[4], wx[5]
    y0, y1, y2, y3, y4, y5 = wy[0], wy[1], wy[2], wy[3], wy[4], wy[5]
    for k in range(n):
        a, b, c, d, e, f = x0[k], x1[k], x2[k], x3[k], x4[k], x5[k]
        h0 = a * r0[k] + b * r0[k + 1] + c * r0[k + 2] + d * r0[k + 3] + e * r0[k + 4] + f * r0[k + 5]
        h1 = a * r1[k] + b * r1[k + 1] + c * r1[k + 2] + d * r1[k + 3] + e * r1[k + 4] + f * r1[k + 5]
        h2 = a * r2[k] + b * r2[k + 1] + c * r2[k + 2] + d * r2[k + 3] + e * r2[k + 4] + f * r2[k + 5]
        h3 = a * r3[k] + b * r3[k + 1] + c * r3[k + 2] + d * r3[k + 3] + e * r3[k + 4] + f * r3[k + 5]
        h4 = a * r4[k] + b * r4[k + 1] + c * r4[k + 2] + d * r4[k + 3] + e * r4[k + 4] + f * r4[k + 5]
        h5 = a * r5[k] + b * r5[k + 1] + c * r5[k + 2] + d * r5[k + 3] + e * r5[k + 4] + f * r5[k + 5]
        out[k] = area[k] * (y0[k] * h0 + y1[k] * h1 + y2[k] * h2 + y3[k] * h3 + y4[k] * h4 + y5[k] * h5)


@njit(cache=True)
def _run_flags(flags, row, column, core, out):
    """Flags under the core of each pixel of a run, joined by OR; row, column as in `_run`."""
    n = out.size
    for j in range(REACH - core, REACH + core):
        line = flags[row + j, column + REACH - core : column + REACH + core + n]
        for i in range(2 * core):
            part = line[i : i + n]
            for k in range(n):
                out[k] |= part[k]


@njit(cache=True)
def interpolate(
    filled, flags, coefficients, box, shape_in, first_input_row, first_row, core, blank,
    image, mask, noise,
):  # fmt: skip
    """Rows first_row, first_row + 1 ... of the output into image, mask and noise; see resampling.resample.

    filled, flags: of `fill`, for the input's rows from first_input_row on.
    """
    left, n = box[2], box[3] - box[2]
    centre, phase, area = np.empty((2, n), np.int64), np.empty((2, n), np.float32), np.empty(n, np.float32)
    wx, wy = np.empty((6, n), np.float32), np.empty((6, n), np.float32)
    square_x, square_y = np.empty(n, np.float32), np.empty(n, np.float32)
    under = np.empty(n, np.uint32)
    blanks = np.uint32(UNFILLED | FILLED) if blank else np.uint32(UNFILLED)
    for r in range(max(box[0] - first_row, 0), min(box[1] - first_row, image.shape[0])):
        _positions(coefficients, box, first_row + r, shape_in[0], shape_in[1], first_input_row, centre, phase, area)
        _weights(phase[0], wx, square_x)
        _weights(phase[1], wy, square_y)
        values, bits, sigma = image[r, left : left + n], mask[r, left : left + n], noise[r, left : left + n]
        columns, rows = centre[0], centre[1]
        under[:] = 0
        start = 0
        while start < n:
            column, row = columns[start], rows[start]
            stop = start + 1
            if row < 0:
                while stop < n and rows[stop] < 0:
                    stop += 1
            else:
                while stop < n and rows[stop] == row and columns[stop] - stop == column - start:
                    stop += 1
                # Padding puts pixel p at p + REACH; the first of the six taps is two before it.
                place = (row + REACH - 2, column + REACH - 2)
                span = slice(start, stop)
                _run(filled, place[0], place[1], wx[:, span], wy[:, span], area[span], values[span])
                _run_flags(flags, place[0], place[1], core, under[span])
            start = stop
        for i in range(n):
            bits[i] = np.uint16(under[i])
            sigma[i] = area[i] * np.sqrt(square_x[i] * square_y[i]) if rows[i] >= 0 else np.float32(np.nan)
            values[i] = np.float32(np.nan) if under[i] & blanks else values[i]


def warm() -> None:
    """Compile the kernels of this module."""
    image, mask = np.ones((4, 4), np.float32), np.zeros((4, 4), np.uint16)
    filled, flags = fill(image, mask, np.uint16(1))
    coefficients = np.zeros((3, 8, 8))
    outputs = (np.empty((4, 4), np.float32), np.empty((4, 4), np.uint16), np.empty((4, 4), np.float32))
    interpolate(
        filled, flags, coefficients, np.array([0, 4, 0, 4]), np.array([4, 4]), 0, 0, 1,
        True, *outputs,
    )  # fmt: skip
