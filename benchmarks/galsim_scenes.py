"""A raw quadrant made by GalSim (Rowe et al. 2015), photon by photon, with its truth: a simulator that is not ours.

Photons of stars and galaxies pass a Kolmogorov atmosphere whose width and shear change over the quadrant and optics
whose aberrations differ from corner to corner; positions follow GalSim's own reading of a TPV header. Nothing of the
package's simulator but the time and pointing of an exposure, and nothing of its methods, takes part.
"""

from __future__ import annotations

from dataclasses import dataclass

import galsim
import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.science_scenes import CCDID, QID, sky_settings
from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.model.catalogs import AstrometricCalibrators, PhotometricCalibrators
from ztfpipe.model.images import RawQuadrant
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.science import Calibrators, Masters, Pointing, ScienceImage
from ztfpipe.pipelines.science.recipe import make_science_image
from ztfpipe.simulate.night import ExposurePlan, plan_night

ZERO_POINT_MAG = 26.3
SKY_ADU, SKY_SLOPE = 150.0, 0.05
BIAS_ADU = 1000.0
BRIGHTEST_MAG, DETECTABLE_MAG, FAINTEST_MAG, SLOPE = 13.0, 20.7, 22.3, 0.3
GALAXY_MAG = (17.0, 21.0)
BORDER_PX = 118.0
POOL = 2**20
"""Photons of which the PSF is made."""
ATMOSPHERE_FWHM_PX = 1.8
LAM_OVER_DIAM_PX = 0.109
"""640 nm over 1.2 m, in pixels of 1.0125 arcsec."""
CORNER_WAVES = ((0.35, 0.15, -0.1, 0.2, 0.1), (0.1, -0.2, 0.15, -0.15, 0.2), (0.3, 0.1, 0.2, 0.1, -0.2),
                (0.15, -0.15, -0.2, -0.2, -0.1))  # fmt: skip
