"""Pairs of images taken all the way to a difference, with the processor seconds of each stage."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.difference_scenes import Taken
from ztfpipe.camera import Camera
from ztfpipe.methods.difference import preparation as prepare
from ztfpipe.methods.difference.alignment import reference_on_science, refined_mapping
from ztfpipe.methods.difference.candidates import find_candidates
from ztfpipe.methods.difference.levels import levelled
from ztfpipe.methods.difference.preparation import CatalogStars
from ztfpipe.methods.difference.star_residuals import discount_lost_cores, discount_stars
from ztfpipe.methods.difference.zogy import subtract
from ztfpipe.methods.sky.background import estimate
from ztfpipe.methods.sky.projection import sky_to_pixel
from ztfpipe.methods.sky.resampling import pixel_mapping
from ztfpipe.methods.smooth_field import field_at
from ztfpipe.model.difference import Candidates, Difference, Exposed, Registration, Stored
from ztfpipe.model.science import ScienceImage


@dataclass(frozen=True)
class Subtracted:
    """A difference, its candidates, what was found on the way, and processor seconds by stage."""

    difference: Difference
    candidates: Candidates
    registration: Registration
    cpu_s: Mapping[str, float]


def subtract_taken(science: Taken, reference: Taken) -> Subtracted:
    """Two epochs that lie on one grid."""
    stars = [_measured(one) for one in (science, reference)]
    return _subtracted(science.exposed, reference.exposed, *stars, _Clock())


def subtract_products(science: ScienceImage, reference: ScienceImage, camera: Camera, gain: float) -> Subtracted:
    """Two science images of the survey; the second is brought onto the pixels of the first."""
    clock = _Clock()
    exposed = [_exposed(one, camera, gain) for one in (science, reference)]
    clock.mark("backgrounds")
    mapping = pixel_mapping(science.wcs, science.mask.shape, reference.wcs, reference.mask.shape)
    own = _catalog(science, science.psf_catalog.x_px, science.psf_catalog.y_px)
    x, y = sky_to_pixel(science.wcs, reference.psf_catalog.ra_deg, reference.psf_catalog.dec_deg)
    other = _catalog(reference, x, y)
    first = prepare.register(own, other, science.mask.shape)
    other = replace(other, x_px=x - field_at(first.dx, x, y), y_px=y - field_at(first.dy, x, y))
    moved, other = reference_on_science(
        exposed[1].image_adu, exposed[1].variance_adu2, exposed[1].bad, refined_mapping(mapping, first), other,
        gain_e_per_adu=gain, fwhm_px=reference.seeing_px, radius_px=science.psf.radius_px,
    )  # fmt: skip
    clock.mark("reference on science pixels, its PSF")
    return _subtracted(exposed[0], moved, own, other, clock)


def stored_of(image: ScienceImage, camera: Camera, gain: float, name: str = "image") -> Stored:
    """A science image in memory as one side of the recipe; with the noise of its pixels it can play reference."""
    bad = (image.mask & np.uint16(camera.defect_mask)) != 0
    sky = estimate(image.image_adu, bad)
    sigma = np.sqrt(np.square(sky.noise) + np.maximum(image.image_adu - sky.level, 0) / np.float32(gain))
    return Stored(
        name, 1, image.image_adu, image.mask, sigma, 1.0, image.wcs, image.psf_catalog, gain, image.saturation_adu,
        image.seeing_px, image.photometry.zero_point, image.infobits, 1,
    )  # fmt: skip


class _Clock:
    """Processor seconds of stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def mark(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name], self._last = now - self._last, now


def _subtracted(science: Exposed, reference: Exposed, own: CatalogStars, other: CatalogStars, clock) -> Subtracted:
    found = prepare.register(own, other, science.image_adu.shape)
    reference = prepare.match_throughput(reference, found)
    background = prepare.differential_background(science, reference)
    science = replace(science, image_adu=science.image_adu - background)
    science, reference = prepare.fill_masked(science, reference, own)
    clock.mark("preparation")
    difference = subtract(
        science, reference, sigma_x_px=found.sigma_x_px, sigma_y_px=found.sigma_y_px, flux_error=found.flux_error,
        offset=(found.dx, found.dy),
    )  # fmt: skip
    difference = levelled(difference)
    difference = discount_lost_cores(discount_stars(difference, own.x_px, own.y_px, own.flux_adu))
    clock.mark("ZOGY")
    candidates = find_candidates(difference, zero_point_mag=26.3)
    clock.mark("candidates")
    return Subtracted(difference, candidates, found, clock.seconds)


def _measured(taken: Taken) -> CatalogStars:
    stars = taken.stars
    return CatalogStars(
        stars.x_px, stars.y_px, stars.flux_adu, np.hypot(stars.sigma_x_px, stars.sigma_y_px) / np.sqrt(2),
        stars.sigma_flux_adu, stars.good_fraction > 0.99,
    )  # fmt: skip


def _catalog(image: ScienceImage, x_px: np.ndarray, y_px: np.ndarray) -> CatalogStars:
    """The PSF catalog of a science image; a Gaussian core's position error is its sigma over the S/N."""
    catalog = image.psf_catalog
    flux, error = catalog.flux_adu.astype(np.float64), catalog.flux_error_adu.astype(np.float64)
    sigma = np.maximum(image.seeing_px / 2.3548 * error / np.abs(flux), 1e-3)
    return CatalogStars(x_px, y_px, flux, sigma, error, catalog.flags == 0)


def _exposed(image: ScienceImage, camera: Camera, gain: float) -> Exposed:
    bad = (image.mask & np.uint16(camera.defect_mask)) != 0
    background = estimate(image.image_adu, bad)
    signal = image.image_adu - background.level
    variance = np.square(background.noise) + np.maximum(signal, 0) / np.float32(gain)
    return Exposed(signal, variance, bad, image.psf)
