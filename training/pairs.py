"""A science image and a reference of one sky, as the archive would have them, with sources and artefacts planted.

The reference is turned and shifted against the science image, a co-add of exposures of several seeings, its noise
correlated by interpolation. Both are small: a patch of a quadrant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, correlate1d
from scipy.spatial import cKDTree

from training import artefacts, sky
from training.light import Draw, kolmogorov, moffat
from training.sky import SATURATION_ADU, ZERO_POINT_MAG, Events, Sources
from ztfpipe.camera import Camera
from ztfpipe.methods.sky.projection import pixel_to_sky
from ztfpipe.model.catalogs import PsfCatalog
from ztfpipe.model.difference import Stored
from ztfpipe.model.wcs import TpvWcs, undistorted_pv

SHAPE = (900, 900)
GAIN_E_PER_ADU, READ_NOISE_E = 6.2, 10.0
PIXEL_DEG = 1.012 / 3600
_AMISS_PX = 10.0
Floats = NDArray[np.float64]
Place = Callable[[Floats, Floats], tuple[Floats, Floats]]


@dataclass(frozen=True)
class Family:
    """What training and judgement do not share: the PSFs, the kinds of artefacts, the seeds."""

    name: str
    psf: Callable[..., Draw]
    kinds: tuple[Callable[..., None], ...]
    star_kinds: tuple[str, ...]
    seed: int


FAMILIES = {
    one.name: one
    for one in (
        Family("trained", moffat, artefacts.TRAINED, ("dipole", "wide", "unmasked"), 1),
        Family("judged", kolmogorov, artefacts.JUDGED, ("moved", "unmasked"), 2),
    )
}


@dataclass(frozen=True)
class Night:
    """How a pair is taken: seeing of the science image and of the reference's exposures [px], sky [DN / px], and how
    many stars brighter than 20.7 mag the patch has."""

    science_fwhm_px: float
    reference_fwhm_px: tuple[float, ...]
    sky_adu: float
    transparency: float
    exposures: int
    stars: int

    @property
    def variance_adu2(self) -> float:
        """Of a pixel of one exposure of empty sky."""
        return (self.sky_adu + READ_NOISE_E**2 / GAIN_E_PER_ADU) / GAIN_E_PER_ADU

    @property
    def sigma_flux_adu(self) -> float:
        """Of a point source in the difference, about: the noise of both images."""
        pixel = np.sqrt(self.variance_adu2 * (1 + 1 / self.exposures))
        return float(np.sqrt(4 * np.pi) * self.science_fwhm_px / 2.3548 * pixel)


@dataclass(frozen=True)
class Pair:
    """All that a difference is made of, and the truth: planted sources, artefacts by place (n, 2) and kind."""

    science: Stored
    reference: Stored
    real: Events
    artefact_px: Floats
    artefact_kind: NDArray[np.str_]


@dataclass(frozen=True)
class _Turned:
    """Pixels of the reference from those of the science image: turned about the middle, then shifted."""

    angle: float
    shift_px: Floats
    middle_px: Floats

    @property
    def matrix(self) -> Floats:
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[c, -s], [s, c]])

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        moved = (np.stack([x, y], -1) - self.middle_px) @ self.matrix.T + self.middle_px + self.shift_px
        return moved[..., 0], moved[..., 1]

    def wcs(self, reference: bool) -> TpvWcs:
        cd = np.diag([-PIXEL_DEG, -PIXEL_DEG])
        crpix, turn = (self.middle_px + self.shift_px, self.matrix.T) if reference else (self.middle_px, np.eye(2))
        return TpvWcs(np.array([150.0, 20.0]), crpix, cd @ turn, undistorted_pv())


def draw_night(rng: np.random.Generator) -> Night:
    """Seeing, sky and transparency as nights of the survey have them."""
    seeing = float(np.clip(rng.lognormal(np.log(2.2), 0.28), 1.6, 4.8))
    spread = np.clip(rng.lognormal(np.log(2.1), 0.12, 3), 1.6, 3.0)
    return Night(
        seeing, tuple(map(float, spread)), float(rng.lognormal(np.log(170), 0.5)), float(rng.uniform(0.6, 1.0)),
        int(rng.integers(4, 40)), int(rng.choice([450, 700, 1000, 1600])),
    )  # fmt: skip


def draw_pair(
    rng: np.random.Generator, night: Night, family: Family, camera: Camera, *, planted: int = 80, artefacts: int = 40,
    shape: tuple[int, int] = SHAPE,
) -> Pair:  # fmt: skip
    """Draw a patch of sky twice. planted: sources; artefacts: how many, of which a quarter are stars amiss."""
    sigma = night.sigma_flux_adu / night.transparency
    field = sky.stars(rng, night.stars, shape)
    cloud, hosts = sky.galaxies(rng, night.stars // 8, shape)
    real = sky.events(rng, planted, field, hosts, sigma, shape)
    new, gone = sky.changed(rng, real)
    taken = np.stack([real.x_px, real.y_px], 1)
    amiss, star_at, star_kind = sky.spoilt(rng, field, family.star_kinds, artefacts // 4, sigma, taken)
    at = sky.places(rng, artefacts - artefacts // 4, shape, np.concatenate([taken, star_at]))
    move = sky.turbulence(rng, rng.uniform(0.02, 0.15), shape)
    turned = _Turned(np.radians(rng.normal(0, 0.05)), rng.uniform(-3, 3, 2), (np.array(shape[::-1]) - 1) / 2)

    light = _light(rng, amiss.plus(cloud).plus(new), family, (night.science_fwhm_px,), night, move, shape)
    deep_light = _light(rng, field.plus(cloud).plus(gone), family, night.reference_fwhm_px, night, turned, shape)
    image, mask = _exposed(rng, light * np.float32(night.transparency), night, camera, 1)
    deep, deep_mask = _exposed(rng, deep_light, night, camera, night.exposures)
    kinds = rng.integers(0, len(family.kinds), len(at))
    _spoil(rng, image, deep, at, [family.kinds[k] for k in kinds], night, turned)
    for x, y in star_at[star_kind == "unmasked"]:
        mask[_box(x, y, 40)] = 0

    amiss_at = np.concatenate([taken, star_at, at])
    first = _catalog(rng, field.plus(new), move, turned.wcs(False), night, mask, 1, amiss_at)
    second = _catalog(rng, field.plus(gone), turned, turned.wcs(True), night, deep_mask, night.exposures, amiss_at)
    science = _stored(image, mask, turned.wcs(False), first, night, 1)
    reference = _coadded(rng, _stored(deep, deep_mask, turned.wcs(True), second, night, night.exposures), deep_light)
    names = np.array([family.kinds[k].__name__ for k in kinds], dtype="<U12")
    return Pair(science, reference, real, np.concatenate([at, star_at]), np.concatenate([names, star_kind]))


def _light(rng, sources: Sources, family: Family, fwhms_px, night: Night, place: Place, shape) -> NDArray[np.float32]:
    """Light of sources in the mean of exposures of these seeings, where `place` puts them."""
    noise = float(np.sqrt(night.variance_adu2))
    x, y = place(sources.x_px, sources.y_px)
    return sum(family.psf(rng, fwhm, shape, noise)(x, y, sources.flux_adu) for fwhm in fwhms_px) / len(fwhms_px)


def _exposed(rng, light: NDArray, night: Night, camera: Camera, exposures: int) -> tuple[NDArray, NDArray[np.uint16]]:
    """The mean of exposures [DN], sky included and sloping, and its mask: saturated stars, bad pixels, a strip."""
    ny, nx = light.shape
    slope = 1 + 0.05 * (np.linspace(-1, 1, nx) * rng.uniform(-1, 1) + np.linspace(-1, 1, ny)[:, None] * rng.uniform())
    gain = GAIN_E_PER_ADU * exposures
    expected = np.maximum(np.minimum(light, 1.2 * SATURATION_ADU) + night.sky_adu * slope, 0)
    electrons = rng.poisson(expected * gain) + rng.standard_normal(light.shape) * READ_NOISE_E * np.sqrt(exposures)
    image = (electrons / gain).astype(np.float32)
    mask = np.zeros(light.shape, np.uint16)
    mask[binary_dilation(light > SATURATION_ADU, iterations=2)] = camera.mask_value("saturated")
    bad = rng.uniform(size=light.shape) < 3e-4
    if rng.uniform() < 0.3:
        start = rng.integers(0, nx)
        bad[:, start : start + rng.integers(1, 30)] = True
    image[bad] += rng.normal(0, 3000, int(bad.sum())).astype(np.float32)
    mask[bad] = camera.mask_value("noisy")
    return image, mask


def _spoil(rng, image: NDArray, deep: NDArray, at: Floats, kinds, night: Night, turned: _Turned) -> None:
    """Draw artefacts, three in ten on the reference."""
    for place, kind in zip(at, kinds, strict=True):
        total = night.sigma_flux_adu * 10 ** rng.uniform(np.log10(5), np.log10(150))
        side, where = (image, place) if rng.uniform() < 0.7 else (deep, turned(*place))
        kind(side, float(where[0]), float(where[1]), total, night.science_fwhm_px, rng)


def _catalog(
    rng, sources: Sources, place: Place, wcs: TpvWcs, night: Night, mask, exposures: int, amiss: Floats
) -> PsfCatalog:
    """Sources of S/N 5 and more as an image's PSF catalog has them.

    amiss: places (n, 2) of what was planted. Stars there are flagged: of the few stars of a patch they are far more
    than of a quadrant's, and would register the pair and shape its PSF.
    """
    single = exposures == 1
    flux = sources.flux_adu * (night.transparency if single else 1.0)
    fwhm = night.science_fwhm_px if single else float(np.mean(night.reference_fwhm_px))
    sky_noise = np.sqrt(4 * np.pi * night.variance_adu2 / exposures) * fwhm / 2.3548
    error = np.hypot(sky_noise, np.sqrt(flux / (GAIN_E_PER_ADU * exposures)))
    x, y = place(sources.x_px, sources.y_px)
    ny, nx = mask.shape
    keep = (flux > 5 * error) & (np.minimum(x, y) > 2) & (x < nx - 3) & (y < ny - 3)
    x, y, flux, error = x[keep], y[keep], flux[keep], error[keep]
    x, y = (one + rng.standard_normal(len(flux)) * fwhm / 2.3548 * error / flux for one in (x, y))
    j, i = (np.clip(np.rint(one).astype(int), 2, n - 3) for one, n in ((y, ny), (x, nx)))
    near = np.max([mask[j + v, i + u] for v in (-2, 0, 2) for u in (-2, 0, 2)], axis=0)
    ones, none = np.ones(len(flux)), np.zeros(len(flux))
    alone, _ = cKDTree(amiss if len(amiss) else np.full((1, 2), 1e9)).query(
        np.stack([sources.x_px, sources.y_px], 1)[keep]
    )
    flags = (near != 0) | (alone < _AMISS_PX)
    measured = flux + rng.standard_normal(len(flux)) * error
    return PsfCatalog(x, y, *pixel_to_sky(wcs, x, y), measured, error, ones, none, flags.astype(np.int16))


def _stored(image, mask, wcs: TpvWcs, catalog: PsfCatalog, night: Night, exposures: int) -> Stored:
    single = exposures == 1
    return Stored(
        name="science" if single else "reference", identifier=0, image_adu=image, mask=mask, sigma_adu=None,
        noise_correlation=1.0, wcs=wcs, catalog=catalog, gain_e_per_adu=GAIN_E_PER_ADU * exposures,
        saturation_adu=SATURATION_ADU,
        seeing_px=night.science_fwhm_px if single else float(np.mean(night.reference_fwhm_px)),
        zero_point_mag=ZERO_POINT_MAG + (2.5 * np.log10(night.transparency) if single else 0.0),
        infobits=0, status=1,
    )  # fmt: skip


def _coadded(rng, deep: Stored, light: NDArray[np.float32]) -> Stored:
    """The reference with the noise that interpolation leaves, and its uncertainty."""
    side = rng.uniform(0, 0.12)
    kernel = np.array([side, 1 - 2 * side, side])
    left = float(np.sum(kernel**2))  # of the noise of a pixel: a root for each axis
    image = deep.image_adu
    for axis in (0, 1):
        image = correlate1d(image, kernel, axis=axis)
    per_exposure = READ_NOISE_E**2 / GAIN_E_PER_ADU
    sky_level = np.float32(np.median(deep.image_adu))
    variance = (np.maximum(light, 0) + sky_level + per_exposure) / deep.gain_e_per_adu
    sigma = (np.sqrt(variance) * left).astype(np.float32)
    mask = np.where(binary_dilation(deep.mask != 0), np.maximum(deep.mask, deep.mask.max()), 0).astype(np.uint16)
    return Stored(**{**vars(deep), "image_adu": image, "mask": mask, "sigma_adu": sigma, "noise_correlation": 1 / left})


def _box(x: float, y: float, reach: int) -> tuple[slice, slice]:
    return slice(max(round(y) - reach, 0), round(y) + reach + 1), slice(max(round(x) - reach, 0), round(x) + reach + 1)
