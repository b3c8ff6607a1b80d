"""The reference of a field, filter and quadrant from the frozen inputs, in the order of the system paper 3.7.

Inputs are confirmed against calibrators once more when they are read; those that fail are left out and named. When
fewer than `epochs_min` are left, nothing is co-added and STATUS is 0: never a reference of doubtful images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera, Filter
from ztfpipe.config import Reference
from ztfpipe.errors import Unusable
from ztfpipe.methods.sky import coaddition
from ztfpipe.methods.sky.background import Background, estimate
from ztfpipe.methods.sky.projection import tangent_wcs
from ztfpipe.methods.sky.sky_mesh import measure_sky
from ztfpipe.methods.stars import sources
from ztfpipe.methods.stars.calibration import limiting_magnitude
from ztfpipe.methods.stars.psf import core_fwhm
from ztfpipe.methods.stars.psf_fit import fit_psf
from ztfpipe.model.catalogs import ApertureCatalog, PsfCatalog
from ztfpipe.model.coadd import ReferenceImage, ReferenceInput
from ztfpipe.model.keys import QuadrantKey, ReferenceKey
from ztfpipe.model.science import ApertureCorrections, Calibrators
from ztfpipe.model.stars import PsfModel
from ztfpipe.model.wcs import TpvWcs
from ztfpipe.pipelines.reference.inputs import agreement, compare_with_ps1, faults
from ztfpipe.pipelines.reference.selection import promised_depth

Image = NDArray[np.float32]
TRIMMED_MAX = 0.01
"""An input of which more was trimmed is named. A satellite's track is 0.2 % of a quadrant; an image with other stars
than its catalog has loses two places a star."""


@dataclass
class _Progress:
    """What is known of a reference so far; each stage adds to it."""

    used: list[ReferenceInput]
    rejected: dict[QuadrantKey, str]
    metrics: dict[str, float | int | str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    psf: PsfModel | None = None
    catalog: PsfCatalog = field(default_factory=PsfCatalog.empty)
    apertures: ApertureCatalog = field(default_factory=ApertureCatalog.empty)
    corrections: ApertureCorrections | None = None
    limiting_mag: float = np.nan


def grid_of(key: ReferenceKey, camera: Camera) -> tuple[TpvWcs, tuple[int, int]]:
    """WCS and shape of a reference: fixed by the field grid and the camera, whatever its inputs."""
    centre, amplifier = camera.field(key.field), camera.amplifier(key.ccdid, key.qid)
    wcs = tangent_wcs(
        centre.ra_deg,
        centre.dec_deg,
        amplifier.east_deg,
        amplifier.north_deg,
        reference_pixel=camera.reference_pixel,
        pixel_scale_arcsec=camera.pixel_scale_arcsec,
    )
    return wcs, camera.quadrant_shape


def make_reference(
    inputs: Sequence[ReferenceInput],
    unreadable: Mapping[QuadrantKey, str],
    calibrators: Calibrators,
    camera: Camera,
    key: ReferenceKey,
    settings: Reference,
) -> ReferenceImage:
    """Confirm the inputs, co-add them, measure what is there. Never raises Unusable: STATUS and notes say it.

    unreadable: inputs of the frozen list that could not be had, and why.
    """
    work = _Work(_Progress([], dict(unreadable)), calibrators, camera, key, settings)
    work.confirm(inputs)
    if len(work.so_far.used) < settings.epochs_min:
        work.so_far.notes.append(f"{len(work.so_far.used)} inputs are left of {settings.epochs_min} needed")
        return work.nothing()
    coadd = work.coadd()
    work.look_at(coadd)
    return work.finished(coadd)


@dataclass
class _Work:
    """The stages of the recipe on one reference."""

    so_far: _Progress
    calibrators: Calibrators
    camera: Camera
    key: ReferenceKey
    settings: Reference
    gain: float = np.nan
    """Electrons per DN of the co-add: its photons scatter as those of one exposure with this gain."""
    weights: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def band(self) -> Filter:
        return self.camera.filter(self.key.filter)

    @property
    def zero_point_mag(self) -> float:
        """Fixed for each filter: references are not calibrated again."""
        return self.band.reference_zero_point_mag

    def confirm(self, inputs: Sequence[ReferenceInput]) -> None:
        """Keep the inputs that agree with calibrators; name the others."""
        so_far = self.so_far
        for one in inputs:
            found = agreement(one, self.calibrators.astrometric, self.calibrators.photometric, self.band, self.settings)
            wrong = "; ".join(faults(found, self.key.filter, self.settings))
            if wrong:
                so_far.rejected[one.key] = wrong
            else:
                so_far.used.append(one)
        so_far.notes += [f"exposure {one.exposure.filefracday} left out: {why}" for one, why in so_far.rejected.items()]

    def epochs(self) -> Iterator[coaddition.Epoch]:
        """The inputs as co-addition takes them: sky measured, scale to the target zero point."""
        gain = self.camera.amplifier(self.key.ccdid, self.key.qid).gain_e_per_adu
        for one in self.so_far.used:
            image, mask = one.rows(0, one.shape[0])
            yield coaddition.Epoch(
                wcs=one.wcs,
                shape=one.shape,
                rows=one.rows,
                scale=self.scale_of(one),
                sky=measure_sky(image, mask, mesh_px=self.settings.background_mesh_px),
                gain_e_per_adu=gain,
                fwhm_px=one.seeing_px,
            )

    def scale_of(self, one: ReferenceInput) -> float:
        return float(10 ** (0.4 * (self.zero_point_mag - one.zero_point_mag)))

    def coadd(self) -> coaddition.Coadd:
        epochs = list(self.epochs())
        wcs, shape = grid_of(self.key, self.camera)
        made = coaddition.coadd(
            epochs,
            wcs,
            shape,
            defect_bits=self.camera.defect_mask,
            saturated_bits=self.camera.mask_value("saturated"),
            clip_sigma=self.settings.clip_sigma,
        )
        trimmed = made.trimmed / np.maximum(made.samples, 1)
        worst = int(np.argmax(trimmed))
        self.so_far.metrics |= {
            "noise_correlation": made.correlation,
            "trimmed_fraction": float(made.trimmed.sum() / max(int(made.samples.sum()), 1)),
            "trimmed_fraction_worst": float(trimmed[worst]),
            "trimmed_worst_input": self.so_far.used[worst].key.exposure.filefracday,
            "coverage_median": float(np.median(made.coverage)),
        }
        self.so_far.notes += [
            f"exposure {one.key.exposure.filefracday}: {100 * share:.1f} % of its samples were trimmed, its stars or"
            " sky are not those of the others"
            for one, share in zip(self.so_far.used, trimmed, strict=True)
            if share > TRIMMED_MAX
        ]
        pairs = zip(made.weights, epochs, strict=True)
        self.gain = float(1.0 / sum(weight**2 * one.scale / one.gain_e_per_adu for weight, one in pairs))
        self.weights = made.weights
        return made

    def mask_of(self, made: coaddition.Coadd) -> NDArray[np.uint16]:
        """Pixels that no epoch saw, and those that were saturated in some epochs: their average has another PSF."""
        value = self.camera.mask_value
        mask = np.where(made.saturated > 0, value("saturated"), 0).astype(np.uint16)
        mask[made.coverage <= 0] |= np.uint16(value("nan"))
        return mask

    def look_at(self, made: coaddition.Coadd) -> None:
        """Stars of the co-add: PSF, both catalogs, limiting magnitude; what cannot be had is noted."""
        so_far, settings = self.so_far, self.settings
        mask = self.mask_of(made)
        sky = estimate(made.image, mask != 0, mesh_px=settings.background_mesh_px)
        if not np.isfinite(sky.median):
            so_far.notes.append("nothing of the footprint was seen")
            return
        signal = np.nan_to_num(made.image - sky.level)
        weight = self._weight(made, signal, sky, mask)
        try:
            seen = sources.first_look(signal, weight, threshold=settings.first_threshold)
            so_far.psf = fit_psf(
                signal, weight, seen.found, gain_e_per_adu=self.gain, fwhm_px=seen.fwhm_px,
                radius_px=settings.psf_radius_px, max_order=settings.psf_order,
            )  # fmt: skip
            self._psf_photometry(signal, weight, mask)
        except Unusable as reason:
            so_far.notes.append(str(reason))
        self._aperture_photometry(signal, sky, mask)

    def _weight(self, made: coaddition.Coadd, signal: Image, sky: Background, mask: NDArray[np.uint16]) -> Image:
        """1 / variance of independent pixels that would make a star's flux as uncertain as these, which are not.

        The sky's part of the stated uncertainty knows where epochs are missing; the measured noise also knows what no
        model does. A PSF of two pixels is wide beside the kernel: it sees the noise that large areas have.
        """
        photons = np.maximum(signal, 0) / np.float32(self.gain * made.correlation**2)
        stated = np.sqrt(np.maximum(np.nan_to_num(made.uncertainty) ** 2 - photons, 0))
        noise = np.float32(made.correlation) * np.maximum(stated, sky.noise)
        return np.where(mask != 0, np.float32(0), noise**-2).astype(np.float32)

    def _psf_photometry(self, signal: Image, weight: Image, mask: NDArray[np.uint16]) -> None:
        so_far, settings, psf = self.so_far, self.settings, self.so_far.psf
        found = sources.measure_stars(
            signal,
            weight,
            psf,
            gain_e_per_adu=self.gain,
            min_snr=settings.catalog_snr_min,
            threshold=settings.detection_threshold,
            background_mesh_px=settings.background_mesh_px,
            aperture_diameters_px=settings.aperture_diameters_px,
        )
        so_far.corrections = found.corrections
        wcs, _ = grid_of(self.key, self.camera)
        so_far.catalog = sources.psf_catalog(
            found.stars, wcs, mask, defects=self.camera.defect_mask, edge_px=settings.edge_px
        )
        so_far.limiting_mag = limiting_magnitude(
            so_far.catalog.flux_adu, so_far.catalog.flux_error_adu, self.zero_point_mag
        )

    def _aperture_photometry(self, signal: Image, sky: Background, mask: NDArray[np.uint16]) -> None:
        wcs, _ = grid_of(self.key, self.camera)
        self.so_far.apertures, _ = sources.aperture_catalog(
            signal,
            sky.noise,
            mask,
            sky.level,
            wcs,
            defects=self.camera.defect_mask,
            gain_e_per_adu=self.gain,
            fwhm_px=core_fwhm(self.so_far.psf) if self.so_far.psf is not None else sources.GUESSED_FWHM_PX,
            aperture_diameters_px=self.settings.aperture_diameters_px,
            threshold_sigma=self.settings.aperture_threshold_sigma,
            pixels_min=self.settings.aperture_pixels_min,
        )
        self.so_far.metrics |= {"gmedian": sky.median, "gstddev": sky.scatter}

    def _mean(self, name: str) -> float:
        """Mean over the inputs with the weights of the co-add."""
        return float(np.dot(self.weights, [getattr(one, name) for one in self.so_far.used]))

    def finished(self, made: coaddition.Coadd) -> ReferenceImage:
        so_far, settings = self.so_far, self.settings
        wcs, shape = grid_of(self.key, self.camera)
        promised = promised_depth([one.limiting_mag for one in so_far.used])
        colour_coefficient = self._mean("colour_coefficient")
        flat, offset = compare_with_ps1(
            so_far.catalog, self.zero_point_mag, colour_coefficient, shape, self.calibrators.photometric,
            self.band, settings,
        )  # fmt: skip
        so_far.metrics |= {
            "maglim_promised": promised,
            "maglim_shortfall": promised - so_far.limiting_mag,
            "fwhm_inputs": float(np.median([one.seeing_px for one in so_far.used])),
            "ps1_offset": offset,
            "flatrms": flat.rms_mag,
            "flatrange": flat.range_mag,
            "n_ps1": flat.count,
            "covered_fraction": float(np.mean(made.coverage >= settings.epochs_min / 2)),
        }
        status = self._status(made)
        error = np.array([one.zero_point_error_mag for one in so_far.used])
        return ReferenceImage(
            image_adu=made.image,
            coverage=made.coverage,
            uncertainty_adu=made.uncertainty,
            mask=self.mask_of(made),
            zero_point_error_mag=float(np.sqrt(np.sum((self.weights * error) ** 2))),
            colour_coefficient=colour_coefficient,
            gain_e_per_adu=self.gain,
            saturation_adu=min(one.saturation_adu * self.scale_of(one) for one in so_far.used),
            jd_range=(min(one.jd for one in so_far.used), max(one.jd for one in so_far.used)),
            limiting_mag=so_far.limiting_mag,
            status=status,
            **self._measured(wcs),
        )

    def _status(self, made: coaddition.Coadd) -> int:
        """0 when there is no PSF or no catalog, or too little of the footprint was seen; the notes then say so."""
        so_far = self.so_far
        covered = so_far.metrics["covered_fraction"]
        if covered < self.settings.covered_min:
            so_far.notes.append(f"only {covered:.2f} of the footprint is covered well")
        elif so_far.psf is not None and len(so_far.catalog) and np.isfinite(so_far.limiting_mag):
            return 1
        return 0

    def _measured(self, wcs: TpvWcs) -> dict[str, object]:
        so_far = self.so_far
        counts = {"nframes": len(so_far.used), "nreject": len(so_far.rejected)}
        return {
            "wcs": wcs,
            "zero_point_mag": self.zero_point_mag,
            "used": tuple(one.key for one in so_far.used),
            "rejected": so_far.rejected,
            "psf": so_far.psf,
            "psf_catalog": so_far.catalog,
            "aperture_catalog": so_far.apertures,
            "apertures": so_far.corrections,
            "seeing_px": core_fwhm(so_far.psf) if so_far.psf is not None else np.nan,
            "metrics": {
                **so_far.metrics, **counts, "npsfcat": len(so_far.catalog), "nsexcat": len(so_far.apertures),
                "maglimcat": so_far.limiting_mag,
            },
            "notes": tuple(so_far.notes),
        }  # fmt: skip

    def nothing(self) -> ReferenceImage:
        """The products of a reference that cannot be made: no pixels, no sources."""
        wcs, shape = grid_of(self.key, self.camera)
        blank = np.full(shape, np.nan, np.float32)
        return ReferenceImage(
            image_adu=blank,
            coverage=np.zeros(shape, np.int16),
            uncertainty_adu=blank,
            mask=np.full(shape, self.camera.mask_value("nan"), np.uint16),
            zero_point_error_mag=np.nan,
            colour_coefficient=np.nan,
            gain_e_per_adu=np.nan,
            saturation_adu=np.nan,
            jd_range=(np.nan, np.nan),
            limiting_mag=np.nan,
            status=0,
            **self._measured(wcs),
        )
