"""A science image of the public archive as a start: what the recipe measures on it, with its own calibration.

The pixels are calibrated already, so the recipe begins where background and noise are found. Its WCS and zero point
stand where there are no calibrators; a cut-out keeps them always, as it holds too few stars for a quadrant's solution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.errors import Unusable
from ztfpipe.methods.detector.saturation import saturation_mask
from ztfpipe.methods.sky.background import estimate
from ztfpipe.methods.stars import apertures
from ztfpipe.methods.stars.archive_limit import archive_limiting_magnitude
from ztfpipe.methods.stars.sources import FirstLook
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.quality import info_bits, photometrically_bad, status
from ztfpipe.model.science import Calibrators, GivenImage, Pointing, ScienceImage
from ztfpipe.model.stars import PsfModel
from ztfpipe.pipelines.science import stars
from ztfpipe.pipelines.science.pixels import CalibratedPixels
from ztfpipe.pipelines.science.recipe import Progress, Work, measured, nothing

COUNTS = frozenset(["npsfcat", "nsexcat"])
"""Metrics whose thresholds are for a whole quadrant: a cut-out keeps the archive's word on them."""
SATURATION_MARGIN = 0.1
"""The flat moves the level at which a pixel saturates by up to a tenth from that of the header."""


def measure_given_image(
    given: GivenImage,
    calibrators: Calibrators,
    camera: Camera,
    key: QuadrantKey,
    pointing: Pointing,
    settings: Science,
) -> ScienceImage:
    """Measure everything on a calibrated image. Never raises Unusable: STATUS and INFOBITS say it.

    The mask is the given one without its source bits, and what the recipe finds itself; without one, saturated pixels
    and those that are not numbers begin it. INFOBITS that only the archive could judge are kept as given.
    """
    try:
        pixels = given_pixels(given, camera, settings)
    except Unusable as reason:
        return nothing(given.image_adu, given.wcs, camera, key, str(reason))
    cut_out = given.image_adu.shape != camera.quadrant_shape
    if cut_out:
        calibrators = replace(calibrators, astrometric=None)
    own = own_metrics(given, camera, key, pointing)
    so_far = Progress(pixels, pixels.mask.copy(), given.wcs, metrics=dict(own), photometry=given.photometry)
    made = measured(_GivenWork(so_far, camera, key, pointing, settings, given, own), calibrators)
    metrics = {**made.metrics, "infobits_given": given.infobits}
    judged = {name: value for name, value in metrics.items() if not (cut_out and name in COUNTS)}
    bits = info_bits(camera, judged, key.night) | (_unjudged(camera, judged, key.night) & given.infobits)
    return replace(
        made,
        astrometry=made.astrometry or given.astrometry,
        metrics=metrics,
        infobits=bits,
        status=status(camera, bits),
    )


def own_metrics(given: GivenImage, camera: Camera, key: QuadrantKey, pointing: Pointing) -> dict[str, float]:
    """What the header says of astrometry and photometry, as the metrics of the recipe; its WCS is taken as it is."""
    metrics = {"astrocal_failed": 0.0, "photcal_failed": float(given.photometry is None)}
    if given.astrometry is not None:
        metrics["anmatches"] = float(given.astrometry.n_matches)
    own = given.photometry
    if own is not None:
        bad = photometrically_bad(
            camera,
            key.exposure.filter,
            key.rcid,
            zero_point_mag=own.zero_point,
            zero_point_rms_mag=own.zero_point_rms,
            n_calibrators=own.n_matches,
            airmass=pointing.airmass,
            exptime_s=pointing.exptime_s,
        )
        metrics |= {"pabszp": own.zero_point, "pabszprms": own.zero_point_rms, "pnmatches": float(own.n_matches)}
        metrics["photometric_bad"] = float(bad)
    return metrics


def given_pixels(given: GivenImage, camera: Camera, settings: Science) -> CalibratedPixels:
    """Mask, background and noise of calibrated pixels. Raises Unusable when too many are saturated or bad."""
    mask = _first_mask(given, camera)
    unusable = (mask & np.uint16(camera.defect_mask)) != 0
    if unusable.mean() > settings.bad_pixels_max:
        raise Unusable("pixels", "too many are saturated or bad", fraction=float(unusable.mean()))
    image = given.image_adu
    lost = ~np.isfinite(image)
    if lost.any():
        image = np.where(lost, np.float32(np.median(image[~lost])), image)
    background = estimate(image, unusable, mesh_px=settings.background_mesh_px)
    return CalibratedPixels(image, mask, None, background, given.saturation_adu, None, given.gain_e_per_adu)


