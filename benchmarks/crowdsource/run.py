"""Run crowdsource on an image with a given PSF: `python run.py INPUT.npz OUTPUT.npz`, by its own environment's Python.

INPUT holds image (ny, nx) less the sky, sigma (ny, nx; 0 where masked), coefficients and oversampling of the effective
PSF, a grid of cubic B-splines with polynomials of position, and the detection threshold. crowdsource calls rows x. The
PSF is evaluated exactly at each sub-pixel position: its own models shift a tabulated stamp by splines, which at two
pixels FWHM is worse.
"""

import sys
import time
import warnings

import numpy as np


def b_spline(offset):
    """The cubic B-spline and its derivative."""
    distance = np.abs(offset)
    near, far = 2 / 3 - distance**2 + distance**3 / 2, np.clip(2 - distance, 0, None)
    slope = np.where(distance < 1, -2 * distance + 1.5 * distance**2, -(far**2) / 2)
    return np.where(distance < 1, near, far**3 / 6), np.sign(offset) * slope


class SplinePsf:
    """A PSF as crowdsource wants it: called with rows and columns, it gives stamps and their slopes by position."""

    def __init__(self, coefficients, oversampling, radius, shape):
        self.coefficients, self.oversampling, self.radius, self.shape = coefficients, oversampling, radius, shape
        degrees = range(10)
        powers = [(degree - v, v) for degree in degrees for v in range(degree + 1)]
        self.powers = powers[: len(coefficients)]

    def __call__(self, x, y, stampsz=None, deriv=False):
        single = np.ndim(x) == 0
        row, column = np.atleast_1d(x).astype(float), np.atleast_1d(y).astype(float)
        parts = [np.zeros((len(row), stampsz or 59, stampsz or 59), "f4") for _ in range(3 if deriv else 1)]
        for start in range(0, len(row), 500):
            part = slice(start, start + 500)
            for out, values in zip(parts, self._stamps(row[part], column[part], deriv), strict=True):
                place(out[part], values)
        parts = [part[0] for part in parts] if single else parts
        return tuple(parts) if deriv else parts[0]

    def _stamps(self, row, column, deriv):
        ny, nx = self.shape
        u, v = 2 * column / (nx - 1) - 1, 2 * row / (ny - 1) - 1
        terms = np.stack([u**p * v**q for p, q in self.powers], axis=1).astype("f4")
        knots = np.tensordot(terms, self.coefficients, 1)
        (by, dy), (bx, dx) = self._basis(row), self._basis(column)
        yield by @ knots @ bx.transpose(0, 2, 1)
        if deriv:
            yield -self.oversampling * (dy @ knots @ bx.transpose(0, 2, 1))
            yield -self.oversampling * (by @ knots @ dx.transpose(0, 2, 1))

    def _basis(self, position):
        knots = np.arange(self.coefficients.shape[1])
        offset = np.arange(-self.radius, self.radius + 1) - (position - np.round(position))[:, None]
        value, slope = b_spline(self.oversampling * offset[:, :, None] + (len(knots) - 1) / 2 - knots)
        return value.astype("f4"), slope.astype("f4")

    def render_model(self, x, y, stampsz=None, deriv=False):
        """Stamps centred on a pixel."""
        return self(np.round(x), np.round(y), stampsz, deriv)


def place(out, values):
    """Copy centred stamps into larger or smaller ones."""
    mine, theirs = out.shape[-1] // 2, values.shape[-1] // 2
    half = min(mine, theirs)
    out[:, mine - half : mine + half + 1, mine - half : mine + half + 1] = values[
        :, theirs - half : theirs + half + 1, theirs - half : theirs + half + 1
    ]


def main(source, target):
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    from crowdsource import crowdsource_base

    given = np.load(source)
    image, sigma = given["image"].astype("f4"), given["sigma"]
    weight = np.where(sigma > 0, 1 / np.where(sigma > 0, sigma, 1), 0).astype("f4")
    psf = SplinePsf(given["coefficients"].astype("f4"), int(given["oversampling"]), int(given["radius"]), image.shape)
    begun = time.process_time()
    stars, *_ = crowdsource_base.fit_im(
        image, psf, weight=weight, dq=None, psfderiv=True, refit_psf=False, verbose=True, maxstars=200_000,
        threshold=float(given["threshold"]), ntilex=4, ntiley=4,
    )  # fmt: skip
    spent = time.process_time() - begun
    np.savez(target, x=stars["y"], y=stars["x"], flux=stars["flux"], sigma=stars["dflux"], quality=stars["qf"],
             rchi2=stars["rchi2"], fracflux=stars["fracflux"], cpu_s=spent)  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
