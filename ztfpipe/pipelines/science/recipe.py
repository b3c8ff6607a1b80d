"""The science image of a quadrant, in the order of the system paper's figure 3.

A part that cannot be made (no seeing, no astrometric solution, no PSF, no zero point) leaves its products empty and its
quality bit set; the parts that do not need it go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Science
from ztfpipe.errors import Unusable
from ztfpipe.methods.stars import sources
from ztfpipe.methods.stars.calibration import limiting_magnitude
from ztfpipe.methods.stars.psf import core_fwhm
from ztfpipe.model.catalogs import ApertureCatalog, PsfCatalog
from ztfpipe.model.dates import julian_year
from ztfpipe.model.images import RawQuadrant
from ztfpipe.model.keys import QuadrantKey
from ztfpipe.model.quality import info_bits, photometrically_bad, standard_zero_point, status
from ztfpipe.model.science import (
    ApertureCorrections,
    Calibrators,
    Masters,
    PhotometrySummary,
    Pointing,
    ScienceImage,
)
from ztfpipe.model.stars import FittedStars, PsfModel
from ztfpipe.model.wcs import TpvWcs
from ztfpipe.model.zero_points import UsualZeroPoint, zero_point_change
from ztfpipe.pipelines.science import masks, sky, stars
from ztfpipe.pipelines.science.pixels import CalibratedPixels, calibrate_pixels

Image = NDArray[np.float32]
Part = TypeVar("Part")


@dataclass
class Progress:
    """What is known of a quadrant so far; each stage adds to it."""

    pixels: CalibratedPixels
    mask: NDArray[np.uint16]
    wcs: TpvWcs
    metrics: dict[str, float | int | str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    fwhm_px: float = np.nan
    psf: PsfModel | None = None
    astrometry: sky.Astrometry | None = None
    photometry: PhotometrySummary | None = None
    corrections: ApertureCorrections | None = None
    catalog: PsfCatalog = field(default_factory=PsfCatalog.empty)
    apertures: ApertureCatalog = field(default_factory=ApertureCatalog.empty)
    limiting_mag: float = np.nan

    @property
    def signal(self) -> Image:
        """The image less its background [DN]."""
        return self.pixels.image_adu - self.pixels.background.level


def make_science_image(
    raw: RawQuadrant,
    masters: Masters,
    calibrators: Calibrators,
    camera: Camera,
    key: QuadrantKey,
    pointing: Pointing,
    settings: Science,
) -> ScienceImage:
    """Calibrate a raw quadrant and measure everything on it. Never raises Unusable: STATUS and INFOBITS say it."""
    prior = sky.commanded_wcs(camera, key, pointing.ra_deg, pointing.dec_deg)
    try:
        pixels = calibrate_pixels(raw, masters, camera, key, settings)
    except Unusable as reason:
        return nothing(raw.image, prior, camera, key, str(reason))
    return measured(Work(Progress(pixels, pixels.mask.copy(), prior), camera, key, pointing, settings), calibrators)


def measured(work: Work, calibrators: Calibrators) -> ScienceImage:
    """Everything that is measured on calibrated pixels."""
    so_far, settings = work.so_far, work.settings
    work.mask_tracks()
    seen = work.look_without_rays()
    if seen is not None:
        work.solve_astrometry(seen, calibrators)
        work.mask_reflections(calibrators)
        gain = work.gain
        so_far.psf = work.attempt("psf", lambda: stars.make_psf(so_far.signal, work.weight(), seen, gain, settings))
    if so_far.psf is not None:
        so_far.fwhm_px = core_fwhm(so_far.psf)
        work.mask_rays(masks.RaySearch.of_psf(so_far.psf))
        work.measure_stars()
        work.calibrate_photometry(calibrators)
    work.make_aperture_catalog()
    return work.finished()


def without_masters(
    raw: RawQuadrant, camera: Camera, key: QuadrantKey, pointing: Pointing, reason: str
) -> ScienceImage:
    """The products of a quadrant that cannot be calibrated because a master is missing."""
    return nothing(raw.image, sky.commanded_wcs(camera, key, pointing.ra_deg, pointing.dec_deg), camera, key, reason)


@dataclass
class Work:
    """The stages of the recipe on one quadrant."""

    so_far: Progress
    camera: Camera
    key: QuadrantKey
    pointing: Pointing
    settings: Science

    @property
    def gain(self) -> float:
        return self.so_far.pixels.gain_e_per_adu

    def unusable(self) -> NDArray[np.bool_]:
        """Pixels with any defect bit."""
        return (self.so_far.mask & np.uint16(self.camera.defect_mask)) != 0

    def weight(self) -> Image:
        """1 / variance of background and read noise; 0 where unusable."""
        return np.where(self.unusable(), np.float32(0), self.so_far.pixels.background.noise**-2)

    def mark(self, where: NDArray[np.bool_], *names: str) -> None:
        self.so_far.mask[where] |= np.uint16(self.camera.mask_value(*names))

    def attempt(self, part: str, make: Callable[[], Part]) -> Part | None:
        """What `make` gives, or None with a note when the data do not allow it."""
        try:
            return make()
        except Unusable as reason:
            self.so_far.notes.append(str(reason))
            self.so_far.metrics[f"{part}_failed"] = 1.0
            return None

    def learn(self, metrics: Mapping[str, float | str], reason: str) -> None:
        """Keep metrics, and tell people the reason among them when something was not possible."""
        self.so_far.metrics |= metrics
        if reason in metrics:
            self.so_far.notes.append(str(metrics[reason]))

    def look_without_rays(self) -> sources.FirstLook | None:
        """First detections, a search for rays sharper than the seeing they show, and detections again; None when there
        are no stars, also when what looked like stars turns out to be rays, or trails that have the edges of rays."""
        so_far = self.so_far
        seen = self._look()
        if seen is not None:
            so_far.fwhm_px = seen.fwhm_px
            self.mask_rays(masks.RaySearch.of_seeing(seen.fwhm_px))
            seen = self._look()
        return seen

    def _look(self) -> sources.FirstLook | None:
        return self.attempt("seeing", lambda: stars.look(self.so_far.signal, self.weight(), self.settings))

    def mask_rays(self, search: masks.RaySearch) -> None:
        found = masks.rays(self.so_far.pixels, self.unusable(), self.gain, search, self.settings)
        self.mark(found, "spike")

    def mask_tracks(self) -> None:
        so_far = self.so_far
        saturated = (so_far.mask & np.uint16(self.camera.mask_value("saturated"))) != 0
        so_far.pixels, found, count = masks.tracks(
            so_far.pixels, self.unusable() & ~saturated, saturated, self.settings
        )
        self.mark(found, "track")
        so_far.metrics |= {"ntracks": count, "pcttrack": 100.0 * float(found.mean())}

    def solve_astrometry(self, seen: sources.FirstLook, calibrators: Calibrators) -> None:
        self._take_astrometry(
            self.attempt(
                "astrocal",
                lambda: sky.solve_quadrant(
                    stars.first_positions(seen),
                    calibrators.astrometric,
                    self.so_far.wcs,
                    self.so_far.mask.shape,
                    epoch_year=julian_year(self.pointing.jd_mid),
                    pixel_scale_arcsec=self.camera.pixel_scale_arcsec,
                    settings=self.settings,
                ),
            )
        )

    def refine_astrometry(self, fitted: FittedStars) -> None:
        """Fit the distortion again, to the positions of the PSF fit."""
        if self.so_far.astrometry is not None:
            self._take_astrometry(
                sky.refine_quadrant(
                    self.so_far.astrometry,
                    stars.fitted_positions(fitted),
                    self.so_far.mask.shape,
                    pixel_scale_arcsec=self.camera.pixel_scale_arcsec,
                    settings=self.settings,
                )
            )

    def _take_astrometry(self, found: sky.Astrometry | None) -> None:
        if found is not None:
            self.so_far.wcs, self.so_far.astrometry = found.solution.wcs, found
            self.so_far.metrics |= found.metrics

    def mask_reflections(self, calibrators: Calibrators) -> None:
        """Halos and ghosts of bright stars, known by their positions."""
        bright, so_far, camera = calibrators.bright, self.so_far, self.camera
        if bright is None or bright.v_mag.size == 0:
            return
        self.mark(masks.halos(bright, so_far.wcs, so_far.mask.shape, camera, self.settings), "halo")
        commanded = sky.commanded_wcs(camera, self.key, self.pointing.ra_deg, self.pointing.dec_deg)
        self.mark(masks.ghosts(bright, so_far.wcs, commanded, so_far.mask.shape, camera, self.key), "ghost")

    def fit_stars(self) -> stars.Photometry:
        return stars.measure(self.so_far.signal, self.weight(), self.so_far.psf, self.gain, self.settings)

    def measure_stars(self) -> None:
        found = self.fit_stars()
        self.so_far.corrections = found.corrections
        self.refine_astrometry(found.stars)
        self.so_far.catalog = sources.psf_catalog(
            found.stars,
            self.so_far.wcs,
            self.so_far.mask,
            defects=self.camera.defect_mask,
            edge_px=self.settings.edge_px,
        )
        column = np.clip(np.rint(found.stars.x_px), 0, self.so_far.mask.shape[1] - 1).astype(int)
        row = np.clip(np.rint(found.stars.y_px), 0, self.so_far.mask.shape[0] - 1).astype(int)
        self.so_far.mask[row, column] |= np.uint16(self.camera.mask_value("psfsource"))

    def calibrate_photometry(self, calibrators: Calibrators) -> None:
        band = self.camera.filter(self.key.exposure.filter)
        self.so_far.photometry, metrics = stars.calibrate(
            self.so_far.catalog, calibrators.photometric, band, self.so_far.mask.shape, self.settings
        )
        self.learn(metrics, "photcal_reason")
        fit = self.so_far.photometry
        if fit is not None:
            self.find_limit()
            clouded = bool(metrics["cloud_structured"])
            if clouded:
                self.so_far.notes.append(f"zero point varies by {metrics['zpstructure']:.3f} mag over the quadrant")
            self.so_far.metrics["photometric_bad"] = float(
                clouded
                or photometrically_bad(
                    self.camera,
                    self.key.exposure.filter,
                    self.key.rcid,
                    zero_point_mag=fit.zero_point,
                    zero_point_rms_mag=fit.zero_point_rms,
                    n_calibrators=fit.n_matches,
                    airmass=self.pointing.airmass,
                    exptime_s=self.pointing.exptime_s,
                )
            )
            self.so_far.metrics |= self.beside_the_usual(fit.zero_point, calibrators.usual)

    def beside_the_usual(self, zero_point_mag: float, usual: UsualZeroPoint | None) -> dict[str, float]:
        """The zero point at 30 s and without air, and how far it is from that of the nights before."""
        standard_mag = standard_zero_point(
            self.camera, self.key.exposure.filter, zero_point_mag, airmass=self.pointing.airmass,
            exptime_s=self.pointing.exptime_s,
        )  # fmt: skip
        change = zero_point_change(
            standard_mag, usual, images_min=self.settings.zero_point_images_min,
            sigma=self.settings.zero_point_sigma, floor_mag=self.settings.zero_point_floor_mag,
        )  # fmt: skip
        return {"zpstandard": standard_mag, **change}

    def find_limit(self) -> None:
        """The limiting magnitude of the catalog, where there is a zero point."""
        catalog, fit = self.so_far.catalog, self.so_far.photometry
        if fit is not None:
            limit = self.attempt(
                "maglim", lambda: limiting_magnitude(catalog.flux_adu, catalog.flux_error_adu, fit.zero_point)
            )
            self.so_far.limiting_mag = np.nan if limit is None else limit

    def make_aperture_catalog(self) -> None:
        so_far = self.so_far
        so_far.apertures, covered = stars.aperture_catalog(
            so_far.signal,
            so_far.pixels.background.noise,
            so_far.mask,
            so_far.pixels.background.level,
            so_far.wcs,
            defects=self.camera.defect_mask,
            gain=self.gain,
            fwhm_px=so_far.fwhm_px,
            settings=self.settings,
        )
        self.mark(covered, "sexsource")
        so_far.metrics["elongation"] = sources.typical_elongation(so_far.apertures)

    def finished(self) -> ScienceImage:
        so_far = self.so_far
        for part in ("psf", "astrocal", "photcal"):
            if f"{part}_failed" not in so_far.metrics:
                done = {"psf": so_far.psf, "astrocal": so_far.astrometry, "photcal": so_far.photometry}[part]
                so_far.metrics[f"{part}_failed"] = float(done is None)
        metrics = {**so_far.metrics, **self._image_metrics()}
        bits = info_bits(self.camera, metrics, self.key.night)
        return ScienceImage(
            image_adu=so_far.pixels.image_adu,
            mask=so_far.mask,
            saturation_adu=so_far.pixels.saturation_adu,
            seeing_px=so_far.fwhm_px,
            limiting_mag=so_far.limiting_mag,
            wcs=so_far.wcs,
            astrometry=None if so_far.astrometry is None else so_far.astrometry.summary,
            photometry=so_far.photometry,
            apertures=so_far.corrections,
            psf=so_far.psf,
            psf_catalog=so_far.catalog,
            aperture_catalog=so_far.apertures,
            metrics=metrics,
            infobits=bits,
            status=status(self.camera, bits),
            notes=(*so_far.notes, *self._fatal(bits)),
            fringes=so_far.pixels.fringes,
        )

    def _fatal(self, bits: int) -> list[str]:
        """The sentences of the bits that make the image unusable."""
        return [
            entry.sentence(self.key.night) for entry in self.camera.infobits if entry.fatal and bits >> entry.bit & 1
        ]

    def _image_metrics(self) -> dict[str, float | int]:
        so_far, background = self.so_far, self.so_far.pixels.background
        mask, value = so_far.mask, self.camera.mask_value
        saturated = int(np.count_nonzero(mask & np.uint16(value("saturated"))))
        return {
            "gmedian": background.median,
            "gstddev": background.scatter,
            "pctsat": 100.0 * saturated / mask.size,
            "npixsat": saturated,
            "npixbad": int(np.count_nonzero(self.unusable())),
            "npixnoisy": int(np.count_nonzero(mask & np.uint16(value("noisy")))),
            "nnanpix": int(np.count_nonzero(mask & np.uint16(value("nan")))),
            "npixspike": int(np.count_nonzero(mask & np.uint16(value("spike")))),
            "fwhm": so_far.fwhm_px,
            "fwhm_arcsec": so_far.fwhm_px * self.camera.pixel_scale_arcsec,
            "npsfcat": len(so_far.catalog),
            "nsexcat": len(so_far.apertures),
            "maglimcat": so_far.limiting_mag,
            "fringe_strength": 0.0 if so_far.pixels.fringes is None else so_far.pixels.fringes.total,
            **(so_far.pixels.overscan.metrics() if so_far.pixels.overscan is not None else {}),
        }


def nothing(counts: NDArray, wcs: TpvWcs, camera: Camera, key: QuadrantKey, reason: str) -> ScienceImage:
    """The products of a quadrant whose pixels cannot be used: its counts, all masked, no sources."""
    metrics = {"psf_failed": 1.0, "astrocal_failed": 1.0, "photcal_failed": 1.0, "npsfcat": 0, "nsexcat": 0}
    bits = info_bits(camera, metrics, key.night)
    return ScienceImage(
        image_adu=np.nan_to_num(counts.astype(np.float32)),
        mask=np.full(counts.shape, camera.mask_value("nan"), np.uint16),
        saturation_adu=camera.amplifier(key.ccdid, key.qid).saturation_adu,
        seeing_px=np.nan,
        limiting_mag=np.nan,
        wcs=wcs,
        astrometry=None,
        photometry=None,
        apertures=None,
        psf=None,
        psf_catalog=PsfCatalog.empty(),
        aperture_catalog=ApertureCatalog.empty(),
        metrics=metrics,
        infobits=bits,
        status=0,
        notes=(reason,),
    )