"""Defocus, two of astigmatism, two of coma, at the four corners."""
CALIBRATOR_MAS, CALIBRATOR_MAG = 0.3, 0.01
PV = {"PV1_1": 1.0004, "PV1_2": -5e-4, "PV1_4": -3e-4, "PV1_5": 4e-4, "PV1_6": -2e-4, "PV1_7": 5e-4, "PV1_9": -3e-4,
      "PV1_12": -3e-4, "PV1_14": 2e-4, "PV2_1": 0.9997, "PV2_2": 4e-4, "PV2_4": 2e-4, "PV2_5": -5e-4, "PV2_6": 3e-4,
      "PV2_7": -4e-4, "PV2_8": 2e-4, "PV2_13": 3e-4, "PV2_16": -2e-4}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A quadrant and its truth: `stars` with x_px, y_px (zero-based), ra_deg, dec_deg, mag, colour; `galaxies` with
    x_px, y_px, mag, half_light_px; the width of the PSF at the centre, pixel included [px]."""

    camera: Camera
    plan: ExposurePlan
    raw: RawQuadrant
    stars: pd.DataFrame
    galaxies: pd.DataFrame
    fwhm_px: float
    calibrators: Calibrators

    @property
    def key(self) -> QuadrantKey:
        return QuadrantKey(self.plan.key, CCDID, QID)

    @property
    def gain(self) -> float:
        return self.camera.amplifier(CCDID, QID).gain_e_per_adu

    def science(self) -> ScienceImage:
        """What the recipe makes of it; the masters are those of a perfect detector."""
        shape, plan = self.camera.quadrant_shape, self.plan
        masters = Masters(np.zeros(shape, np.float32), np.ones(shape, np.float32), np.zeros(shape, np.uint16))
        pointing = Pointing(plan.ra_deg, plan.dec_deg, plan.mid_jd, plan.at_start.airmass, plan.exptime_s)
        return make_science_image(self.raw, masters, self.calibrators, self.camera, self.key, pointing, Science())


class Telescope:
    """Where and how light arrives: the PSF at a pixel, and the sky position of a pixel."""

    def __init__(self, camera: Camera, plan: ExposurePlan):
        self.shape = camera.quadrant_shape
        self.optics = [
            galsim.OpticalPSF(
                lam_over_diam=LAM_OVER_DIAM_PX, aberrations=[0, 0, 0, 0, *waves], obscuration=0.4, interpolant="linear"
            )
            for waves in CORNER_WAVES
        ]
        amplifier, scale = camera.amplifier(CCDID, QID), camera.pixel_scale_arcsec / 3600
        dec = plan.dec_deg + amplifier.north_deg + 0.004
        ra = plan.ra_deg + (amplifier.east_deg - 0.003) / np.cos(np.radians(dec))
        turn = np.radians(0.1)
        cd = scale * np.array([[-np.cos(turn), np.sin(turn)], [-np.sin(turn), -np.cos(turn)]])
        ny, nx = self.shape
        self.header = galsim.FitsHeader({
            "NAXIS": 2, "NAXIS1": nx, "NAXIS2": ny, "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "CUNIT1": "deg",
            "CUNIT2": "deg", "CRVAL1": ra, "CRVAL2": dec, "CRPIX1": (nx + 1) / 2, "CRPIX2": (ny + 1) / 2,
            "CD1_1": cd[0, 0], "CD1_2": cd[0, 1], "CD2_1": cd[1, 0], "CD2_2": cd[1, 1], **PV,
        })  # fmt: skip
        self.wcs = galsim.GSFitsWCS(header=self.header)

    def blur(self, x_px: float, y_px: float) -> tuple[NDArray, NDArray]:
        """What a star's photons meet at a place of the quadrant: the matrix (2, 2) that makes the atmosphere of unit
        FWHM the one there, and the share (4,) of each corner's optics."""
        ny, nx = self.shape
        u, v = np.clip(2 * x_px / (nx - 1) - 1, -1, 1), np.clip(2 * y_px / (ny - 1) - 1, -1, 1)
        fwhm = ATMOSPHERE_FWHM_PX * (1 + 0.03 * u**2 + 0.02 * v**2 - 0.015 * u * v + 0.01 * v)
        shear = galsim.Shear(g1=0.02 * u + 0.01, g2=0.015 * v * u - 0.01 * v)
        parts = np.array([(1 - u) * (1 - v), (1 + u) * (1 - v), (1 - u) * (1 + v), (1 + u) * (1 + v)]) / 4
        return fwhm * shear.getMatrix(), parts

    def photons(self, deviate: galsim.BaseDeviate) -> tuple[NDArray, NDArray]:
        """Displacements by the atmosphere of unit FWHM (n, 2) and by the optics of each corner (4, n, 2) [px].

        They are drawn at random for every photon of the image, so what a star shows is noise about a PSF that is made
        of these samples.
        """

        def drawn(profile: galsim.GSObject) -> NDArray[np.float32]:
            some = profile.shoot(POOL, deviate)
            return np.stack([some.x, some.y], axis=1).astype(np.float32)

        return drawn(galsim.Kolmogorov(fwhm=1.0)), np.stack([drawn(optic) for optic in self.optics])

    def fwhm_px(self) -> float:
        """Of the PSF at the centre, pixel included, drawn by Fourier transforms: diameter of the circle with the area
        above half maximum."""
        ny, nx = self.shape
        matrix, parts = self.blur((nx - 1) / 2, (ny - 1) / 2)
        air = galsim.Kolmogorov(fwhm=1.0).transform(*matrix.ravel()) / abs(np.linalg.det(matrix))
        optics = galsim.Sum([optic * part for optic, part in zip(self.optics, parts, strict=True)])
        drawn = galsim.Convolve(air, optics, galsim.Pixel(1.0)).drawImage(scale=0.05, nx=241, ny=241, method="no_pixel")
        return float(2 * np.sqrt(np.count_nonzero(drawn.array > drawn.array.max() / 2) * 0.05**2 / np.pi))

    def sky_position(self, x_px: NDArray, y_px: NDArray) -> tuple[NDArray, NDArray]:
        """Degrees of zero-based pixels, by GalSim."""
        return self.wcs.xyToradec(np.asarray(x_px) + 1.0, np.asarray(y_px) + 1.0, units="degrees")


