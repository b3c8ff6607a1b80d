"""Kernels of the image difference: the Fourier arithmetic of one tile in one pass, and S_corr from its parts."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def filters(psf_n, psf_r, sigma_n, sigma_r, flux_n, flux_r, least, whiten_n, whiten_r, match_n, match_r):
    """Fill the filters that turn N and R into D and S from the transforms of the PSFs; all complex64 of one shape.

    whiten_n = F_r P_r / sqrt(den), whiten_r = F_n P_n / sqrt(den): D = whiten_n N - whiten_r R.
    match_n = F_n F_r^2 conj(P_n) |P_r|^2 / den, match_r = F_r F_n^2 conj(P_r) |P_n|^2 / den: S = match_n N - match_r R.
    den = sigma_n^2 F_r^2 |P_r|^2 + sigma_r^2 F_n^2 |P_n|^2, not below `least`.
    """
    for j in range(psf_n.shape[0]):
        for i in range(psf_n.shape[1]):
            p, q = flux_n * psf_n[j, i], flux_r * psf_r[j, i]
            p2 = p.real * p.real + p.imag * p.imag
            q2 = q.real * q.real + q.imag * q.imag
            den = max(sigma_n * sigma_n * q2 + sigma_r * sigma_r * p2, least)
            root = np.float32(1.0) / np.sqrt(den)
            whiten_n[j, i] = q * root
            whiten_r[j, i] = p * root
            inverse = np.float32(1.0) / den
            match_n[j, i] = p.conjugate() * (q2 * inverse)
            match_r[j, i] = q.conjugate() * (p2 * inverse)


@njit(cache=True)
def apply_filters(whiten_n, whiten_r, match_n, match_r, n, r, d):
    """d = whiten_n n - whiten_r r; then n becomes S_N = match_n n and r becomes S_R = match_r r; all in place."""
    for j in range(n.shape[0]):
        for i in range(n.shape[1]):
            d[j, i] = whiten_n[j, i] * n[j, i] - whiten_r[j, i] * r[j, i]
            n[j, i] *= match_n[j, i]
            r[j, i] *= match_r[j, i]


@njit(cache=True)
def significance(s_n, s_r, variance, top, left, var_x, var_y, error2, flux_scale, scorr, flux, flux_sigma):
    """Fill S_corr, S / F_S and its sigma of a tile whose first pixel is (top, left) of the padded s_n, s_r, variance.

    var_x, var_y: variance of the science's position relative to the reference's [px^2]; the same displacement moves
    both images' sources, so its effect is that of the mean of their slopes squared. error2: relative variance of the
    flux of a source in one image against the other. Slopes by a five-point stencil: S is a PSF wide twice over.
    """
    ny, nx = scorr.shape
    for y in range(ny):
        for x in range(nx):
            j, i = y + top, x + left
            value = s_n[j, i] - s_r[j, i]
            pixels = max(variance[j, i], np.float32(1e-30))
            extra = np.float32(0.0)
            for part in (s_n, s_r):
                by_x = (
                    np.float32(8.0) * (part[j, i + 1] - part[j, i - 1]) - (part[j, i + 2] - part[j, i - 2])
                ) / np.float32(12.0)
                by_y = (
                    np.float32(8.0) * (part[j + 1, i] - part[j - 1, i]) - (part[j + 2, i] - part[j - 2, i])
                ) / np.float32(12.0)
                extra += var_x * by_x * by_x + var_y * by_y * by_y + error2 * part[j, i] * part[j, i]
            scorr[y, x] = value / np.sqrt(pixels + np.float32(0.5) * extra)
            flux[y, x] = value * flux_scale
            flux_sigma[y, x] = np.sqrt(pixels) * flux_scale


def warm() -> None:
    """Compile the kernels of this module."""
    one = np.float32(1.0)
    c = [np.ones((6, 4), np.complex64) for _ in range(7)]
    filters(c[0], c[1], one, one, one, one, one, c[2], c[3], c[4], c[5])
    apply_filters(c[0], c[1], c[2], c[3], c[4], c[5], c[6])
    image, out = np.ones((6, 6), np.float32), np.ones((2, 2), np.float32)
    significance(image, image, image, 2, 2, one, one, one, one, out, out.copy(), out.copy())