def _first_mask(given: GivenImage, camera: Camera) -> NDArray[np.uint16]:
    if given.mask is not None:
        mask = given.mask & np.uint16(camera.defect_mask)
    else:
        mask = np.zeros(given.image_adu.shape, np.uint16)
        margin_adu = SATURATION_MARGIN * given.saturation_adu
        saturated = saturation_mask(given.image_adu, given.saturation_adu, margin_adu=margin_adu)
        mask[saturated] |= np.uint16(camera.mask_value("saturated"))
    mask[~np.isfinite(given.image_adu)] |= np.uint16(camera.mask_value("nan"))
    return mask


def _unjudged(camera: Camera, metrics: Mapping[str, object], night: str) -> int:
    """Bits whose metric was not measured here: of calibrators, of other exposures."""
    return sum(1 << bit.bit for bit in camera.infobits if bit.in_force(night) and metrics.get(bit.metric) is None)


def flux_scale(
    found: stars.Photometry, image: stars.Image, weight: stars.Image, gain: float, diameter_px: float
) -> float:
    """Flux within a circle over PSF flux, the median of clean bright stars; 1 where fewer than three are clean.

    image: background taken off. weight: 1 / variance, 0 where masked.
    """
    measured_stars = found.stars
    sums = apertures.aperture_fluxes(
        image - found.background, weight, measured_stars.x_px, measured_stars.y_px, gain_e_per_adu=gain,
        diameters_px=(diameter_px,),
    )  # fmt: skip
    difference = apertures.aperture_corrections(measured_stars, sums, apertures.clean_stars(measured_stars))
    correction_mag = float(difference.correction_mag[0])
    return 10 ** (0.4 * correction_mag) if np.isfinite(correction_mag) else 1.0


def on_scale(found: stars.Photometry, psf: PsfModel, scale: float) -> tuple[stars.Photometry, PsfModel]:
    """PSF fluxes, aperture corrections and the PSF itself after all PSF fluxes are multiplied by `scale`.

    The archive's zero point belongs to DAOPHOT's magnitudes, whose scale is that of aperture magnitudes of the stars
    that made the PSF (Stetson 1987, PASP 99, 191), while ours is the light of the whole stamp, which the ten stars of a
    cut-out tell to a few percent only.
    """
    fitted, own = found.stars, found.corrections
    fluxes = replace(fitted, flux_adu=scale * fitted.flux_adu, sigma_flux_adu=scale * fitted.sigma_flux_adu)
    shift = 2.5 * np.log10(scale)
    corrections = replace(own, correction_mag=tuple(float(value - shift) for value in own.correction_mag))
    coefficients = (psf.coefficients / scale).astype(np.float32)
    return replace(found, stars=fluxes, corrections=corrections), replace(psf, coefficients=coefficients)


@dataclass
class _GivenWork(Work):
    """The stages of the recipe, where the image's own calibration stands in for calibrators that are not there or do
    not fit."""

    given: GivenImage
    own: dict[str, float]
    fitted: stars.Photometry | None = None

    def fit_stars(self) -> stars.Photometry:
        found = super().fit_stars()
        diameter_px = self.settings.given_scale_diameter_px
        scale = flux_scale(found, self.so_far.signal, self.weight(), self.gain, diameter_px)
        self.so_far.metrics["psf_flux_scale"] = scale
        self.fitted, self.so_far.psf = on_scale(found, self.so_far.psf, scale)
        return self.fitted

    def find_limit(self) -> None:
        """Also the limit in the archive's sense: what its MAGLIM can be compared with."""
        super().find_limit()
        fitted, fit, psf = self.fitted, self.so_far.photometry, self.so_far.psf
        if fit is None:
            return
        image, weight = self.so_far.signal - fitted.background, self.weight()
        limit = self.attempt(
            "maglim_archive",
            lambda: archive_limiting_magnitude(
                image, fitted.residual, weight, psf, fitted.stars, fit.zero_point, gain_e_per_adu=self.gain
            ),
        )
        if limit is not None:
            self.so_far.metrics["maglim_archive"] = limit

    def solve_astrometry(self, seen: FirstLook, calibrators: Calibrators) -> None:
        if calibrators.astrometric is not None:
            super().solve_astrometry(seen, calibrators)
            if self.so_far.astrometry is None:
                self.so_far.metrics |= self.own

    def calibrate_photometry(self, calibrators: Calibrators) -> None:
        if calibrators.photometric is not None:
            super().calibrate_photometry(calibrators)
            if self.so_far.photometry is not None:
                return
            self.so_far.photometry = self.given.photometry
            self.so_far.metrics |= self.own
        self.find_limit()