def make_scene(n_detectable: int, n_galaxies: int = 1500, seed: int = 11) -> Scene:
    """Expose a quadrant to about `n_detectable` detectable stars."""
    camera = Camera.load("quadrant")
    plan = next(one for one in plan_night(sky_settings(), camera) if one.key.imgtype == "o")
    random, telescope = np.random.default_rng(seed), Telescope(camera, plan)
    stars, galaxies = _stars(random, camera, n_detectable, telescope), _galaxies(random, camera, n_galaxies)
    amplifier = camera.amplifier(CCDID, QID)
    electrons = _expose(telescope, stars, galaxies, amplifier.gain_e_per_adu, seed)
    raw = _read_out(electrons, camera, plan, seed)
    return Scene(camera, plan, raw, stars, galaxies, telescope.fwhm_px(), _calibrators(random, stars, plan))


def _magnitudes(random: np.random.Generator, n: int, low_mag: float, high_mag: float, slope: float) -> NDArray:
    low = 10 ** (-slope * (high_mag - low_mag))
    return high_mag + np.log10(low + random.uniform(size=n) * (1 - low)) / slope


def _stars(random: np.random.Generator, camera: Camera, n_detectable: int, telescope: Telescope) -> pd.DataFrame:
    ny, nx = camera.quadrant_shape
    inside = n_detectable * 10 ** (SLOPE * (FAINTEST_MAG - DETECTABLE_MAG))
    n = int(inside * (nx + 2 * BORDER_PX) * (ny + 2 * BORDER_PX) / (nx * ny))
    x, y = random.uniform(-BORDER_PX, nx + BORDER_PX, n), random.uniform(-BORDER_PX, ny + BORDER_PX, n)
    ra, dec = telescope.sky_position(x, y)
    mag = _magnitudes(random, n, BRIGHTEST_MAG, FAINTEST_MAG, SLOPE)
    columns = {"x_px": x, "y_px": y, "ra_deg": ra, "dec_deg": dec, "mag": mag, "colour": random.normal(0.6, 0.3, n)}
    return pd.DataFrame(columns)


def _galaxies(random: np.random.Generator, camera: Camera, n: int) -> pd.DataFrame:
    ny, nx = camera.quadrant_shape
    mag = _magnitudes(random, n, *GALAXY_MAG, 0.5)
    half_light = np.clip(random.lognormal(np.log(1.6), 0.4, n) * 10 ** (-0.12 * (mag - 19)), 0.5, 6.0)
    return pd.DataFrame({
        "x_px": random.uniform(0, nx - 1, n), "y_px": random.uniform(0, ny - 1, n), "mag": mag,
        "half_light_px": half_light, "sersic_index": random.choice([1.0, 2.5, 4.0], n),
        "axis_ratio": random.uniform(0.3, 1, n), "angle_deg": random.uniform(0, 180, n),
    })  # fmt: skip


def _expose(telescope: Telescope, stars: pd.DataFrame, galaxies: pd.DataFrame, gain: float, seed: int) -> galsim.Image:
    """Electrons (ny, nx) of stars, galaxies and a sky with a slope, pixel (0, 0) at the origin."""
    ny, nx = telescope.shape
    image, deviate = galsim.ImageD(nx, ny, xmin=0, ymin=0), galsim.BaseDeviate(seed)
    ramp = np.linspace(-1, 1, nx)[None, :] * np.ones((ny, 1))
    image.array[:] = SKY_ADU * gain * (1 + SKY_SLOPE * ramp)
    image.addNoise(galsim.PoissonNoise(deviate))
    atmosphere, optics = telescope.photons(deviate)
    random, still = np.random.default_rng(seed), np.zeros((1, 2))
    for one in stars.itertuples():
        blur, count = telescope.blur(one.x_px, one.y_px), _electrons(one.mag, gain, deviate)
        land(image.array, count, one.x_px, one.y_px, *blur, atmosphere, optics, still, random)
    for one in galaxies.itertuples():
        blur, count = telescope.blur(one.x_px, one.y_px), _electrons(one.mag, gain, deviate)
        shape = galsim.Sersic(one.sersic_index, half_light_radius=one.half_light_px, trunc=6 * one.half_light_px)
        emitted = shape.shear(q=one.axis_ratio, beta=one.angle_deg * galsim.degrees).shoot(max(count, 1), deviate)
        places = np.stack([emitted.x, emitted.y], axis=1)
        land(image.array, count, one.x_px, one.y_px, *blur, atmosphere, optics, places, random)
    return image


def _electrons(mag: float, gain: float, deviate: galsim.BaseDeviate) -> int:
    return int(galsim.PoissonDeviate(deviate, mean=10 ** (-0.4 * (mag - ZERO_POINT_MAG)) * gain)())


