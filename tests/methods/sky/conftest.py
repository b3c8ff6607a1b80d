"""Synthetic star fields for the astrometry: truth by astropy.wcs, not by the code under test."""

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.wcs import WCS

from ztfpipe.methods.sky.astrometry import Detections, References
from ztfpipe.model.wcs import PV_INDICES, TpvWcs, undistorted_pv

SHAPE = (3080, 3072)
SCALE_DEG = 1.0125 / 3600


@dataclass(frozen=True)
class StarField:
    """Detections, catalog stars, the commanded prior, and the truth: which detection is which star, true sky of
    pixels."""

    detections: Detections
    references: References
    prior: TpvWcs
    truth: WCS
    star_of_detection: np.ndarray
    turbulence: object


def numbers_to_astropy(wcs: TpvWcs) -> WCS:
    out = WCS(naxis=2)
    out.wcs.ctype = ["RA---TPV", "DEC--TPV"]
    out.wcs.cunit = ["deg", "deg"]
    out.wcs.crval, out.wcs.crpix, out.wcs.cd = wcs.crval_deg, wcs.crpix_px + 1, wcs.cd_deg
    out.wcs.set_pv([(a + 1, m, wcs.pv[a, k]) for a in range(2) for k, m in enumerate(PV_INDICES)])
    out.wcs.set()
    return out


def turbulence_field(random, rms_arcsec, waves=30):
    """A smooth random displacement [arcsec], (2, n) of pixel positions: waves of 500 to 3000 px."""
    length = random.uniform(500, 3000, (2, waves))
    angle, phase = random.uniform(0, 2 * np.pi, (2, 2, waves))
    size = rms_arcsec * np.sqrt(2 / waves)

    def displacement(x, y):
        k = 2 * np.pi / length
        arg = k[..., None] * (np.cos(angle)[..., None] * x + np.sin(angle)[..., None] * y) + phase[..., None]
        return size * np.sin(arg).sum(axis=1)

    return displacement


def star_field(
    seed=0, *, n_stars=1500, offset_arcsec=(100.0, -140.0), rotation_deg=0.35, missing=0.2, false=0.2,
    turbulence_arcsec=0.0, error_px=0.02, dec_deg=35.0, pm_mas_yr=0.0,
):  # fmt: skip
    """A quadrant's stars as detected and as catalogued; the prior is off by the offset (xi, eta) and rotation."""
    random = np.random.default_rng(seed)
    pv = undistorted_pv()
    # Cubic and quartic terms of the size in real headers: arcseconds at the corners.
    pv[:, 3:] = random.normal(0, [3e-4] * 3 + [5e-4] * 4 + [1e-3] * 5, (2, 12))
    crval, crpix = np.array([210.0, dec_deg]), np.array([1535.5, 1539.5])
    cd = SCALE_DEG * np.array([[-1.0, -0.027], [0.0277, -1.0]])
    truth = numbers_to_astropy(TpvWcs(crval, crpix, cd, pv))
    # The catalog reaches 2 arcmin beyond the footprint.
    x, y = random.uniform(-118, SHAPE[1] + 118, n_stars), random.uniform(-118, SHAPE[0] + 118, n_stars)
    mag = 12 + 6 * random.power(2.2, n_stars)
    displacement = turbulence_field(random, turbulence_arcsec)
    ra, dec = truth.all_pix2world(x, y, 0)
    references = References(ra, dec, np.full(n_stars, 0.3), mag)
    inside = (x > 0) & (x < SHAPE[1] - 1) & (y > 0) & (y < SHAPE[0] - 1) & (random.random(n_stars) > missing)
    real = np.flatnonzero(inside)
    shift = displacement(x[real], y[real]) / 1.0125
    errors = np.full(real.size, error_px)
    n_false = int(false * real.size)
    det = Detections(
        np.concatenate([x[real] + shift[0] + random.normal(0, errors), random.uniform(0, SHAPE[1] - 1, n_false)]),
        np.concatenate([y[real] + shift[1] + random.normal(0, errors), random.uniform(0, SHAPE[0] - 1, n_false)]),
        np.full(real.size + n_false, error_px),
        10
        ** (
            -0.4
            * (np.concatenate([mag[real] + random.normal(0, 0.3, real.size), random.uniform(12, 18, n_false)]) - 26)
        ),
    )
    star = np.concatenate([real, np.full(n_false, -1)])
    angle = np.radians(rotation_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wrong = crval + np.array([offset_arcsec[0] / np.cos(np.radians(dec_deg)), offset_arcsec[1]]) / 3600
    # The prior's distortion is right to a tenth: the focal plane is known, the night's flexure is not.
    prior = TpvWcs(wrong, crpix, turn @ cd * 1.0005, undistorted_pv() + 0.9 * (pv - undistorted_pv()))
    return StarField(det, references, prior, truth, star, displacement)


@pytest.fixture
def make_star_field():
    return star_field
