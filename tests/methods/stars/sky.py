"""A small synthetic sky for the tests of stars, sharing nothing with the code under test.

A star is a round Moffat core, a second, wider, displaced Moffat (coma) and an elongated one whose axis turns over the
image, each integrated over pixels by Gauss-Legendre points; widths vary quadratically with position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GAIN_E_PER_ADU = 6.2
READ_NOISE_E = 10.0


def _moffat(dx, dy, fwhm, beta, e1=0.0, e2=0.0):
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)
    r2 = (1 + e1) * dx**2 + (1 - e1) * dy**2 + 2 * e2 * dx * dy
    return np.sqrt(1 - e1**2 - e2**2) * (beta - 1) / (np.pi * alpha2) * (1 + r2 / alpha2) ** -beta


@dataclass(frozen=True)
class Sky:
    """How a star looks anywhere on an image of `shape`: `fwhm_px` at the centre, `variation` of it to the corners."""

    shape: tuple[int, int]
    fwhm_px: float = 2.1
    variation: float = 0.06

    def stamps(self, x_px, y_px, half):
        """Unit stars (n, 2 half + 1, 2 half + 1) around the nearest pixels; the flux beyond the stamp is not in it."""
        x_px, y_px = np.atleast_1d(x_px).astype(float), np.atleast_1d(y_px).astype(float)
        ny, nx = self.shape
        u, v = 2 * x_px / nx - 1, 2 * y_px / ny - 1
        fwhm = self.fwhm_px * (1 + self.variation * (0.6 * u**2 + 0.4 * v**2 - 0.25 * u * v + 0.3 * u))
        nodes, weights = np.polynomial.legendre.leggauss(4)
        nodes, weights = nodes / 2, weights / 2
        pixel = np.arange(-half, half + 1)
        fine = (pixel[:, None] + nodes).ravel()
        out = np.empty((len(x_px), len(pixel), len(pixel)))
        for s in range(len(x_px)):
            dx = fine - (x_px[s] - np.floor(x_px[s] + 0.5))
            dy = fine[:, None] - (y_px[s] - np.floor(y_px[s] + 0.5))
            value = 0.87 * _moffat(dx, dy, fwhm[s], 3.2, 0.05 * u[s], 0.04 * v[s])
            value += 0.08 * _moffat(dx - 0.5 * u[s] - 0.1, dy - 0.4 * v[s], 1.3 * fwhm[s], 3.2)
            value += 0.05 * _moffat(dx, dy, 1.8 * fwhm[s], 3.2, 0.2, 0.15 * u[s])
            out[s] = np.einsum("jaib,a,b->ji", value.reshape(len(pixel), 4, len(pixel), 4), weights, weights)
        return out

    def render(self, x_px, y_px, flux_adu, half=14, chunk=500):
        """Noiseless image (ny, nx) float64 of stars drawn within `half` pixels of each."""
        ny, nx = self.shape
        pad = half + 8
        image = np.zeros((ny + 2 * pad, nx + 2 * pad))
        size = 2 * half + 1
        for start in range(0, len(x_px), chunk):
            part = slice(start, start + chunk)
            for stamp, x, y, flux in zip(
                self.stamps(x_px[part], y_px[part], half), x_px[part], y_px[part], flux_adu[part], strict=True
            ):
                ix, iy = int(np.floor(x + 0.5)) - half + pad, int(np.floor(y + 0.5)) - half + pad
                image[iy : iy + size, ix : ix + size] += flux * stamp
        return image[pad:-pad, pad:-pad]


def observe(image_adu, sky_adu, rng):
    """Add sky and noise; returns the image with the sky taken off again and the weight 1 / (sky and read variance)."""
    electrons = rng.poisson((image_adu + sky_adu) * GAIN_E_PER_ADU) + rng.normal(0, READ_NOISE_E, image_adu.shape)
    variance = sky_adu / GAIN_E_PER_ADU + (READ_NOISE_E / GAIN_E_PER_ADU) ** 2
    data = (electrons / GAIN_E_PER_ADU - sky_adu).astype(np.float32)
    return data, np.full(image_adu.shape, 1 / variance, np.float32)