@njit
def land(image, count, x, y, matrix, parts, atmosphere, optics, source, random):
    """Add `count` photons: a place within the source, a kick by the atmosphere, one by the optics of a corner.

    Sixteen at a time come from neighbouring rows of the tables: they are as independent, and in the cache.
    """
    ny, nx = image.shape
    a, o = 0, 0
    for k in range(count):
        if k % 16 == 0:
            a = 16 * int(random.random() * (atmosphere.shape[0] // 16))
            o = 16 * int(random.random() * (optics.shape[1] // 16))
        corner, choice = 0, random.random()
        while corner < 3 and choice > parts[corner]:
            choice -= parts[corner]
            corner += 1
        dx, dy, s = atmosphere[a, 0], atmosphere[a, 1], k % source.shape[0]
        i = round(x + source[s, 0] + matrix[0, 0] * dx + matrix[0, 1] * dy + optics[corner, o, 0])
        j = round(y + source[s, 1] + matrix[1, 0] * dx + matrix[1, 1] * dy + optics[corner, o, 1])
        a, o = a + 1, o + 1
        if 0 <= i < nx and 0 <= j < ny:
            image[j, i] += 1.0


def _read_out(electrons: galsim.Image, camera: Camera, plan: ExposurePlan, seed: int) -> RawQuadrant:
    """Read noise, the amplifier's non-linearity undone by iteration, a constant bias, and 16 bits."""
    amplifier, noise = camera.amplifier(CCDID, QID), galsim.BaseDeviate(seed + 1)
    electrons.addNoise(galsim.GaussianNoise(noise, sigma=amplifier.read_noise_e))
    linear = electrons.array / amplifier.gain_e_per_adu
    a, b = camera.nonlinearity_coefficients(CCDID, QID, plan.key.night)
    counts = linear.copy()
    for _ in range(6):
        counts = linear * (a * counts**2 + b * counts + 1)
    overscan = galsim.ImageD(*camera.overscan_shape[::-1])
    overscan.addNoise(galsim.GaussianNoise(noise, sigma=amplifier.read_noise_e / amplifier.gain_e_per_adu))
    digits = [np.clip(np.rint(values + BIAS_ADU), 0, 65535).astype(np.uint16) for values in (counts, overscan.array)]
    return RawQuadrant(*digits, {})


def _calibrators(random: np.random.Generator, stars: pd.DataFrame, plan: ExposurePlan) -> Calibrators:
    """Catalogs of the brighter stars, positions and magnitudes with their errors; photometric ones alone in 6 px."""
    gaia = stars[(stars.mag > 12) & (stars.mag < 18)]
    error_deg = random.normal(0, CALIBRATOR_MAS / 3.6e6, (2, len(gaia)))
    ra = gaia.ra_deg + error_deg[0] / np.cos(np.radians(gaia.dec_deg))
    still = np.zeros(len(gaia))
    astrometric = AstrometricCalibrators(
        ra.to_numpy(), gaia.dec_deg.to_numpy() + error_deg[1], still, still, np.full(len(gaia), CALIBRATOR_MAS),
        gaia.mag.to_numpy(), 2000 + (plan.mid_jd - 2451545.0) / 365.25,
    )  # fmt: skip
    places = stars[["x_px", "y_px"]].to_numpy()
    distance, index = cKDTree(places).query(places, k=8, distance_upper_bound=6.0)
    mag = np.append(stars.mag.to_numpy(), np.inf)
    near = (np.isfinite(distance[:, 1:]) & (mag[index[:, 1:]] < stars.mag.to_numpy()[:, None] + 3)).any(axis=1)
    ps1 = stars[(stars.mag > 14) & (stars.mag < 19.5) & ~near]
    error = np.full(len(ps1), CALIBRATOR_MAG)
    true = {"r": ps1.mag, "g": ps1.mag + ps1.colour, "i": ps1.mag - 0.4 * ps1.colour}
    return Calibrators(
        astrometric,
        PhotometricCalibrators(
            ps1.ra_deg.to_numpy(), ps1.dec_deg.to_numpy(),
            {band: values.to_numpy() + random.normal(0, CALIBRATOR_MAG, len(ps1)) for band, values in true.items()},
            dict.fromkeys(true, error),
        ),
        None,
    )  # fmt: skip
