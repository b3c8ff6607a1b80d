"""Kernels of relative_photometry.py: zero points that vary over an image as a sum of Legendre products."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def basis(u, v, degree, out):
    """Legendre products P_a(u) P_b(v) with a + b <= degree into `out`, in order of a + b, then of b; how many.

    u, v from -1 to 1; degree <= 4. All but the first have mean zero over the square.
    """
    pu = (1.0, u, 0.5 * (3 * u * u - 1), 0.5 * (5 * u * u - 3) * u, 0.125 * ((35 * u * u - 30) * u * u + 3))
    pv = (1.0, v, 0.5 * (3 * v * v - 1), 0.5 * (5 * v * v - 3) * v, 0.125 * ((35 * v * v - 30) * v * v + 3))
    k = 0
    for total in range(degree + 1):
        for b in range(total + 1):
            out[k] = pu[total - b] * pv[b]
            k += 1
    return k


@njit(cache=True)
def surface_normals(epoch, u, v, weight, value, degree, matrix, vector):
    """Add normal equations of a surface in each epoch: matrix (n_epochs, k, k), vector (n_epochs, k)."""
    terms = np.empty(15)
    for i in range(epoch.size):
        w = weight[i]
        if w == 0.0:
            continue
        e = epoch[i]
        k = basis(u[i], v[i], degree, terms)
        for a in range(k):
            vector[e, a] += w * terms[a] * value[i]
            for b in range(a + 1):
                matrix[e, a, b] += w * terms[a] * terms[b]
    for e in range(matrix.shape[0]):
        for a in range(matrix.shape[1]):
            for b in range(a):
                matrix[e, b, a] = matrix[e, a, b]


@njit(cache=True)
def surface_at(epoch, u, v, coefficients, out):
    """The surface of each measurement's epoch at its place, into `out`. coefficients: (n_epochs, 15), of degree 4."""
    powers = np.empty((coefficients.shape[0], 15))
    for e in range(coefficients.shape[0]):
        _powers(coefficients[e], powers[e])
    for i in range(epoch.size):
        c, x, y = powers[epoch[i]], u[i], v[i]
        total = c[14]
        total = total * x + c[12] + c[13] * y
        total = total * x + c[9] + (c[10] + c[11] * y) * y
        total = total * x + c[5] + (c[6] + (c[7] + c[8] * y) * y) * y
        out[i] = total * x + c[0] + (c[1] + (c[2] + (c[3] + c[4] * y) * y) * y) * y


@njit(cache=True)
def _powers(legendre, out):
    """Coefficients of u^a v^b, in order of a, then of b, of a sum of Legendre products as `basis` orders them."""
    # Of P_n, those of x^0 to x^4.
    single = np.zeros((5, 5))
    single[0, 0], single[1, 1] = 1.0, 1.0
    single[2, 0], single[2, 2] = -0.5, 1.5
    single[3, 1], single[3, 3] = -1.5, 2.5
    single[4, 0], single[4, 2], single[4, 4] = 0.375, -3.75, 4.375
    place = 0
    for a in range(5):
        for b in range(5 - a):
            out[place] = 0.0
            k = 0
            for total in range(5):
                for n in range(total + 1):
                    out[place] += legendre[k] * single[total - n, a] * single[n, b]
                    k += 1
            place += 1


def warm() -> None:
    """Compile the kernels of this module."""
    place, epoch = np.zeros(2), np.zeros(2, np.int64)
    basis(0.0, 0.0, 1, np.zeros(3))
    surface_at(epoch, place, place, np.zeros((1, 15)), np.zeros(2))
    surface_normals(epoch, place, place, np.ones(2), np.ones(2), 1, np.zeros((1, 3, 3)), np.zeros((1, 3)))
