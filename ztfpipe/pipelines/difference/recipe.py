"""The difference of a science image and a reference, in the order of the system paper's figure 4.

When a box cannot be done, or the difference is of no use, no event is extracted: STATUS 0, zero rows, and the reason in
the notes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ztfpipe.camera import Camera
from ztfpipe.config import Difference as Settings
from ztfpipe.errors import Unusable
from ztfpipe.methods.difference import preparation
from ztfpipe.methods.difference.alignment import measure_anew, reference_on_science, refined_mapping
from ztfpipe.methods.difference.candidates import difference_psf, find_candidates, limiting_magnitude
from ztfpipe.methods.difference.levels import levelled
from ztfpipe.methods.difference.preparation import CatalogStars
from ztfpipe.methods.difference.raw_detections import find_raw
from ztfpipe.methods.difference.star_residuals import discount_lost_cores, discount_stars
from ztfpipe.methods.difference.streaks import find_streaks
from ztfpipe.methods.difference.zogy import subtract
from ztfpipe.methods.sky.background import Background, estimate
from ztfpipe.methods.sky.projection import pixel_to_sky, sky_to_pixel
from ztfpipe.methods.sky.resampling import pixel_mapping
from ztfpipe.methods.smooth_field import field_at
from ztfpipe.methods.statistics import FWHM_PER_SIGMA, robust_image
from ztfpipe.model.candidates import Cutouts, RawDetections, Surroundings
from ztfpipe.model.difference import (
    Candidates,
    Difference,
    DifferenceProducts,
    Exposed,
    Image,
    Registration,
    Stored,
    Streaks,
)
from ztfpipe.model.real_bogus import Scorers
from ztfpipe.pipelines.difference import description
from ztfpipe.pipelines.difference.known import known_near_candidates
from ztfpipe.pipelines.difference.scores import score_medians, scores

_LEAST_POSITION_ERROR_PX = 1e-3


@dataclass
class _Progress:
    """What is known of a difference so far; each stage adds to it."""

    metrics: dict[str, float | int | str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    difference: Difference | None = None
    candidates: Candidates | None = None
    streaks: Streaks | None = None
    template_adu: Image | None = None
    more: dict[str, NDArray] = field(default_factory=dict)
    cutouts: Cutouts | None = None
    raw: RawDetections | None = None


def make_difference(
    science: Stored,
    reference: Stored,
    camera: Camera,
    settings: Settings,
    around: Surroundings | None = None,
    scorers: Scorers | None = None,
) -> DifferenceProducts:
    """Prepare the pair, subtract, judge, extract events. Never raises Unusable: STATUS and notes say it.

    around: what other surveys and the catalog of orbits know there; without it candidates have no neighbours of theirs.
    scorers: classifiers of candidates; without them scores are NaN.
    """
    work = _Work(science, reference, camera, settings, around)
    try:
        work.look_at_inputs()
        pair = work.prepare()
        work.subtract(pair)
        work.judge()
        work.extract_candidates()
        work.describe_candidates()
        work.name_known_bodies()
        work.score_candidates(scorers)
        work.extract_raw_detections()
        work.extract_streaks()
    except Unusable as reason:
        work.so_far.notes.append(str(reason))
        return work.finished(status=0)
    return work.finished(status=1)


@dataclass(frozen=True)
class _Pair:
    """Both images ready to be subtracted, and how they lie on each other."""

    science: Exposed
    reference: Exposed
    registration: Registration


@dataclass
class _Work:
    """The stages of the recipe on one pair."""

    science: Stored
    reference: Stored
    camera: Camera
    settings: Settings
    around: Surroundings | None = None
    so_far: _Progress = field(default_factory=_Progress)

    def look_at_inputs(self) -> None:
        """Note what the inputs are; only usable ones with stars go on."""
        science, reference = self.science, self.reference
        self.so_far.metrics |= {
            "scigain": science.gain_e_per_adu,
            "scisat": science.saturation_adu,
            "sciinpseeing": science.seeing_px,
            "refimfilename": reference.name,
            "refid": reference.identifier,
            "refsat": reference.saturation_adu,
            "refinpseeing": reference.seeing_px,
            "infobitsref": reference.infobits,
            "bitsinfobitsref": description.bits_in_words(reference.infobits),
        }
        for noun, one in (("science image", science), ("reference", reference)):
            if one.status != 1:
                raise Unusable("difference", f"the {noun} has STATUS {one.status}")
            if not np.isfinite([one.seeing_px, one.zero_point_mag]).all() or not len(one.catalog):
                raise Unusable("difference", f"the {noun} has no seeing, zero point or stars")

    def prepare(self) -> _Pair:
        """Match registration and throughput, resample the reference, mask, match backgrounds."""
        settings = self.settings
        catalog = stars_of(self.science, self.science.catalog.x_px, self.science.catalog.y_px)
        science, stars = self.science_exposed(catalog)
        reference, reference_stars = self.reference_resampled(catalog)
        found = self.register(stars, reference_stars)
        worst = max(found.sigma_x_px, found.sigma_y_px)
        bad = float(np.mean(science.bad | reference.bad))
        self.so_far.metrics |= {
            "fluxrat": found.flux_ratio,
            "fluxrat_error": found.flux_error,
            "nregistered": found.n_matches,
            "registration_x_px": found.sigma_x_px,
            "registration_y_px": found.sigma_y_px,
            "diffpctbad": 100.0 * bad,
        }
        if bad > settings.bad_fraction_max:
            raise Unusable("difference", "too many pixels are masked or outside of the reference", fraction=bad)
        if worst > settings.registration_scatter_max_px:
            raise Unusable("difference", "stars scatter too much about the registration", scatter_px=worst)
        reference = preparation.match_throughput(reference, found)
        background = preparation.differential_background(
            science, reference, cell_px=self.fitting(settings.background_cell_px, 10),
            scale_px=self.fitting(settings.background_scale_px, 5),
        )  # fmt: skip
        self.so_far.metrics["diffbckgnd_range"] = float(np.ptp(background))
        science = replace(science, image_adu=science.image_adu - background)
        self.so_far.metrics["diffavgsqbef"] = description.squares_before(science, reference)
        # The reference on the science image's own sky: what cutouts show.
        self.so_far.template_adu = self.science.image_adu - science.image_adu + reference.image_adu
        return _Pair(*preparation.fill_masked(science, reference, catalog), found)

    def science_exposed(self, catalog: CatalogStars) -> tuple[Exposed, CatalogStars]:
        """The science image without its background, with variance and PSF, and its stars as that PSF has them."""
        science = self.science
        signal, sky, bad = self.above_background(science)
        variance = np.square(sky.noise) + np.maximum(signal, 0) / np.float32(science.gain_e_per_adu)
        psf, stars = measure_anew(
            signal, np.where(bad, np.float32(0), 1 / np.square(sky.noise)), catalog,
            gain_e_per_adu=science.gain_e_per_adu, fwhm_px=science.seeing_px, radius_px=self.settings.psf_radius_px,
        )  # fmt: skip
        self.so_far.metrics |= {"scibckgnd": sky.median, "scisigpix": sky.scatter}
        return Exposed(signal, variance, bad, psf), stars

    def reference_resampled(self, catalog: CatalogStars) -> tuple[Exposed, CatalogStars]:
        """The reference on the science image's pixels, registration refined, and its stars as measured there."""
        science, reference = self.science, self.reference
        shape = science.image_adu.shape
        mapping = pixel_mapping(science.wcs, shape, reference.wcs, reference.image_adu.shape)
        top, end, left, right = mapping.box
        if top >= end or left >= right:
            raise Unusable("difference", "science image and reference do not overlap")
        x, y = sky_to_pixel(science.wcs, reference.catalog.ra_deg, reference.catalog.dec_deg)
        first = self.register(catalog, stars_of(reference, x, y))
        signal, sky, bad = self.above_background(reference)
        self.so_far.metrics |= {"refbckgnd": sky.median, "refsigpix": sky.scatter}
        # The noise that a PSF sees: interpolation has moved some of it from single pixels to larger areas.
        variance = np.square(np.float32(reference.noise_correlation) * reference.sigma_adu)
        return reference_on_science(
            np.where(np.isfinite(signal), signal, np.float32(0)),
            np.where(np.isfinite(variance), variance, np.float32(0)),
            bad | ~np.isfinite(signal) | ~(variance > 0),
            refined_mapping(mapping, first),
            stars_of(reference, x - field_at(first.dx, x, y), y - field_at(first.dy, x, y)),
            gain_e_per_adu=reference.gain_e_per_adu,
            fwhm_px=reference.seeing_px,
            radius_px=self.settings.psf_radius_px,
        )

    def above_background(self, one: Stored) -> tuple[Image, Background, NDArray[np.bool_]]:
        """An image less its background, the background, and its defects."""
        bad = (one.mask & np.uint16(self.camera.defect_mask)) != 0
        sky = estimate(one.image_adu, bad, mesh_px=self.fitting(self.settings.background_mesh_px, 8))
        if not np.isfinite(sky.median):
            raise Unusable("difference", f"less than a hundredth of the pixels of {one.name} is usable")
        return one.image_adu - sky.level, sky, bad

    def fitting(self, length_px: float, parts: int) -> int:
        """A length of the settings, at most this part of the shorter side of the camera's quadrants."""
        return int(min(length_px, min(self.camera.quadrant_shape) // parts))

    def register(self, stars: CatalogStars, reference: CatalogStars) -> Registration:
        settings = self.settings
        return preparation.register(
            stars,
            reference,
            self.science.image_adu.shape,
            radius_px=settings.match_radius_px,
            min_snr=settings.match_snr_min,
            max_stars=settings.matches_max,
            scale_px=settings.registration_scale_px,
            least_stars=settings.matches_min,
        )

    def subtract(self, pair: _Pair) -> None:
        found = pair.registration
        difference = subtract(
            pair.science, pair.reference, sigma_x_px=found.sigma_x_px, sigma_y_px=found.sigma_y_px,
            flux_error=found.flux_error, offset=(found.dx, found.dy), tile_px=self.settings.tile_px,
        )  # fmt: skip
        difference = levelled(
            difference, cell_px=self.fitting(self.settings.background_cell_px, 10),
            scale_px=self.fitting(self.settings.background_scale_px, 5),
        )  # fmt: skip
        stars = self.science.catalog
        difference = discount_stars(difference, stars.x_px, stars.y_px, stars.flux_adu.astype(np.float64))
        self.so_far.difference = discount_lost_cores(difference)

    def judge(self) -> None:
        """Measure the difference; Unusable when no events should be extracted from it."""
        difference, settings = self.so_far.difference, self.settings
        pixels = robust_image(difference.image_adu, difference.bad.astype(np.uint16))
        self.so_far.metrics |= {
            "pdiffbckgnd": pixels.median,
            "diffsigpix": pixels.sigma,
            "difffwhm": difference_psf(difference).fwhm_px,
            "diffmaglim": limiting_magnitude(difference, self.science.zero_point_mag),
            "scorr_width": difference.scale,
            **description.squares_after(self.so_far.metrics["diffavgsqbef"], difference),
        }
        low, high = settings.noise_scale
        if not low <= difference.scale <= high:
            raise Unusable("difference", "its noise is not what was predicted", width=difference.scale)

    def extract_candidates(self) -> None:
        settings = self.settings
        found = find_candidates(
            self.so_far.difference, zero_point_mag=self.science.zero_point_mag, threshold=settings.candidate_scorr_min,
            edge_px=settings.edge_px, max_count=settings.candidates_max,
        )  # fmt: skip
        if found.capped:
            raise Unusable("difference", "the subtraction failed: too many candidates", candidates=found.found)
        positive = int(np.count_nonzero(found.positive))
        self.so_far.candidates = found
        self.so_far.metrics |= {"ncandscimref": positive, "ncandrefmsci": len(found) - positive}

    def describe_candidates(self) -> None:
        """Neighbours, light filters and cutouts of the candidates."""
        so_far = self.so_far
        found = so_far.candidates
        bits = description.light_filters(found, self.settings.light_filters)
        around = description.neighbours(*self.on_sky(found), self.reference, self.around, self.camera)
        so_far.more |= {**around, "filterbits": bits}
        so_far.cutouts = description.cut_out(found, self.science.image_adu, so_far.template_adu, so_far.difference)
        so_far.metrics |= description.filtered_counts(found, bits)

    def name_known_bodies(self) -> None:
        """The known body nearest to each candidate; nsolarsystobj is None when the night has no table of them."""
        so_far, science = self.so_far, self.science
        known = self.around.known if self.around else None
        near, so_far.metrics["nsolarsystobj"] = known_near_candidates(
            known, science.wcs, science.image_adu.shape, self.camera.observatory, self.on_sky(so_far.candidates),
            radius_arcsec=self.settings.known_radius_arcsec,
        )  # fmt: skip
        so_far.more |= near.columns()

    def score_candidates(self, scorers: Scorers | None) -> None:
        so_far = self.so_far
        given = scores(so_far.candidates, so_far.cutouts, scorers)
        so_far.more |= given
        so_far.metrics |= score_medians(given)

    def extract_raw_detections(self) -> None:
        settings = self.settings
        found = find_raw(
            self.so_far.difference, threshold=settings.raw_scorr_min, below=settings.candidate_scorr_min,
            edge_px=settings.edge_px, max_count=settings.raw_detections_max,
        )  # fmt: skip
        self.so_far.raw = found
        self.so_far.metrics["nraw"] = len(found)
        if found.capped:
            self.so_far.notes.append(
                f"more than {settings.raw_detections_max} raw detections: the most significant are kept"
            )

    def on_sky(self, found: Candidates | RawDetections | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Right ascensions and declinations [deg]."""
        if found is None:
            return np.zeros(0), np.zeros(0)
        return pixel_to_sky(self.science.wcs, found.x_px, found.y_px)

    def extract_streaks(self) -> None:
        settings = self.settings
        if settings.streaks:
            found = find_streaks(
                self.so_far.difference, threshold=settings.streak_snr_min, max_count=settings.streaks_max,
                min_length_px=settings.streak_length_min_px,
            )  # fmt: skip
            self.so_far.streaks = found
            self.so_far.metrics["nstreaks"] = len(found)
            if found.capped:
                self.so_far.notes.append(f"more than {settings.streaks_max} streaks: the most significant are kept")

    def finished(self, status: int) -> DifferenceProducts:
        so_far = self.so_far
        ra, dec = self.on_sky(so_far.candidates)
        raw_ra, raw_dec = self.on_sky(so_far.raw)
        return DifferenceProducts(
            shape=self.science.image_adu.shape,
            difference=so_far.difference,
            candidates=so_far.candidates,
            ra_deg=ra,
            dec_deg=dec,
            streaks=so_far.streaks,
            metrics={**so_far.metrics, "statusdif": status},
            status=status,
            notes=tuple(so_far.notes),
            more=so_far.more,
            raw=so_far.raw,
            raw_ra_deg=raw_ra,
            raw_dec_deg=raw_dec,
            cutouts=so_far.cutouts,
        )


def stars_of(one: Stored, x_px: NDArray[np.float64], y_px: NDArray[np.float64]) -> CatalogStars:
    """The stars of a catalog at these places; the position error of a Gaussian core is its sigma over the S/N."""
    catalog = one.catalog
    sigma = one.seeing_px / FWHM_PER_SIGMA * catalog.flux_error_adu / np.abs(catalog.flux_adu)
    return CatalogStars(
        x_px, y_px, catalog.flux_adu, np.maximum(sigma, _LEAST_POSITION_ERROR_PX), catalog.flux_error_adu,
        catalog.flags == 0,
    )  # fmt: skip
